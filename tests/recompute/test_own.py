"""Claims: every mixer of ours is recomputed from its file, and a model that runs otherwise is found.

The file stays as it was written; what runs is changed, as a faulty reader or module would have it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from probe import checkpoints
from probe.capture import ModuleModel, NativeModel, Place, check_invariants
from probe.config import ModelConfig
from probe.models import LETTERS, ResidualModel
from probe.recompute import check_stored, comparison
from probe.recompute.own import MIXERS
from probe.recompute.part import Described, Part
from probe.recompute.weights import Weights

WIDTH = 16


def write(path: Path, layout: str, **options: object) -> ResidualModel:
    """Saves a random model whose norms and biases are not at 1 and 0, where many mistakes cancel."""
    torch.manual_seed(0)
    config = ModelConfig(**{"layout": layout, "dim": 3, "width": WIDTH, "attention_heads": 2, **options})
    model = ResidualModel(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.1)
    checkpoints.save(path, model, {"task": "linear", "context": 4, "dim": 3, "seed": 0, "step": 1, "command": "a test"})
    return model


def check(path: Path, model: ResidualModel) -> list[str]:
    """The claims that do not hold, where the model of a file runs as it is given."""
    shape = (2, 9) if model.config.symbols else (2, 9, 3)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(model.config.symbols, shape, generator=generator) if model.config.symbols else None
    found = check_stored(
        path, NativeModel(model), torch.randn(shape, generator=generator) if inputs is None else inputs
    )
    return [finding.claim for finding in found if finding.held is False]


VARIANTS = [
    *MIXERS,
    "M[delta=constant]",
    "M[B=constant,C=constant]",
    "M[delta=constant,B=constant,C=constant]",
    "M[conv=off]",
    "M[gate=off]",
    "D[heads=2,states=8]",
    "S[residual=post,states=8]",
    "T[gate=linear,states=8]",
    "V[heads=4]",
    "L[conv=off,feature=none,norm=off]",
    "E[conv=off]",
    "G[gate=off,expand=1]",
    "A[residual=none,heads=4]",
    "J[slots=7]",
    "H[slots=7]",
]


def test_every_letter_has_its_equations_but_those_that_were_planted_by_hand() -> None:
    assert set("MAFSTDRCVWLEGUNJH") <= MIXERS.keys() <= LETTERS.keys()


@pytest.mark.parametrize("norm", ["rms", "layer", "none"])
@pytest.mark.parametrize("letter", VARIANTS)
def test_a_sound_model_is_what_its_file_makes(tmp_path: Path, letter: str, norm: str) -> None:
    model = write(tmp_path / "a.pt", f"{letter}3", norm=norm)
    found = check_stored(tmp_path / "a.pt", NativeModel(model), torch.randn(2, 9, 3))
    assert [finding.held for finding in found] == [True] * 5, found


@pytest.mark.parametrize(
    "options", [{"positions": "learned", "slots": 12}, {"positions": "sinusoidal"}, {"symbols": 7}]
)
def test_read_ins_are_recomputed_with_their_positions(tmp_path: Path, options: dict[str, object]) -> None:
    model = write(tmp_path / "a.pt", "(AF)2", **options)
    assert check(tmp_path / "a.pt", model) == []
    model.embed = lambda inputs: model.read_in(inputs)  # type: ignore[method-assign]
    broken = check(tmp_path / "a.pt", model)
    assert broken == ([] if "symbols" in options else ["the read-in writes what its stored weights make"])


def test_a_folder_of_parts_is_recomputed(tmp_path: Path) -> None:
    model = write(tmp_path / "a.pt", "MA")
    about = {"task": "linear", "context": 4, "dim": 3, "seed": 0, "step": 1, "command": "a test"}
    checkpoints.save(tmp_path / "parts", model, about, part_megabytes=0.002)
    assert check(tmp_path / "parts", model) == []
    model.blocks[1].mixer.c_proj.bias[0] += 0.01  # type: ignore[union-attr,index]
    assert check(tmp_path / "parts", model) == ["causal attention blocks write what their stored weights make"]


def change_of(module: str, name: str, change: Callable[[Tensor], Tensor]) -> Callable[[ResidualModel], None]:
    """What gives the last block another tensor."""

    def apply(model: ResidualModel) -> None:
        tensor = model.blocks[-1].get_submodule(module).get_parameter(name)
        tensor.copy_(change(tensor.clone()))

    return apply


def forward_of(module: str, forward: Callable[..., Tensor]) -> Callable[[ResidualModel], None]:
    """What makes a module of the last block compute something else."""

    def apply(model: ResidualModel) -> None:
        inner = model.blocks[-1].get_submodule(module)
        own = inner.forward
        inner.forward = lambda *given, **named: forward(inner, own, *given, **named)  # type: ignore[method-assign]

    return apply


def setting_of(module: str, name: str, value: object) -> Callable[[ResidualModel], None]:
    return lambda model: setattr(model.blocks[-1].get_submodule(module), name, value)


def transposed(weight: Tensor) -> Tensor:
    return weight.T


def nothing(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor)


def swapped(tensor: Tensor) -> Tensor:
    """The two halves of the rows exchanged: heads, or what a map is split into."""
    return torch.cat(tensor.chunk(2)[::-1])


def relu_instead(inner: nn.Module, own: Callable[..., Tensor], x: Tensor) -> Tensor:
    return inner.c_proj(torch.relu(inner.c_fc(x)))  # type: ignore[operator]


def whole_norm(inner: nn.Module, own: Callable[..., Tensor], x: Tensor) -> Tensor:
    """One norm over all heads."""
    return nn.functional.rms_norm(x, x.shape[-2:], eps=1e-5) * inner.weight  # type: ignore[operator]


def same(inner: nn.Module, own: Callable[..., Tensor], x: Tensor, *rest: object, **named: object) -> Tensor:
    return x


WRONG: dict[str, tuple[str, Callable[[ResidualModel], None]]] = {
    "a bias dropped": ("A", change_of("mixer.c_proj", "bias", nothing)),
    "a small bias dropped": ("A", change_of("mixer.c_proj", "bias", lambda bias: bias + 0.001)),
    "a square matrix transposed": ("A", change_of("mixer.c_proj", "weight", transposed)),
    "heads permuted": (
        "A",
        change_of("mixer.c_attn", "weight", lambda rows: torch.cat([swapped(rows[:16]), rows[16:]])),
    ),
    "another number of heads": ("A", setting_of("mixer", "heads", 4)),
    "queries and keys exchanged, values for keys": (
        "A",
        change_of("mixer.c_attn", "weight", lambda rows: rows.roll(16, 0)),
    ),
    "another epsilon": ("A", setting_of("norm", "eps", 1e-6)),
    "no norm": ("F", forward_of("norm", same)),
    "another activation": ("F", forward_of("mixer", relu_instead)),
    "Mamba's skip dropped": ("M", change_of("mixer", "D", nothing)),
    "Mamba's halves exchanged": ("M", change_of("mixer.in_proj", "weight", swapped)),
    "Mamba's step bias dropped": ("M", change_of("mixer.dt_proj", "bias", nothing)),
    "Mamba's convolution turned round": ("M", change_of("mixer.conv1d", "weight", lambda taps: taps.flip(-1))),
    "Mamba's convolution without its bias": ("M", change_of("mixer.conv1d", "bias", nothing)),
    "Mamba's rates not exponentiated": ("M", change_of("mixer", "A_log", torch.exp)),
    "Mamba-2's heads permuted": ("D", change_of("mixer", "D", lambda skip: skip.flip(0))),
    "Mamba-2's gated norm of another epsilon": ("D", setting_of("mixer.norm", "eps", 1e-8)),
    "S4D's imaginary parts negated with C kept": ("S", change_of("mixer.kernel", "A_imag", torch.neg)),
    "S4D's map without its bias": ("S", change_of("mixer.output_linear", "bias", nothing)),
    "S4-Mamba's gate left out of its SiLU": ("T", setting_of("mixer", "gate", "linear")),
    "RWKV-4's bonus dropped": ("R", change_of("mixer", "time_first", nothing)),
    "RWKV-4's shares the wrong way round": ("C", change_of("mixer", "time_mix_key", lambda share: 1 - share)),
    "RWKV-7's bonus dropped": ("V", change_of("mixer", "r_k", nothing)),
    "RWKV-7's norm of another epsilon": ("V", setting_of("mixer.ln_x", "eps", 1e-5)),
    "RWKV-7's channel shares the wrong way round": ("W", change_of("mixer", "x_k", lambda share: 1 - share)),
    "linear attention's heads normed together": ("L", forward_of("mixer.o_norm", whole_norm)),
    "DeltaNet's keys and queries not brought to length 1": ("E", setting_of("mixer", "_scaled", lambda x: x)),
    "Gated DeltaNet's decay dropped": ("G", setting_of("mixer", "_log_decay", lambda x: None)),
    "Gated DeltaNet's keys of another epsilon": ("G", setting_of("mixer", "KEY_EPSILON", 1e-3)),
    "an LSTM's second bias dropped": ("U", change_of("mixer.lstm", "bias_hh_l0", nothing)),
    "an LSTM's gates in another order": ("U", change_of("mixer.lstm", "weight_ih_l0", swapped)),
    "an RNN's matrix transposed": ("N", change_of("mixer.rnn", "weight_hh_l0", transposed)),
    "a residual left out": ("M", lambda model: setattr(model.blocks[-1], "residual", "none")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_passes_the_invariants_and_is_found_against_its_file(tmp_path: Path, name: str) -> None:
    letter, spoil = WRONG[name]
    model = write(tmp_path / "a.pt", f"{letter}2", norm="rms")
    assert check(tmp_path / "a.pt", model) == []
    spoil(model)
    inputs = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))
    assert all(finding.held for finding in check_invariants(NativeModel(model), inputs))
    broken = check(tmp_path / "a.pt", model)
    assert broken == [f"{LETTERS[letter].title} blocks write what their stored weights make"]


def test_of_many_weights_the_first_and_the_last_block_of_a_kind_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write(tmp_path / "a.pt", "(AF)4")
    model.blocks[3].mixer.c_proj.bias[0] += 0.5  # type: ignore[union-attr,index]
    assert check(tmp_path / "a.pt", model) == ["feed-forward blocks write what their stored weights make"]
    monkeypatch.setattr(comparison, "MANY", 10)
    assert check(tmp_path / "a.pt", model) == []
    found = check_stored(tmp_path / "a.pt", NativeModel(model), torch.randn(2, 9, 3))
    assert [finding.seen.partition(",")[0] for finding in found[1:3]] == ["2 recomputed", "2 recomputed"]
    model.blocks[7].mixer.c_proj.bias[0] += 0.5  # type: ignore[union-attr,index]
    assert check(tmp_path / "a.pt", model) == ["feed-forward blocks write what their stored weights make"]


def test_a_stranger_in_a_block_that_is_not_computed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MANY", 0)

    def double(weights: Weights, stream: Tensor) -> Tensor:
        return stream * weights.take("scale")

    scale = {"scale": torch.tensor([2.0])}
    blocks = [Part("doubling", scale | ({"bias": torch.ones(1)} if place == 1 else {}), double) for place in range(3)]
    end = Part("end", {}, lambda weights, stream: stream)
    described = Described(end, tuple(blocks), end, end.compute)
    model = nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(3))).requires_grad_(False)
    for layer in model:
        layer.weight.copy_(2 * torch.eye(3))
    places = [
        Place("0 (input)", model[0], "input", lambda stream: stream),
        *(Place(str(i), layer, "output", lambda stream: stream) for i, layer in enumerate(model)),
    ]
    wrapped = ModuleModel(model, places, lambda stream: stream, inputs=3)
    outcomes = comparison.compare(described, wrapped, torch.randn(2, 5, 3))
    assert [outcome.held for outcome in outcomes] == [True] * 5
    assert comparison.strangers(described, outcomes) == ["bias of block 2"]


class Lossy(nn.Module):
    """Adds and takes away a large number: in float32 little of what enters is left."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, stream: Tensor) -> Tensor:
        return (self.factor * stream + 1e5) - 1e5


@pytest.mark.parametrize(("factor", "held"), [(2.0, True), (2.2, False)])
def test_what_float32_loses_in_the_same_equations_is_no_fault(factor: float, held: bool) -> None:
    part = Part("lossy", {"factor": torch.tensor(2.0)}, lambda weights, x: (weights.take("factor") * x + 1e5) - 1e5)
    end = Part("end", {}, lambda weights, stream: stream)
    layer = Lossy(factor)
    places = [Place("a", layer, "input", lambda stream: stream), Place("b", layer, "output", lambda stream: stream)]
    model = ModuleModel(nn.Sequential(layer), places, lambda stream: stream, inputs=3)
    outcomes = comparison.compare(Described(end, (part,), end, end.compute), model, torch.randn(2, 5, 3))
    assert outcomes[1].held is held
    assert outcomes[1].gap > comparison.TOLERANCE


def test_blocks_in_another_order_are_found(tmp_path: Path) -> None:
    model = write(tmp_path / "a.pt", "M4")
    model.blocks = nn.ModuleList([model.blocks[place] for place in (0, 2, 1, 3)])
    assert check(tmp_path / "a.pt", model) == ["Mamba blocks write what their stored weights make"]


def test_a_wrong_read_out_is_found(tmp_path: Path) -> None:
    model = write(tmp_path / "a.pt", "F1")
    model.read_out.weight.mul_(1.01)
    assert check(tmp_path / "a.pt", model) == ["the read-out writes what its stored weights make"]


def test_a_wrapper_that_norms_the_stream_otherwise_than_the_model_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What heads on the normed stream are given; the model's own predictions do not pass there."""
    model = write(tmp_path / "a.pt", "F1")
    monkeypatch.setattr(NativeModel, "normalise", lambda self, stream: stream)
    inputs = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))
    assert all(finding.held for finding in check_invariants(NativeModel(model), inputs))
    assert check(tmp_path / "a.pt", model) == ["the final norm writes what its stored weights make"]


def test_a_block_too_few_is_found(tmp_path: Path) -> None:
    model = write(tmp_path / "a.pt", "F3")
    model.blocks = model.blocks[:2]
    assert check(tmp_path / "a.pt", model) == ["the model has the blocks of its file"]


def test_a_model_of_nan_is_found(tmp_path: Path) -> None:
    model = write(tmp_path / "a.pt", "F2")
    change_of("mixer.c_fc", "weight", lambda weight: weight * torch.nan)(model)
    assert "feed-forward blocks write what their stored weights make" in check(tmp_path / "a.pt", model)
