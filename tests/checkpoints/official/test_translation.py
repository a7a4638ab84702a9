"""Claims: a key that is missing, unknown or of another shape is named with its shapes, for every way it is turned."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from probe.checkpoints import official
from probe.errors import ProbeError


def renamed(old: str, new: str) -> Callable[[dict], object]:
    def edit(weights: dict) -> None:
        weights[new] = weights.pop(old)

    return edit


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("garg-gpt2", "_backbone.wpe.weight"),
        ("garg-gpt2", "_backbone.h.0.mlp.c_fc.bias"),
        ("grazzi-mamba", "_backbone.lm_head.bias"),
        ("grazzi-mamba", "_backbone.backbone.layers.1.mixer.A_log"),
        ("grazzi-s4", "s4_layers.1.kernel.C"),
        ("park-standard", "wpe.weight"),
        ("park-mambaformer", "_backbone.layers.1.mixer.c_attn.weight"),
        ("park-s4-mamba", "_backbone.layers.0.mixer.S4DMamba.D"),
        ("park-rnn", "ln_layers.1.weight"),
    ],
)
def test_a_missing_key_is_named(run_of: Callable[..., Path], name: str, key: str) -> None:
    folder = run_of(name, lambda weights: weights.pop(key))
    with pytest.raises(ProbeError, match=rf"lacks {key}, which .*config.yaml asks for"):
        official.read(folder)


def test_many_missing_keys_are_counted(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba", lambda weights: [weights.pop(key) for key in list(weights) if "layers.1" in key])
    with pytest.raises(ProbeError, match=r"layers.1.mixer.A_log, .* and 8 more, which"):
        official.read(folder)


@pytest.mark.parametrize("name", ["garg-gpt2", "grazzi-mamba", "grazzi-s4", "park-s4d", "park-rnn"])
def test_an_unknown_key_is_named(run_of: Callable[..., Path], name: str) -> None:
    folder = run_of(name, lambda weights: weights.update({"_backbone.extra.weight": torch.ones(2)}))
    with pytest.raises(ProbeError, match=r"holds _backbone.extra.weight, for which the model of .* has no place"):
        official.read(folder)


def test_weights_of_more_layers_than_the_config_says_are_refused(run_of: Callable[..., Path]) -> None:
    config = run_of("grazzi-mamba") / "config.yaml"
    config.write_text(config.read_text().replace("n_layer: 2", "n_layer: 1"))
    with pytest.raises(ProbeError, match=r"holds _backbone.backbone.layers.1.*has no place"):
        official.read(config.parent)


@pytest.mark.parametrize(
    ("name", "key", "shape", "needed"),
    [
        ("garg-gpt2", "_read_in.weight", (8, 4), r"\[8, 3\]"),
        ("garg-gpt2", "_backbone.h.0.attn.c_attn.weight", (24, 8), r"\[8, 24\]"),
        ("garg-gpt2", "_backbone.h.0.mlp.c_proj.weight", (8, 8), r"\[32, 8\]"),
        ("garg-gpt2", "_backbone.wpe.weight", (9, 8), r"\[18, 8\]"),
        ("grazzi-s4", "s4_layers.0.output_linear.0.weight", (12, 6), r"\[12, 6, 1\]"),
        ("grazzi-s4", "s4_layers.0.kernel.C", (6, 8, 2), r"\[6, 32, 2\]"),
        ("park-mamba", "_backbone.layers.0.mixer.conv1d.weight", (16, 4), r"\[16, 1, 4\]"),
    ],
)
def test_a_wrong_shape_is_named_beside_the_right_one(
    run_of: Callable[..., Path], name: str, key: str, shape: tuple[int, ...], needed: str
) -> None:
    folder = run_of(name, lambda weights: weights.update({key: torch.ones(shape)}))
    given = str(list(shape)).replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(ProbeError, match=rf"holds {key} of the shape {given}, but .*config.yaml asks for {needed}"):
        official.read(folder)


def test_a_config_of_another_family_is_refused_by_its_keys(run_of: Callable[..., Path]) -> None:
    config = run_of("park-s4d") / "config.yaml"
    config.write_text(config.read_text().replace("family: s4d", "family: s4-mamba"))
    with pytest.raises(ProbeError, match=r"lacks _backbone.layers.0.mixer.S4DMamba.D, .* more, which"):
        official.read(config.parent)


def test_a_width_that_heads_do_not_divide_is_refused(run_of: Callable[..., Path]) -> None:
    config = run_of("garg-gpt2") / "config.yaml"
    config.write_text(config.read_text().replace("n_head: 2", "n_head: 3"))
    with pytest.raises(ProbeError, match="A width of 8 cannot be split into 3 attention heads"):
        official.read(config.parent)


def test_half_precision_weights_are_read_in_float32(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-rnn", lambda weights: weights.update({key: weights[key].half() for key in weights}))
    assert {weight.dtype for weight in official.read(folder).model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("name", "old"), [("garg-gpt2", "n_dims: 3"), ("park-gpt2-symbols", "n_positions")])
def test_a_model_beyond_any_description_is_refused(run_of: Callable[..., Path], name: str, old: str) -> None:
    config = run_of(name) / "config.yaml"
    line = next(line for line in config.read_text().splitlines() if old in line)
    config.write_text(config.read_text().replace(line, f"{line.partition(':')[0]}: {10**18}"))
    said = r"larger than any that can be described|of the shape|describes a model that cannot be"
    with pytest.raises(ProbeError, match=said):
        official.read(config.parent)
