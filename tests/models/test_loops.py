"""Claims: braces apply the same weights again, which are stored, counted and trained once, wherever a model goes."""

from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from probe import checkpoints
from probe.capture import NativeModel, capture, check_invariants
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import LETTERS, ResidualModel
from probe.models.layout import parse_layout

WIDTH = 16
LOOPED = [letter for letter in LETTERS if letter not in "PQ"]


def model(layout: str) -> ResidualModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ResidualModel(ModelConfig(layout=layout, dim=3, width=WIDTH, attention_heads=2)).eval()


def inputs() -> Tensor:
    return torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("letter", LOOPED)
@torch.no_grad()
def test_a_block_that_is_applied_again_has_the_weights_of_its_first_time(letter: str) -> None:
    looped, given = model(f"{{{letter}}}3"), inputs()
    stream = looped.embed(given)
    for _ in range(3):
        stream = looped.blocks[0](stream)
    torch.testing.assert_close(looped(given), looped.decode(stream))
    one = model(f"{letter}1")
    assert looped.state_dict().keys() == one.state_dict().keys()
    assert sum(p.numel() for p in looped.parameters()) == sum(p.numel() for p in one.parameters())
    assert looped.cumulative_parameters()[1:] == [one.cumulative_parameters()[1]] * 3
    assert looped.cumulative_flops(9) == model(f"{letter}3").cumulative_flops(9)
    for parameter in looped.blocks[0].parameters():
        parameter.add_(0.1)
    changed = looped.embed(given)
    for _ in range(3):
        changed = looped.blocks[0](changed)
    torch.testing.assert_close(looped(given), looped.decode(changed))


def test_a_gradient_is_the_sum_over_all_times() -> None:
    looped, apart = model("{M}2"), model("M2")
    apart.blocks[1].load_state_dict(looped.blocks[0].state_dict())
    apart.blocks[0].load_state_dict(looped.blocks[0].state_dict())
    apart.read_in.load_state_dict(looped.read_in.state_dict())
    apart.read_out.load_state_dict(looped.read_out.state_dict())
    for each in (looped, apart):
        each(inputs()).square().sum().backward()
    own = dict(looped.blocks[0].named_parameters())
    first, second = (dict(block.named_parameters()) for block in apart.blocks)
    for name, parameter in own.items():
        torch.testing.assert_close(parameter.grad, first[name].grad + second[name].grad)


@torch.no_grad()
def test_the_weights_stay_one_through_copies_types_and_files(tmp_path: Path) -> None:
    looped, given = model("F{AM}2{U}[input=add]2"), inputs()
    expected = looped(given)
    torch.testing.assert_close(deepcopy(looped)(given), expected)
    torch.testing.assert_close(deepcopy(looped).double()(given.double()).float(), expected, atol=1e-4, rtol=1e-4)
    description = {"task": "linear", "dim": 3, "context": 4, "seed": 0, "step": 0, "command": ""}
    for name, megabytes in (("whole.pt", None), ("parts", 0.01)):
        checkpoints.save(tmp_path / name, looped, description, megabytes)
        loaded = checkpoints.load(str(tmp_path / name)).model
        torch.testing.assert_close(loaded(given), expected)
        assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in looped.parameters())


@torch.no_grad()
def test_the_read_in_is_added_before_every_time_but_the_first() -> None:
    looped, given = model("{AF}[input=add]2"), inputs()
    read_in = looped.embed(given)
    stream = looped.blocks[1](looped.blocks[0](read_in)) + read_in
    torch.testing.assert_close(looped(given), looped.decode(looped.blocks[1](looped.blocks[0](stream))))


@torch.no_grad()
def test_blocks_that_read_the_read_in_alone_answer_to_nothing_that_was_written() -> None:
    """And are added up: each of them has weights of its own."""
    open_loop, given = model("({M}[input=only])3"), inputs()
    read_in = open_loop.embed(given)
    written = [block(read_in) - read_in for block in open_loop.blocks]
    torch.testing.assert_close(open_loop(given), open_loop.decode(read_in + sum(written)), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(written[0], written[1])
    moved = open_loop.blocks[1](read_in + 1.0, read_in) - open_loop.blocks[1](read_in, read_in)
    torch.testing.assert_close(moved, torch.ones_like(moved))


@pytest.mark.parametrize("layout", ["{M}4", "{AF}[input=add]3", "({M}2F)2", "({M}[input=only])3"])
def test_every_time_is_a_layer_of_its_own_for_capture(layout: str) -> None:
    looped = NativeModel(model(layout))
    assert all(finding.held for finding in check_invariants(looped, inputs()))
    stream = capture(looped, inputs(), torch.tensor([8])).stream
    assert len(stream) == len(parse_layout(layout)) + 1
    assert all(not torch.equal(one, other) for one, other in pairwise(stream))


def test_a_loop_within_a_repetition_is_its_own_each_time() -> None:
    assert [letter.back for letter in parse_layout("({M}2F)2")] == [0, 1, 0, 0, 1, 0]
    assert [letter.back for letter in parse_layout("{(AF)2}2")] == [0, 0, 0, 0, 4, 4, 4, 4]
    assert [letter.back for letter in parse_layout("{{A}2F}2")] == [0, 1, 0, 3, 4, 3]


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        ("{M", "leaves a brace open"),
        ("M}2", "closes a brace that was not opened"),
        ("{M)2", "closes a parenthesis that was not opened"),
        ("{8M}", "has the count 8 after an opening brace"),
        ("{M}[input=twice]2", "which may say input=add, input=only or input=none"),
        ("{M}[depth=2]2", "which may say input=add, input=only or input=none"),
        ("{M}2000", "asks for more than 1024 blocks"),
    ],
)
def test_a_malformed_loop_is_refused(layout: str, fault: str) -> None:
    with pytest.raises(ProbeError, match=fault):
        parse_layout(layout)
