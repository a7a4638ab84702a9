"""Every architecture learns, is probed and is evaluated on every task, at toy size."""

from pathlib import Path

import numpy as np
import pytest

import probe
from probe import checkpoints
from probe.capture import check_invariants
from probe.config import EvaluateConfig, FitConfig, TrainConfig
from probe.randomness import PromptSource
from probe.tasks import TASKS, make
from probe.training.presets import ARCHITECTURES

# what fits four examples
TEXTS = {
    "vector_mqar": "vector_mqar:queries=2",
    "token_mqar": "token_mqar:vocabulary=8,pairs=1",
    "induction": "induction:vocabulary=8",
    "regular_language": "regular_language:letters=5,states=3",
}


@pytest.fixture(autouse=True)
def few_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training's last errors are measured on a few prompts."""
    monkeypatch.setattr("probe.commands.train.FINAL_PROMPTS", 64)


def trained(arch: str, task: str, folder: Path) -> str:
    """Trains for two steps and returns the checkpoint's path."""
    family = ARCHITECTURES[arch]
    out = folder / f"{arch}-{task.partition(':')[0]}.pt"
    blocks = family.blocks_before + family.blocks_per_repeat
    config = TrainConfig(
        out=str(out), task=task, arch=arch, blocks=blocks, width=16, attention_heads=2, dim=4,
        context=4, batch=4, steps=2, warmup=0, curriculum=False, threads=1,
    )  # fmt: skip
    probe.train(config, command=f"probe train --arch {arch} --task {task}")
    return str(out)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_goes_through_every_task(arch: str, tmp_path: Path) -> None:
    for name in TASKS:
        task = TEXTS.get(name, name)
        path = trained(arch, task, tmp_path)
        fitted = probe.fit(FitConfig(ckpt=(path,), task=task, head=("linear", "lens"), prompts=64, score=32, batch=32))
        rows = fitted.table[fitted.table["head"].isin(["linear", "lens", "model"])]
        assert len(rows) > 0
        assert np.isfinite(rows["error"]).all(), f"{arch} on {task}"
        shown = probe.evaluate(EvaluateConfig(ckpt=(path,), task=task, learner=("none",), prompts=32, batch=32))
        assert np.isfinite(shown.table["error"]).all(), f"{arch} on {task}"
        last = fitted.table[(fitted.table["head"] == "lens") & (fitted.table["layer"] == fitted.table["layer"].max())]
        own = fitted.table[fitted.table["head"] == "model"]
        assert last["error"].tolist() == pytest.approx(own["error"].tolist(), rel=1e-5), "the last layer decodes"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_keeps_the_invariants_of_capture(arch: str, tmp_path: Path) -> None:
    found = checkpoints.load(trained(arch, "linear", tmp_path))
    prompts = make("linear", found.dim).draw(PromptSource(0, "score", range(4)), 4)
    findings = check_invariants(found.stream, prompts.inputs)
    assert [finding.claim for finding in findings if not finding.held] == []
