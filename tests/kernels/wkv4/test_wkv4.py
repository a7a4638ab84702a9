"""Claims: the recurrence is the paper's quotient and safe for large keys; the fast forms are the recurrence."""

import math

import numpy as np
import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.wkv4 import choose, wkv4
from probe.kernels.wkv4.cpu import wkv4 as cpu
from probe.kernels.wkv4.parallel import wkv4 as parallel
from probe.kernels.wkv4.reference import advance, start
from probe.kernels.wkv4.reference import wkv4 as reference

# of the largest number in a tensor
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def draw(batch=2, time=9, channels=3, dtype=torch.float64, scale=2.0):
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "key": (batch, time, channels),
        "value": (batch, time, channels),
        "decay": (channels,),
        "first": (channels,),
    }
    tensors = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    tensors["key"] *= scale
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def run(operation, tensors):
    """Returns the output and the gradient of a weighted sum of it by every tensor."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    y = operation(**leaves)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)
    gradients = torch.autograd.grad(y, list(leaves.values()), weights, materialize_grads=True)
    return {"y": y.detach()} | dict(zip(leaves, gradients, strict=True))


@pytest.mark.parametrize("operation", [reference, parallel])
def test_it_is_the_papers_quotient(operation):
    """Equation 16, one number after another."""
    tensors = draw()
    key, value, decay, first = (tensor.numpy() for tensor in tensors.values())
    expected = np.zeros_like(key)
    for b, t, c in np.ndindex(*key.shape):
        w = math.exp(decay[c])
        weights = [math.exp(-(t - 1 - i) * w + key[b, i, c]) for i in range(t)] + [math.exp(first[c] + key[b, t, c])]
        expected[b, t, c] = np.average(value[b, : t + 1, c], weights=weights)
    np.testing.assert_allclose(operation(**tensors), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("time", [1, 2, 3, 9, 40, 129])
@pytest.mark.parametrize(
    ("operation", "dtype"), [(parallel, torch.float64), (parallel, torch.float32), (cpu, torch.float32)]
)
def test_output_and_every_gradient_of_the_fast_forms_are_the_float64_references(operation, time, dtype):
    """Within 1e-12 of the largest number in float64, 1e-5 in float32."""
    got, want = run(operation, draw(time=time, dtype=dtype)), run(reference, draw(time=time))
    for name, exact in want.items():
        assert got[name].dtype == dtype
        # the first token's output is its value whatever the weights: then their gradients are 0
        gap = ((got[name] - exact).abs().max() / exact.abs().max().clamp(min=0.1)).item()
        assert gap <= TOLERANCE[dtype], f"{name} is off by {gap:.1e}"


@pytest.mark.parametrize("operation", [reference, parallel])
def test_gradients_are_those_of_finite_differences(operation):
    """The recurrence's too, though none flows through the exponent that it divides by."""
    tensors = [tensor.requires_grad_() for tensor in draw(batch=1, time=4, channels=2).values()]
    assert torch.autograd.gradcheck(operation, tensors)


@pytest.mark.parametrize("scale", [9.0, 1e2, 1e4])
@pytest.mark.parametrize("operation", [reference, parallel, cpu])
def test_keys_beyond_the_exponentials_range_are_no_trouble_in_float32(operation, scale):
    """A mean stays among the values; at 1e4 one weight outweighs all others."""
    got = run(operation, draw(time=30, dtype=torch.float32, scale=scale))
    assert all(tensor.isfinite().all() for tensor in got.values())
    want = reference(**draw(time=30, scale=scale))
    # rounding of the exponents, of which differences are taken
    torch.testing.assert_close(got["y"].double(), want, rtol=0, atol=1e-6 * scale)


def test_keys_just_within_the_parallel_forms_range_are_computed_well():
    tensors = draw(time=30, dtype=torch.float32)
    largest = tensors["key"].abs().max() / (29.9 - tensors["first"].abs().max())
    tensors["key"] /= largest
    got, want = run(parallel, tensors), run(reference, {name: t.double() for name, t in tensors.items()})
    assert not torch.equal(got["y"], reference(**tensors))
    for name, exact in want.items():
        assert (got[name] - exact).abs().max() <= 1e-5 * exact.abs().max(), name


@pytest.mark.parametrize("operation", [reference, parallel, cpu])
def test_no_output_depends_on_a_later_token_not_even_by_rounding(operation):
    before = draw(dtype=torch.float32)
    after = {name: tensor.clone() for name, tensor in before.items()}
    for name in ("key", "value"):
        after[name][:, 5:] += 3
    moved = operation(**before) != operation(**after)
    assert not moved[:, :5].any()
    assert moved[:, 5:].all()


def test_a_state_carries_on_where_a_sequence_was_cut():
    tensors = draw()
    key, value, decay, first = tensors.values()
    state, outputs = start(key[:, 0]), []
    for t in range(9):
        output, state = advance(state, key[:, t], value[:, t], decay, first)
        outputs.append(output)
    assert torch.equal(torch.stack(outputs, 1), reference(**tensors))
    assert all(part.isfinite().all() for part in start(key[:, 0]))


def test_the_fused_kernel_does_not_depend_on_the_number_of_threads_or_on_strides():
    tensors, before = draw(batch=5, channels=70, dtype=torch.float32), torch.get_num_threads()
    strided = {name: torch.stack([tensor, tensor], dim=-1)[..., 0] for name, tensor in tensors.items()}
    results = []
    try:
        for threads, given in ((1, tensors), (2, tensors), (1, strided)):
            torch.set_num_threads(threads)
            results.append(run(cpu, given))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0][name], other[name]) for other in results[1:] for name in other)


@pytest.mark.parametrize("name", ["key", "value"])
def test_nan_stays_nan_in_the_fused_kernel(name):
    """From its token on, in its channel and prompt, where the reference has it."""
    tensors = draw(dtype=torch.float32)
    tensors[name][1, 4, 2] = float("nan")
    expected = torch.zeros(2, 9, 3, dtype=torch.bool)
    expected[1, 4:, 2] = True
    assert torch.equal(cpu(**tensors).isnan(), expected)
    assert torch.equal(reference(**tensors).isnan(), expected)


def test_the_fused_kernel_refuses_float64():
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        cpu(**draw())


def test_the_default_is_the_fused_kernel_or_the_matrices_for_short_sequences():
    assert choose("cpu", torch.float32, 1000) == "cpu"
    assert choose("cpu", torch.float64, 257) == choose("cuda", torch.float64, 257) == "parallel"
    assert choose("cpu", torch.float64, 258) == choose("cuda", torch.float64, 258) == "reference"
    for tensors, chosen in ((draw(), parallel), (draw(dtype=torch.float32), cpu)):
        assert torch.equal(wkv4(**tensors), chosen(**tensors))


@pytest.mark.parametrize(("installed", "chosen"), [(True, "triton"), (False, "parallel")])
def test_on_a_gpu_the_default_is_triton_where_it_is_installed(installed, chosen, monkeypatch):
    monkeypatch.setattr("probe.kernels.wkv4.find_spec", lambda name: name if installed else None)
    assert choose("cuda", torch.float32, 9) == choose("cuda", torch.bfloat16, 9) == chosen


def test_a_kernel_can_be_named_and_an_unknown_one_is_refused():
    assert torch.equal(wkv4(**draw(), backend="reference"), reference(**draw()))
    with pytest.raises(ProbeError, match=r"called 'paralel'. Did you mean parallel\? Kernels: auto, reference, cpu"):
        wkv4(**draw(), backend="paralel")
