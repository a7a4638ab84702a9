"""The report of a claim: one HTML file that holds its pictures, drawn from the record alone."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from probe import text
from probe.errors import ProbeError
from probe.files import write_atomically
from probe.plots import style
from probe.plots.causes import causes_figure
from probe.plots.evidence import PANELS, claim_figure
from probe.plots.influence import draw_influence
from probe.plots.known import draw_known
from probe.plots.states import draw_states
from probe.records import Record, with_dtypes


@dataclass(frozen=True)
class Picture:
    """A picture of the report, drawn where one of its kinds of evidence is there."""

    evidence: tuple[str, ...]
    draw: Callable[[Record], Figure]
    caption: str


PICTURES: tuple[Picture, ...] = (
    Picture(
        tuple(PANELS),
        lambda record: claim_figure([record]),
        "Error by layer, of heads refitted at every layer, of the last layer's head applied at all, of the lens, and "
        "of the nulls in grey (bands: 95 % by prompt, for all layers at once); every layer's head at every other; how "
        "far the layers' answers are from the closest algorithms' steps, each scaled, beside the final answer scaled; "
        "which steps these are; how similar they are in direction; and which share of the final answer's distance the "
        "algorithms leave, on all prompts and on those whose examples are conditioned best and worst.",
    ),
    Picture(
        ("known",),
        lambda record: draw_known(record.table),
        "What linear heads read at the query: the answer, w, and what algorithms would hold; what each block wrote of "
        "what was still missing; and a two-layer head beside the linear one, with both on the untrained model.",
    ),
    Picture(
        ("states",),
        lambda record: draw_states(record.table),
        "What stands inside the blocks after each example: the cosine of w with what heads read of it, beside those "
        "that algorithms reach; and the errors by site and by target.",
    ),
    Picture(
        ("influence",),
        lambda record: draw_influence(record.table),
        "By how much each example's y moves the answer, beside least squares; and where a Mamba's implicit attention "
        "falls.",
    ),
    Picture(
        ("causes",),
        lambda record: causes_figure([record]),
        "What the answer does when the stream or a state is exchanged for that of other examples, when it is steered "
        "along the heads' directions, when blocks are skipped, repeated or exchanged, and when parts of a block are "
        "switched off.",
    ),
)


def save_report(record: Record, path: str | Path) -> Path:
    """Writes the report of a claim, whole or not at all.

    Raises:
        ProbeError: if the record is not one of probe claim, or the file is not named .html.
    """
    path = Path(path)
    if path.suffix != ".html":
        raise ProbeError(f"{path} was given for a report, but a report is an .html file. Name it so.")
    page = report_page(record)
    write_atomically(path, lambda file: file.write(page))
    return path


def report_page(record: Record) -> bytes:
    """Returns the report of a claim as a page of HTML.

    Raises:
        ProbeError: if the record is not one of probe claim.
    """
    if record.provenance.get("kind") != "claim":
        raise ProbeError(f"A record of {record.provenance.get('kind')} was given, but a report needs one of claim.")
    return _page(record).encode()


def _page(record: Record) -> str:
    table, found = with_dtypes(record.table), record.provenance
    (model, about), config = next(iter(found["models"].items())), found["config"]
    template = files("probe.plots").joinpath("report.html").read_text(encoding="utf-8")
    # every text of the record, whoever wrote it, passes through `text.terminal`, and is then escaped
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_cleaned)
    return environment.from_string(template).render(
        model=model,
        task=config["task"],
        context=about["context"] if config["context"] is None else config["context"],
        verdict=found["verdict"],
        about=f"{about['arch']}, {style.count(about['blocks'], 'block')} ({about['layout']}), width {about['width']}, "
        f"{style.count(about['dim'], 'dimension')}; {about['block']}.",
        criteria=found["criteria"],
        missing=found["not_tested"],
        pictures=[_picture(one, record) for one in PICTURES if table["evidence"].isin(one.evidence).any()],
        tables=[_table(str(name), rows) for name, rows in table.groupby("evidence", sort=False)],
        provenance=json.dumps({name: found[name] for name in ("command", "config", "versions", "models")}, indent=2),
    )


def _cleaned(value: Any) -> Any:
    return text.terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _picture(picture: Picture, record: Record) -> dict[str, str]:
    file = io.BytesIO()
    figure = picture.draw(record)
    with style.page():
        figure.savefig(file, format="png", dpi=160, metadata={"Software": None})
    return {"caption": picture.caption, "data": base64.b64encode(file.getvalue()).decode()}


def _table(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    filled = rows.drop(columns=["model", "evidence"]).dropna(axis=1, how="all")
    words = filled.select_dtypes(exclude="number")
    filled = filled.assign(**{str(column): words[column].map(_cleaned) for column in words})
    html = filled.to_html(index=False, border=0, na_rep="", float_format=lambda number: f"{number:.4g}")
    return {"name": name, "count": len(rows), "html": html}
