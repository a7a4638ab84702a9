"""Claims: the fused scan is the reference's function, so are its gradients, and threads change no bit."""

from dataclasses import dataclass

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.selective_scan.cpu import BLOCK, SEGMENT, selective_scan
from probe.kernels.selective_scan.reference import selective_scan as reference

# of the largest number in a tensor; for one kept in 16 bits half a unit in its last place, and a little
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-8, torch.float16: 2**-11 + 1e-5}


@dataclass(frozen=True)
class Case:
    """One shape and what comes with it."""

    batch: int
    time: int
    channels: int
    states: int
    gated: bool = True
    biased: bool = True
    dtype: torch.dtype = torch.float32
    strided: bool = False


CASES = {
    "one step, one channel, one state": Case(3, 1, 1, 1),
    "one segment and one block": Case(1, SEGMENT, BLOCK, 16),
    "three segments, two blocks, both cut short": Case(2, 2 * SEGMENT + 7, BLOCK + 11, 5),
    "one step more than a segment": Case(1, SEGMENT + 1, 3, 1),
    "no gate": Case(2, 9, 70, 3, gated=False),
    "no bias": Case(2, 9, 70, 3, biased=False),
    "neither": Case(2, 40, 4, 2, gated=False, biased=False),
    "strided": Case(2, 5, 10, 4, strided=True),
    "bfloat16": Case(1, 35, 11, 16, dtype=torch.bfloat16),
    "float16": Case(2, 9, 9, 4, dtype=torch.float16),
}


def draw(case, seed=0):
    """Draws tensors as a Mamba block would hand them over: float32 parameters, step sizes about 0.01 and above."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    def activation(width):
        return normal(case.batch, case.time, width + 3 * case.strided).to(case.dtype)[..., :width]

    spread = 1 + 0.1 * normal(case.channels, 1)
    tensors = {
        "u": activation(case.channels),
        "delta": activation(case.channels),
        "A": -torch.arange(1.0, case.states + 1).repeat(case.channels, 1) * spread,
        "B": activation(case.states),
        "C": activation(case.states),
        "D": normal(case.channels),
    }
    if case.gated:
        tensors["z"] = activation(case.channels)
    if case.biased:
        tensors["delta_bias"] = normal(case.channels) - 4
    return tensors


def weights(y):
    """Few digits, so that they are the same numbers in every dtype."""
    drawn = torch.randint(-8, 9, y.shape, generator=torch.Generator().manual_seed(1))
    return (drawn / 8).to(y.dtype)


def run(scan, tensors):
    """Returns y and the gradient of a weighted sum of y by every tensor."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    y = scan(**leaves)
    gradients = torch.autograd.grad(y, list(leaves.values()), weights(y))
    return {"y": y.detach()} | dict(zip(leaves, gradients, strict=True))


def exactly(tensors):
    return {name: tensor.double() for name, tensor in tensors.items()}


def wrong(got, want):
    """The tensors of `got` that are further from `want` than their dtype allows, and by how much."""
    distances = {
        # one step from an empty state has no gradient in A to compare with
        name: float((got[name].double() - exact).abs().max() / exact.abs().max().clamp_min(1e-2))
        for name, exact in want.items()
    }
    return {name: gap for name, gap in distances.items() if not gap <= TOLERANCE[got[name].dtype]}


@pytest.mark.parametrize("name", CASES)
def test_output_and_every_gradient_are_the_float64_references(name):
    """Within 1e-5 of the largest number in float32; a 16-bit tensor is computed in float32 and rounded once."""
    tensors = draw(CASES[name])
    got, want = run(selective_scan, tensors), run(reference, exactly(tensors))
    assert got["y"].dtype == CASES[name].dtype
    assert all(got[tensor].dtype == given.dtype for tensor, given in tensors.items())
    assert not wrong(got, want)
    with torch.no_grad():
        assert torch.equal(selective_scan(**tensors), got["y"])


@pytest.mark.parametrize("name", ["three segments, two blocks, both cut short", "no gate"])
def test_results_do_not_depend_on_the_number_of_threads(name):
    """Output and gradients, bit for bit."""
    tensors, before = draw(CASES[name]), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(run(selective_scan, tensors))
    finally:
        torch.set_num_threads(before)
    one, two = results
    assert all(torch.equal(one[tensor], two[tensor]) for tensor in one)


def test_only_the_gradients_asked_for_are_needed():
    """A frozen parameter does not change the others' gradients."""
    tensors = draw(CASES["no gate"])
    full = run(selective_scan, tensors)
    leaf = tensors["u"].clone().requires_grad_()
    y = selective_scan(**(tensors | {"u": leaf}))
    assert torch.equal(torch.autograd.grad(y, leaf, weights(y))[0], full["u"])


@pytest.mark.parametrize("shift", [-90.0, -30.0, 30.0, 1e4])
def test_huge_and_tiny_step_sizes_stay_right(shift):
    """Steps from 1e-39, where nothing moves, to 1e4, where every state forgets at once."""
    tensors = draw(CASES["no bias"])
    tensors["delta"] = tensors["delta"] + shift
    got, want = run(selective_scan, tensors), run(reference, exactly(tensors))
    assert not wrong(got, want)
    assert all(tensor.isfinite().all() for tensor in got.values())


@pytest.mark.parametrize("rate", [-1e2, -1e4, -1e30])
def test_strongly_negative_rates_forget_without_denormals_or_nan(rate):
    """Decays below 1e-38 act as zero, forwards and backwards."""
    tensors = draw(CASES["three segments, two blocks, both cut short"])
    tensors["A"] = torch.full_like(tensors["A"], rate)
    got, want = run(selective_scan, tensors), run(reference, exactly(tensors))
    assert not wrong(got, want)
    assert all(tensor.isfinite().all() for tensor in got.values())


def test_rates_that_let_states_grow_are_right_too():
    """Some of them: the rest of the scan is no less exact for it."""
    tensors = draw(CASES["three segments, two blocks, both cut short"])
    tensors["A"][0] = 0.5
    got, want = run(selective_scan, tensors), run(reference, exactly(tensors))
    assert not wrong(got, want)


def test_prompts_do_not_depend_on_those_beside_them():
    """Bit for bit, alone and in a batch."""
    tensors = draw(CASES["three segments, two blocks, both cut short"])
    alone = {name: tensor[1:] if tensor.ndim == 3 else tensor for name, tensor in tensors.items()}
    assert torch.equal(selective_scan(**tensors)[1:], selective_scan(**alone))


def test_a_state_that_fades_below_the_smallest_number_is_zero():
    """One input, then silence: halved 200 times, a state is 1e-60, far below what float32 holds."""
    time = 200
    u = torch.zeros(1, time, 2)
    u[:, 0] = 1
    ones = torch.ones(1, time, 1)
    y = selective_scan(u, torch.zeros_like(u), -torch.ones(2, 1), ones, ones, torch.zeros(2))
    expected = torch.log(torch.tensor(2.0)) * 0.5 ** torch.arange(time, dtype=torch.float64)
    torch.testing.assert_close(y[0].double(), expected[:, None].expand(-1, 2), rtol=1e-4, atol=2e-38)


@pytest.mark.parametrize("name", ["u", "delta", "A", "B", "C", "D", "z", "delta_bias"])
def test_nan_in_an_input_stays_nan_in_the_output(name):
    """Exactly where the reference has it."""
    tensors = draw(CASES["three segments, two blocks, both cut short"])
    tensors[name].view(-1)[tensors[name].numel() // 2] = float("nan")
    found, expected = selective_scan(**tensors).isnan(), reference(**tensors).isnan()
    assert expected.any()
    assert torch.equal(found, expected)


def test_no_output_depends_on_a_later_token():
    """Bit for bit, since the sequence is as long."""
    before = draw(CASES["three segments, two blocks, both cut short"])
    after = {name: tensor.clone() for name, tensor in before.items()}
    for name in ("u", "delta", "B", "C", "z"):
        after[name][:, SEGMENT + 3 :] += 1
    first, second = selective_scan(**before), selective_scan(**after)
    assert torch.equal(first[:, : SEGMENT + 3], second[:, : SEGMENT + 3])


def test_float64_is_refused_rather_than_rounded():
    with pytest.raises(ProbeError) as raised:
        selective_scan(**exactly(draw(CASES["no gate"])))
    expected = "The cpu kernel was given torch.float64 on cpu; it needs float32 on the CPU. Use --kernel reference."
    assert str(raised.value) == expected


def test_tensors_elsewhere_are_refused():
    with pytest.raises(ProbeError, match=r"The cpu kernel was given torch\.float32 on meta; it needs"):
        selective_scan(**{name: tensor.to("meta") for name, tensor in draw(CASES["no gate"]).items()})
