"""Claims: pairs are joined as theory has them, and attention on them takes steps of gradient descent by its weights."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.models.joined import Joining
from probe.models.joined_attention import LIMIT, JoinedAttention
from probe.randomness import PromptSource
from probe.tasks import Linear

DIM, CONTEXT, STEPS, RATE = 3, 6, 4, 0.5
SIZE = DIM + 1


def plain(slots: int) -> ResidualModel:
    """Returns a model with the weights of the papers: every block a step of gradient descent."""
    joined, attention = (f"{letter}[slots={slots}]" if slots else letter for letter in "JH")
    config = ModelConfig(layout=f"{joined}{attention}{STEPS}", dim=DIM, width=SIZE * (slots + 1), norm="none")
    with torch.random.fork_rng(devices=[]):
        model = ResidualModel(config).double()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        model.read_in.weight[:DIM] = torch.eye(DIM)
        model.read_out.weight[0, DIM] = -1.0
        for block in model.blocks[1:]:
            block.mixer.q.weight[:DIM, :DIM] = torch.eye(DIM)
            block.mixer.p.weight[DIM, DIM] = -RATE
    return model


@pytest.fixture(scope="module")
def prompts():
    drawn = Linear(DIM).draw(PromptSource(0, "score", range(20)), CONTEXT)
    # so small that nothing is cut off
    return SimpleNamespace(inputs=0.3 * drawn.inputs, x=0.3 * drawn.x, y=0.3 * drawn.y)


def descent(x: Tensor, y: Tensor, steps: int) -> Tensor:
    w = x.new_zeros(len(x), x.shape[2])
    for _ in range(steps):
        w = w + RATE * torch.einsum("bn,bnd->bd", y - torch.einsum("bnd,bd->bn", x, w), x)
    return w


def layers(model: ResidualModel, inputs: Tensor) -> list[Tensor]:
    streams = [model.embed(inputs)]
    for block in model.blocks:
        streams.append(block(streams[-1]))
    return [model.decode(stream)[..., 0] for stream in streams[1:]]


def test_joined_tokens_are_x_and_y_at_the_pairs_and_x_and_0_at_the_queries(prompts):
    model, x, y = plain(0), prompts.x.double(), prompts.y.double()
    stream = model.blocks[0](model.embed(prompts.inputs.double()))
    torch.testing.assert_close(stream[:, 1::2, :DIM], x[:, :CONTEXT])
    torch.testing.assert_close(stream[:, 1::2, DIM], y[:, :CONTEXT])
    torch.testing.assert_close(stream[:, ::2, :DIM], x)
    assert stream[:, ::2, DIM].abs().max() == 0


def test_slots_hold_the_pairs_before_each_token_and_no_others(prompts):
    model = plain(CONTEXT + 2)
    stream = model.blocks[0](model.embed(prompts.inputs.double())).unflatten(-1, (CONTEXT + 3, SIZE))
    alone = plain(0)
    tokens = alone.blocks[0](alone.embed(prompts.inputs.double()))
    torch.testing.assert_close(stream[:, :, 0], tokens)
    for place in range(tokens.shape[1]):
        seen = (place + 1) // 2
        torch.testing.assert_close(stream[:, place, 1 : seen + 1], tokens[:, 1 : place + 1 : 2])
        assert stream[:, place, seen + 1 :].abs().max() == 0


def test_without_a_mask_every_block_is_a_step_of_gradient_descent_at_every_number_of_examples(prompts):
    """von Oswald et al. (2023), arXiv:2212.07677, proposition 1, block after block."""
    answers, x, y = layers(plain(CONTEXT), prompts.inputs.double()), prompts.x.double(), prompts.y.double()
    for steps in range(STEPS + 1):
        for seen in range(CONTEXT + 1):
            expected = (descent(x[:, :seen], y[:, :seen], steps) * x[:, seen]).sum(-1)
            torch.testing.assert_close(answers[steps][:, 2 * seen], expected)


def test_behind_a_mask_the_first_block_is_a_step_and_later_ones_know_no_later_pair(prompts):
    answers, x, y = layers(plain(0), prompts.inputs.double()), prompts.x.double(), prompts.y.double()
    asked, x, y = x[:, CONTEXT], x[:, :CONTEXT], y[:, :CONTEXT]
    residual, w, triangle = y.clone(), torch.zeros_like(asked), torch.tril(x @ x.mT)
    for steps in range(1, STEPS + 1):
        w = w + RATE * torch.einsum("bn,bnd->bd", residual, x)
        residual = residual - RATE * torch.einsum("bnm,bm->bn", triangle, residual)
        torch.testing.assert_close(answers[steps][:, -1], (w * asked).sum(-1))
    torch.testing.assert_close(answers[1][:, -1], (descent(x, y, 1) * asked).sum(-1))
    assert (answers[2][:, -1] - (descent(x, y, 2) * asked).sum(-1)).abs().max() > 0.01


@pytest.mark.parametrize("slots", [0, 4])
def test_what_a_block_adds_is_the_papers_formula_up_to_a_limit(slots):
    torch.manual_seed(0)
    mixer = JoinedAttention(SIZE * (slots + 1), 1, slots).double()
    for parameter in mixer.parameters():
        torch.nn.init.normal_(parameter)
    hidden = 0.2 * torch.randn(2, 9, SIZE * (slots + 1), dtype=torch.float64)
    tokens = hidden.unflatten(-1, (slots + 1, SIZE))
    found = mixer(hidden).unflatten(-1, (slots + 1, SIZE))
    for place in range(9):
        pairs = tokens[:, place, 1:] if slots else tokens[:, 1 : place + 1 : 2, 0]
        for slot in range(slots + 1):
            expected = torch.zeros(2, SIZE, dtype=torch.float64)
            for pair in pairs.unbind(1):
                score = torch.einsum("bi,ij,bj->b", pair, mixer.q.weight, tokens[:, place, slot])
                expected += score[:, None] * (pair @ mixer.p.weight.T)
            torch.testing.assert_close(found[:, place, slot], expected)
    assert mixer(100 * hidden).abs().max() == LIMIT


@pytest.mark.parametrize("layout", ["JH2", "J[slots=4]H[slots=4]2"])
def test_a_token_sees_no_later_one_and_every_weight_learns(layout, prompts):
    torch.manual_seed(0)
    width = SIZE * (5 if "slots" in layout else 1)
    model = ResidualModel(ModelConfig(layout=layout, dim=DIM, width=width, norm="none"))
    inputs, changed = prompts.inputs[:, :9], prompts.inputs[:, :9].clone()
    changed[:, 5:] += 1
    torch.testing.assert_close(model(changed)[:, :5], model(inputs)[:, :5])
    model(inputs).square().sum().backward()
    for block in model.blocks[1:]:
        assert all(parameter.grad.abs().max() > 0 for parameter in block.parameters())


def test_work_is_counted_by_what_is_multiplied():
    """Width 4, five tokens: two maps of 4 x 4, then a score and a sum for 0, 1, 1, 2 and 2 pairs."""
    assert JoinedAttention(4, 1).flops(5) == 2 * 16 * (5 + 2) + 4 * 4 * 6
    assert JoinedAttention(12, 1, slots=2).flops(5) == 5 * (2 * 2 * 16 * 5)
    assert Joining(4, 1).flops(5) == 2 * 4


def test_slots_that_do_not_fit_are_refused(prompts):
    with pytest.raises(ProbeError, match="stream 10 wide"):
        Joining(10, 1, slots=3)
    with pytest.raises(ProbeError, match="needs 0 or more"):
        JoinedAttention(10, 1, slots=-1)
    with pytest.raises(ProbeError, match="prompt of 6 pairs"):
        plain(CONTEXT - 1)(prompts.inputs.double())
