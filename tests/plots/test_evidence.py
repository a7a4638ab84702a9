"""Claims: a claim's picture shows the heads, nulls and algorithms that its rows hold."""

import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.evidence.rows import row
from probe.plots import claim_figure, style
from probe.records import Record, with_dtypes

LAYERS = range(5)


def record(algorithms: bool = True) -> Record:
    rows = []
    for head, start in (("linear", 1.0), ("frozen", 1.1), ("lens", 1.3)):
        for layer in LAYERS:
            error = start * 0.4**layer
            rows.append(row("m", "curve", "error", error, error * 0.9, error * 1.1, head=head, layer=layer))
    rows += [
        row("m", "nulls", "error", 1.0, 0.9, 1.1, site="untrained", head="linear", layer=layer) for layer in LAYERS
    ]
    # a null of half the depth
    rows += [row("m", "nulls", "error", 1.2, 1.1, 1.3, site="fixed_function", layer=layer) for layer in range(3)]
    rows += [
        row("m", "transfer", "error", 0.5 ** min(of, at), layer=of, other_layer=at) for of in LAYERS for at in LAYERS
    ]
    if algorithms:
        for site, distance in (("gd", 0.01), ("newton", 0.05), ("final_answer", 0.2)):
            rows += [
                row("m", "matching", "spd", distance, site=site, head="linear", layer=layer, step=layer)
                for layer in LAYERS
            ]
            rows += [
                row("m", "matching", metric, 0.9, site=site, head="linear", layer=layer, step=layer)
                for layer in LAYERS
                for metric in ("similarity_errors", "similarity_weights")
            ]
        left = {"unexplained": 0.3, "unexplained_weights": 0.4, "unexplained_well": 0.2, "unexplained_ill": 0.6}
        rows += [
            row("m", "matching", metric, value + add, value + add - 0.1, value + add + 0.1, site=site, head="linear")
            for metric, value in left.items()
            for site, add in (("gd", 0.0), ("newton", 0.1))
        ]
    provenance = {
        "kind": "claim",
        "command": "probe claim --ckpt m.pt --task linear",
        "config": {"task": "linear", "context": None},
        "versions": {},
        "verdict": "Not supported: <b>because</b>.",
        "criteria": [{"name": "lens", "question": "?", "threshold": "t", "seen": "s", "outcome": "fails"}],
        "not_tested": {"states": "It has none."},
        "models": {
            "m": {"arch": "mamba", "blocks": 4, "layout": "M4", "width": 8, "dim": 3, "block": "adds", "context": 9}
        },
    }
    return Record(with_dtypes(pd.DataFrame(rows)), provenance)


def test_every_head_null_and_algorithm_is_drawn_where_it_lies():
    panels = claim_figure([record()]).axes
    lines = {line.get_label(): line for line in panels[0].get_lines()}
    assert lines["refitted at every layer"].get_ydata()[4] == pytest.approx(0.4**4)
    assert {"the last layer's head, frozen", "the model's own read-out (lens)", "untrained model"} <= set(lines)
    assert list(lines["trained on one fixed function"].get_xdata()) == [0, 2, 4], "laid along the same depth"
    steps = {line.get_label(): list(line.get_ydata()) for line in panels[3].get_lines()}
    assert steps == {"gradient descent": [1, 2, 3, 4], "Newton": [1, 2, 3, 4]}


def test_what_algorithms_leave_is_drawn_of_answers_and_weights_and_by_conditioning():
    similar, left = claim_figure([record()]).axes[4:6]
    assert {line.get_label() for line in similar.get_lines()} == {
        f"{name}, {of}" for name in ("gradient descent", "Newton") for of in ("errors (SimE)", "weights (SimW)")
    }
    drawn = {bars.get_label(): list(bars[0].get_ydata()) for bars in left.containers}
    assert drawn["answers (SPD)"] == pytest.approx([0.3, 0.4])
    assert drawn["induced weights (ILWD)"] == pytest.approx([0.4, 0.5])
    assert drawn["answers, worst conditioned third"] == pytest.approx([0.6, 0.7])


def test_without_algorithms_two_panels_are_left():
    titles = [axes.get_title(loc="left") for axes in claim_figure([record(algorithms=False)]).axes]
    assert [title for title in titles if title] == ["error by layer", "one layer's head at another"]


def test_what_is_no_claim_is_refused():
    other = Record(record().table, {"kind": "fit"})
    with pytest.raises(ProbeError, match="one record of probe claim"):
        claim_figure([other])


def test_heads_and_algorithms_have_colours_of_their_own_and_abbreviations_are_explained():
    figure = claim_figure([record()])
    curves, _, distances, steps = figure.axes[:4]
    heads = {line.get_color() for line in curves.get_lines()} - {"black", "#777777"}
    algorithms = {line.get_color() for axes in (distances, steps) for line in axes.get_lines()} - {"black"}
    assert len(heads) == 3
    assert algorithms
    assert not heads & algorithms
    above = figure.get_suptitle()
    for word in ("SimE", "SimW", "SPD", "ILWD", "task linear", "95 %"):
        assert word in above


def test_the_closest_algorithm_is_the_one_that_the_selection_prompts_chose():
    found = record()
    rows = found.table[found.table["evidence"] == "matching"]
    sites = [site for site in rows["site"].unique() if site != "final_answer"]
    assert len(sites) == 2
    ranks = pd.DataFrame(
        [
            rows.iloc[0].to_dict() | {"site": site, "metric": "rank", "value": float(place), "layer": None}
            for place, site in enumerate(sites, start=1)
        ]
    )
    for order in (ranks, ranks.assign(value=ranks["value"].iloc[::-1].tolist())):
        expected = order.sort_values("value")["site"].map(style.name).tolist()
        figure = claim_figure([Record(pd.concat([found.table, order], ignore_index=True), found.provenance)])
        named = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
        assert named[:2] == expected
