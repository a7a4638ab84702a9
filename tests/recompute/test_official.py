"""Claims: official runs are recomputed by their own keys; a translation that turns or drops something is found."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from probe.capture import NativeModel
from probe.checkpoints import official
from probe.models import ResidualModel
from probe.recompute import check_stored

FIXTURES = Path(__file__).parents[1] / "checkpoints" / "official" / "fixtures"
NAMES = sorted(path.name for path in FIXTURES.iterdir())
KINDS = {
    "gpt2": {"causal attention", "feed-forward"},
    "grazzi-mamba": {"Mamba"},
    "grazzi-s4": {"S4D"},
    "park-hybrid": {"causal attention", "Mamba"},
    "park-mambaformer": {"causal attention", "Mamba"},
    "park-mamba": {"Mamba"},
    "park-rnn": {"ReLU RNN"},
    "park-s4-mamba": {"S4-Mamba"},
    "park-s4d": {"S4D"},
    "park-standard": {"causal attention", "Mamba"},
}


def tokens(name: str) -> Tensor:
    found: Tensor = torch.load(FIXTURES / name / "expected.pt", weights_only=True)["tokens"]
    return found


def broken(name: str, model: ResidualModel) -> list[str]:
    findings = check_stored(FIXTURES / name, NativeModel(model), tokens(name))
    return [finding.claim.partition(" writes ")[0].partition(" blocks ")[0] for finding in findings if not finding.held]


@pytest.mark.parametrize("name", NAMES)
def test_every_run_is_what_its_keys_make(name: str) -> None:
    found = check_stored(FIXTURES / name, NativeModel(official.read(FIXTURES / name).model), tokens(name))
    assert all(finding.held for finding in found), found
    kinds = {finding.claim.partition(" blocks ")[0] for finding in found if " blocks " in finding.claim}
    assert kinds == next((kinds for start, kinds in KINDS.items() if name.startswith(start)), KINDS["gpt2"])


def turned(path: str) -> Callable[[ResidualModel], None]:
    def apply(model: ResidualModel) -> None:
        weight = model.get_parameter(path)
        weight.copy_(weight.T.clone())

    return apply


def dropped(path: str) -> Callable[[ResidualModel], None]:
    def apply(model: ResidualModel) -> None:
        model.get_parameter(path).zero_()

    return apply


def raised(path: str) -> Callable[[ResidualModel], None]:
    """What adds to a tensor that may be zero in the file."""

    def apply(model: ResidualModel) -> None:
        model.get_parameter(path).add_(0.05)

    return apply


WRONG: list[tuple[str, str, Callable[[ResidualModel], None]]] = [
    ("garg-gpt2", "causal attention", turned("blocks.0.mixer.c_proj.weight")),
    ("garg-gpt2", "the read-in", dropped("positions.weight")),
    ("grazzi-gpt2", "feed-forward", raised("blocks.1.mixer.c_proj.bias")),
    ("grazzi-mamba", "Mamba", dropped("blocks.1.mixer.D")),
    ("grazzi-s4", "S4D", raised("blocks.1.mixer.kernel.D")),
    ("park-hybrid", "Mamba", raised("blocks.1.mixer.dt_proj.bias")),
    ("park-rnn", "ReLU RNN", turned("blocks.0.mixer.rnn.weight_hh_l0")),
    ("park-s4-mamba", "S4-Mamba", raised("blocks.0.mixer.conv1d.bias")),
    ("park-s4d", "S4D", raised("blocks.0.mixer.output_linear.bias")),
    ("park-standard", "causal attention", raised("blocks.0.norm.bias")),
    ("park-standard", "the read-out", dropped("read_out.weight")),
]


@pytest.mark.parametrize(("name", "claim", "spoil"), WRONG, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(WRONG)])
def test_a_run_that_was_read_wrongly_is_found(name: str, claim: str, spoil: Callable[[ResidualModel], None]) -> None:
    model = official.read(FIXTURES / name).model
    with torch.no_grad():
        spoil(model)
    assert broken(name, model) == [claim]


def test_another_number_of_heads_than_the_releases_is_found() -> None:
    model = official.read(FIXTURES / "park-hybrid").model
    model.blocks[0].mixer.heads = 4  # type: ignore[union-attr]
    assert broken("park-hybrid", model) == ["causal attention"]
