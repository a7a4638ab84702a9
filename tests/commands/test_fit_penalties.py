"""Penalties are chosen on prompts of their own, neither those that heads are fitted on nor those they are judged on."""

from pathlib import Path

import torch

import probe
from probe import checkpoints
from probe.capture import capture
from probe.config import FitConfig
from probe.heads import Moments, SelectionErrors, solve_path
from probe.randomness import PromptSource, Purpose
from probe.tasks import make


def test_the_penalty_is_the_best_on_a_quarter_as_many_selection_prompts(toys: Path) -> None:
    """Chosen by hand; on the prompts that heads are fitted on, or judged on, some would be others."""
    found, task = checkpoints.load(str(toys / "m.pt")), make("linear", 2)

    def drawn(purpose: Purpose, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        prompts = task.draw(PromptSource(0, purpose, range(count)), 4)
        return capture(found.stream, prompts.inputs, prompts.queries).stream, prompts.targets

    moments = Moments((3, 5), 8, 1)
    moments.update(*drawn("fit", 64))
    path = solve_path(moments)
    chosen = {}
    for purpose, count in (("select", 16), ("fit", 64), ("score", 64)):
        errors = SelectionErrors(path)
        errors.update(*drawn(purpose, count))
        chosen[purpose] = path.choose(errors.best()).penalty
    table = probe.fit(
        FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", head=("linear",), prompts=64, score=64)
    ).table
    penalties = torch.tensor(table[table["head"] == "linear"]["penalty"].to_list(), dtype=torch.float64).reshape(3, 5)
    torch.testing.assert_close(penalties, chosen["select"])
    for other in ("fit", "score"):
        assert (penalties != chosen[other]).sum() >= 3


def test_the_chance_line_knows_nothing_of_the_model(toys: Path) -> None:
    """Two models as wide as each other have the same one, by the prompts alone."""
    names = (str(toys / "m.pt"), str(toys / "t.pt"))
    table = probe.fit(FitConfig(ckpt=names, task="linear", head=("linear",), prompts=64, score=64)).table
    one, other = (table[(table["head"] == "chance") & (table["model"] == model)]["error"].tolist() for model in "mt")
    assert len(one) == 5
    assert one == other
    assert min(one) > 0.8
