"""Claims: the spectrum of a claim holds what the closest algorithm of the matching holds, and nothing without it."""

from pathlib import Path

import probe

CONTROL = str(Path(__file__).parents[2] / "checkpoints" / "control-gradient.pt")
OTHERS = ["trend", "nulls", "known", "states", "influence", "causes", "loop", "map", "online"]
KEYS = ["layer", "step"]


def spectral(skip):
    found = probe.claim(ckpt=CONTROL, task="linear", prompts=256, score=64, asked=32, skip=[*OTHERS, *skip])
    rows = found.table[found.table["evidence"] == "spectral"]
    return found, rows


def test_a_stack_of_gradient_steps_has_the_response_of_the_algorithm_that_is_closest():
    found, rows = spectral([])
    lens = rows[rows["head"] == "lens"]
    followed = lens[lens["metric"] == "followed response"]
    told = found.table.query("evidence == 'matching' and head == 'lens' and metric == 'spd' and site != 'final_answer'")
    (name,) = followed["site"].unique()
    assert name == told.groupby("site")["value"].sum().idxmin()
    read = lens[lens["metric"] == "response"].set_index(KEYS)["value"].astype(float)
    assert (followed.set_index(KEYS)["value"].astype(float) - read).abs().max() < 0.02
    assert rows[rows["metric"] == "followed response"]["head"].nunique() == 2


def test_without_the_matching_there_is_no_algorithm_to_follow():
    _, rows = spectral(["matching"])
    assert set(rows["metric"]) == {"eigenvalue", "response", "nonlinear"}
