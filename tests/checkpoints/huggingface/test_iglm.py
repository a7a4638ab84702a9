"""Claims: models of antibodies that others trained are read and checked, and their layer curves are what the page says.

They come with the package iglm, which is for academic use: it is no dependency, and without it these claims are not
tested.
"""

from __future__ import annotations

import sys

import pytest
import torch
from pages import DOCS, ROOT, blocks

pytest.importorskip("transformers", reason="the extra huggingface is not installed")
sys.path.insert(0, str(ROOT / "analyses"))
import antibodies

import probe

FOLDER = antibodies.installed()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="the package iglm (academic licence) is not installed")
NAMES = ("IgLM", "IgLM-S")


@pytest.mark.parametrize("name", NAMES)
def test_every_check_holds(name):
    table = probe.check(ckpt=str(FOLDER / name)).table
    assert (table["outcome"] == "holds").all()
    assert table["claim"].str.contains("GPT-2 blocks").any()


def test_the_python_of_the_page_runs():
    code = "\n".join(block.code for block in blocks(DOCS / "somebody-elses-model.md") if block.language == "python")
    names: dict[str, torch.Tensor] = {}
    exec(code, names)
    assert names["right"][-1] > 2 * names["right"][0]


@pytest.fixture(scope="module")
def table():
    """The layer curves at a small budget."""
    return antibodies.measured(FOLDER, antibodies.Budget(fit=48, score=16)).table


def test_the_next_residue_takes_shape_over_the_blocks(table):
    for name in NAMES:
        rows = table[(table["model"] == name) & (table["target"] == "next residue")]
        for _, curve in rows.groupby("head"):
            accuracy = curve.sort_values("layer")["accuracy"]
            assert accuracy.iloc[-1] > accuracy.iloc[0] + 0.2


def test_attention_is_what_tells_the_mean_of_eight_residues(table):
    rows = table[(table["target"] == "hydropathy") & (table["model"] == "IgLM")].set_index("layer")["error"]
    assert rows[1] < rows[0] / 2
