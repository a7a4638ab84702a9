"""Claims: the short convolution sees no later token, and the fused kernel is the reference with its gradients."""

import numpy as np
import pytest
import torch

from probe.kernels.causal_conv1d import causal_conv1d
from probe.kernels.causal_conv1d.cpu import causal_conv1d as fused
from probe.kernels.causal_conv1d.reference import causal_conv1d as reference

# of the largest number in a tensor
TOLERANCE = {torch.float32: 3e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11 + 3e-6}


def draw(batch=2, time=9, channels=5, taps=4, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = {"x": (batch, time, channels), "weight": (channels, taps), "bias": (channels,)}
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}


def run(convolution, tensors):
    """Returns the output and the gradient of a weighted sum of it by every tensor."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    y = convolution(*leaves.values())
    # few digits, so that they are the same numbers in every dtype
    weights = (torch.randint(-8, 9, y.shape, generator=torch.Generator().manual_seed(1)) / 8).to(y.dtype)
    return {"y": y.detach()} | dict(zip(leaves, torch.autograd.grad(y, list(leaves.values()), weights), strict=True))


def by_hand(x, weight, bias):
    """silu(bias + sum_k weight_k x_{t-K+1+k}), one number after another."""
    y = np.zeros_like(x)
    for b, t, c in np.ndindex(*x.shape):
        taps = weight.shape[1]
        mixed = bias[c] + sum(weight[c, k] * x[b, t - taps + 1 + k, c] for k in range(taps) if t - taps + 1 + k >= 0)
        y[b, t, c] = mixed / (1 + np.exp(-mixed))
    return y


def test_the_reference_is_the_written_out_sum():
    tensors = {name: tensor.double() for name, tensor in draw().items()}
    expected = by_hand(*(tensor.numpy() for tensor in tensors.values()))
    np.testing.assert_allclose(reference(**tensors), expected, rtol=1e-12, atol=1e-14)


def test_the_references_gradients_are_those_of_finite_differences():
    tensors = [tensor.double().requires_grad_() for tensor in draw(1, 5, 2, 3).values()]
    assert torch.autograd.gradcheck(reference, tensors)


@pytest.mark.parametrize(
    "tensors",
    [
        draw(),
        draw(time=1),
        draw(time=3),
        draw(batch=3, time=40, channels=130),
        draw(taps=1),
        draw(taps=2),
        draw(dtype=torch.bfloat16),
        draw(dtype=torch.float16),
    ],
    ids=["usual", "one step", "fewer steps than taps", "many channels", "one tap", "two taps", "bfloat16", "float16"],
)
def test_output_and_every_gradient_are_the_float64_references(tensors):
    """Within 3e-6 of the largest number in float32; a 16-bit tensor is computed in float32 and rounded once."""
    got = run(fused, tensors)
    want = run(reference, {name: tensor.double() for name, tensor in tensors.items()})
    for name, exact in want.items():
        assert got[name].dtype == tensors["x"].dtype
        gap = ((got[name].double() - exact).abs().max() / exact.abs().max()).item()
        assert gap <= TOLERANCE[got[name].dtype], f"{name} is off by {gap:.1e}"


def test_a_strided_input_is_read_right():
    tensors = draw(channels=6)
    halves = tensors["x"][..., :3], tensors["weight"][:3], tensors["bias"][:3]
    torch.testing.assert_close(fused(*halves), reference(*halves))


def test_results_do_not_depend_on_the_number_of_threads():
    tensors, before = draw(batch=5, channels=70), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(run(fused, tensors))
    finally:
        torch.set_num_threads(before)
    one, two = results
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("convolution", [reference, fused])
def test_no_output_depends_on_a_later_token(convolution):
    before = draw()
    after = before | {"x": before["x"].clone()}
    after["x"][:, 5:] += 1
    first, second = convolution(**before), convolution(**after)
    assert torch.equal(first[:, :5], second[:, :5])
    assert not torch.equal(first[:, 5], second[:, 5])


@pytest.mark.parametrize(("name", "place"), [("x", (1, 4, 2)), ("weight", (2, -1)), ("bias", 2)])
def test_nan_in_an_input_stays_nan_in_the_output(name, place):
    """Exactly where the reference has it; a weight of the last tap meets no zero before the first step."""
    tensors = draw()
    tensors[name][place] = float("nan")
    expected = reference(**tensors).isnan()
    assert expected.any()
    assert not expected.all()
    assert torch.equal(fused(**tensors).isnan(), expected)


def test_auto_is_fused_in_float32_and_the_reference_in_float64():
    """The scan's GPU backends are taken as the reference here."""
    tensors = tuple(draw().values())
    assert torch.equal(causal_conv1d(*tensors), fused(*tensors))
    for backend in ("reference", "triton", "mamba_ssm"):
        assert torch.equal(causal_conv1d(*tensors, backend=backend), reference(*tensors))
    exact = tuple(tensor.double() for tensor in tensors)
    for backend in ("auto", "cpu"):
        assert torch.equal(causal_conv1d(*exact, backend=backend), reference(*exact))
