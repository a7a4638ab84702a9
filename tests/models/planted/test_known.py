"""Claims: the models of known answer can be built by name, and there are enough of either kind."""

import pytest
import torch

from probe.errors import ProbeError
from probe.models.controls import known_model, model_of, planted_model
from probe.models.layout import parse_layout
from probe.models.planted import KNOWN
from probe.randomness import PromptSource
from probe.tasks import Linear

ITERATING = {
    "gradient", "decreasing", "chebyshev", "momentum", "two_blocks", "alternating", "at_end", "newton", "higher_order",
    "recency", "shared_error", "at_pairs", "preconditioned", "pausing", "decay",
}  # fmt: skip


def settings(name: str) -> dict[str, str]:
    return dict(parse_layout(KNOWN[name].layout)[0].settings)


def test_there_are_sixty_models_and_more_and_twelve_kinds_of_impostors_and_no_two_are_alike():
    assert len(KNOWN) >= 60
    assert len({known.layout for known in KNOWN.values()}) == len(KNOWN)
    assert len({known.says for known in KNOWN.values()}) == len(KNOWN)
    kinds = {name: settings(name)["algorithm"] for name in KNOWN}
    for name, known in KNOWN.items():
        assert known.iterates == (kinds[name] in ITERATING), name
    assert set(kinds.values()) > ITERATING
    assert len(set(kinds.values()) - ITERATING) >= 12
    noisy = {kinds[name] for name in KNOWN if "noise" in settings(name)}
    assert len(noisy & ITERATING) >= 6
    assert len(noisy - ITERATING) >= 6


@pytest.mark.parametrize("name", KNOWN)
def test_each_answers_its_prompts_better_than_guessing(name):
    model = known_model(name)
    prompts = Linear(model.config.dim).draw(PromptSource(0, "score", range(200)), 15)
    answers = model(prompts.inputs)[:, prompts.queries[-1], 0]
    target = prompts.targets[:, -1, 0]
    assert (answers - target).square().mean() < 0.15 * target.square().mean()


def test_a_layout_is_the_same_model_as_its_settings():
    inputs = torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(known_model("gradient")(inputs), planted_model("gradient", 5, 10)(inputs))
    noisy = planted_model("reveal", 5, 10, noise=0.02, seed=1)
    assert torch.equal(known_model("reveal-noise-0.02")(inputs), noisy(inputs))
    assert noisy.config.layout == KNOWN["reveal-noise-0.02"].layout


def test_what_is_not_known_or_not_planted_is_refused():
    with pytest.raises(ProbeError, match="Did you mean gradient"):
        known_model("gradientt")
    with pytest.raises(ProbeError, match="P blocks alone"):
        model_of("P[dim=3]2M")
