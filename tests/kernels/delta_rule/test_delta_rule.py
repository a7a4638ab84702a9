"""Claims: the operation's loop is the written-out formula and an online learner, and the fast forms are the loop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from probe.errors import ProbeError
from probe.kernels.delta_rule import WIDEST_FUSED, chunked, cpu, delta_rule
from probe.kernels.delta_rule.reference import delta_rule as reference
from probe.kernels.delta_rule.reference import delta_rule_states

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")

# of the largest number in a tensor
TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-6}
KINDS = {
    "linear attention": (),
    "linear attention that decays": ("log_decay",),
    "delta rule": ("beta",),
    "gated delta rule": ("beta", "log_decay"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def draw(kind, batch=2, heads=3, time=7, keys=4, values=5, dtype=torch.float64):
    """Keys of norm 1, beta in 0..1 and decays between 0.4 and 1."""
    generator = torch.Generator().manual_seed(0)

    def normal(*size):
        return torch.randn(batch, heads, time, *size, generator=generator, dtype=torch.float64)

    tensors = {"query": normal(keys), "key": F.normalize(normal(keys), dim=-1), "value": normal(values)}
    optional = {"beta": torch.sigmoid(normal()), "log_decay": -torch.sigmoid(normal())}
    tensors |= {name: optional[name] for name in KINDS[kind]}
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def run(operation, tensors):
    """Returns the output and the gradient of a weighted sum of it by every tensor."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    output = operation(**leaves)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = torch.autograd.grad(output, list(leaves.values()), weights.to(output.dtype))
    return {"output": output.detach()} | dict(zip(leaves, gradients, strict=True))


def by_hand(query, key, value, beta=None, log_decay=None):
    """S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T and o_t = S_t q_t, one head after another."""
    outputs, states = np.zeros(value.shape), np.zeros((*value.shape, key.shape[-1]))
    for b, h in np.ndindex(*key.shape[:2]):
        state = np.zeros((value.shape[-1], key.shape[-1]))
        for t in range(key.shape[2]):
            k, v = key[b, h, t], value[b, h, t]
            alpha = 1 if log_decay is None else np.exp(log_decay[b, h, t])
            if beta is None:
                state = alpha * state + np.outer(v, k)
            else:
                erase = np.eye(len(k)) - beta[b, h, t] * np.outer(k, k)
                state = alpha * state @ erase + beta[b, h, t] * np.outer(v, k)
            states[b, h, t], outputs[b, h, t] = state, state @ query[b, h, t]
    return outputs, states


@every_kind
def test_the_loop_is_the_written_out_formula(kind):
    tensors = draw(kind)
    outputs, states = delta_rule_states(**tensors)
    expected = by_hand(**{name: tensor.numpy() for name, tensor in tensors.items()})
    np.testing.assert_allclose(outputs, expected[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(states, expected[1], rtol=1e-12, atol=1e-14)


@every_kind
def test_the_loops_gradients_are_those_of_finite_differences(kind):
    tensors = draw(kind, batch=1, heads=1, time=3, keys=2, values=2)
    names = list(tensors)

    def positional(*given):
        return reference(**dict(zip(names, given, strict=True)))

    assert torch.autograd.gradcheck(positional, [tensor.requires_grad_() for tensor in tensors.values()])


@every_kind
@pytest.mark.parametrize(("form", "dtype"), [(chunked, torch.float64), (chunked, torch.float32), (cpu, torch.float32)])
@pytest.mark.parametrize("time", [1, 2, 16, 17, 47, 48, 49, 97, 150])
def test_the_fast_forms_are_the_loop_with_every_gradient(kind, form, dtype, time):
    """One chunk, full chunks, and a last one that is not full; float32 is held against the float64 loop."""
    tensors = draw(kind, batch=1, heads=2, time=time, dtype=dtype)
    got = run(form.delta_rule, tensors)
    want = run(reference, {name: tensor.double() for name, tensor in tensors.items()})
    for name, exact in want.items():
        assert got[name].dtype == dtype
        gap = (got[name].double() - exact).abs().max().item()
        assert gap <= TOLERANCE[dtype] * exact.abs().max().item() + 1e-30, f"{name} is off by {gap:.1e}"


@every_kind
@pytest.mark.parametrize(("keys", "values"), [(16, 16), (15, 33), (40, 8)])
def test_the_fused_form_is_the_loop_for_any_size_of_keys_and_values(kind, keys, values):
    tensors = draw(kind, heads=2, time=20, keys=keys, values=values, dtype=torch.float32)
    got = run(cpu.delta_rule, tensors)
    for name, exact in run(reference, {name: tensor.double() for name, tensor in tensors.items()}).items():
        assert (got[name] - exact).abs().max() <= 5e-6 * exact.abs().max(), name


@pytest.mark.parametrize("form", [chunked, cpu])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_fast_forms_stay_exact_under_repeated_keys(beta, form):
    """The triangular system is worst when every key is the same; the step of 2 reflects and never shrinks."""
    tensors = draw("delta rule", time=96, dtype=torch.float32)
    tensors["key"] = tensors["key"][:, :, :1].expand_as(tensors["key"])
    tensors["beta"] = torch.full_like(tensors["beta"], beta)
    exact = reference(**{name: tensor.double() for name, tensor in tensors.items()})
    assert (form.delta_rule(**tensors) - exact).abs().max() <= 1e-4 * exact.abs().max()


@pytest.mark.parametrize("form", [chunked, cpu])
def test_a_decay_to_nothing_neither_overflows_nor_spoils_gradients(form):
    tensors = draw("gated delta rule", time=60, dtype=torch.float32)
    tensors["log_decay"] = torch.full_like(tensors["log_decay"], -80.0)
    assert all(result.isfinite().all() for result in run(form.delta_rule, tensors).values())


@every_kind
@pytest.mark.parametrize("operation", [reference, chunked.delta_rule])
def test_no_output_depends_on_a_later_token(kind, operation):
    before = draw(kind, time=60)
    after = {name: tensor.clone() for name, tensor in before.items()}
    for tensor in after.values():
        tensor[:, :, 50:] *= 0.5
    first, second = operation(**before), operation(**after)
    torch.testing.assert_close(first[:, :, :50], second[:, :, :50], rtol=1e-12, atol=1e-14)
    assert ((first - second)[:, :, 50:].abs().amax((0, 1, 3)) > 1e-6).all()


def test_linear_attention_is_one_step_of_gradient_descent_from_zero_on_all_examples():
    tensors = draw("linear attention", batch=1, heads=1)
    _, states = delta_rule_states(**tensors)
    key, value = tensors["key"][0, 0], tensors["value"][0, 0]
    for t in range(1, 8):
        weights = torch.zeros(5, 4, dtype=torch.float64, requires_grad=True)
        loss = (key[:t] @ weights.T - value[:t]).square().sum() / 2
        (slope,) = torch.autograd.grad(loss, weights)
        torch.testing.assert_close(states[0, 0, t - 1], -slope)


@pytest.mark.parametrize("kind", ["delta rule", "gated delta rule"])
def test_the_delta_rule_is_gradient_descent_on_one_example_after_another(kind):
    """The least-mean-squares rule with step beta; the gated one shrinks the weights before each step."""
    tensors = {name: tensor[0, 0] for name, tensor in draw(kind, batch=1, heads=1).items()}
    _, states = delta_rule_states(**{name: tensor[None, None] for name, tensor in tensors.items()})
    weights = torch.zeros(5, 4, dtype=torch.float64)
    for t in range(7):
        if kind == "gated delta rule":
            weights = tensors["log_decay"][t].exp() * weights
        weights.requires_grad_()
        loss = (weights @ tensors["key"][t] - tensors["value"][t]).square().sum() / 2
        (slope,) = torch.autograd.grad(loss, weights)
        weights = (weights - tensors["beta"][t] * slope).detach()
        torch.testing.assert_close(states[0, 0, t], weights)


def test_a_step_of_one_under_orthonormal_keys_remembers_every_value():
    """With the identity's rows as keys, S_t reads back the t-th value whole, and a second value replaces the first."""
    key = torch.eye(4, dtype=torch.float64).repeat(2, 1)[None, None]
    value = torch.randn(1, 1, 8, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    _, states = delta_rule_states(key, key, value, torch.ones(1, 1, 8, dtype=torch.float64))
    torch.testing.assert_close(states[0, 0, -1].T, value[0, 0, 4:])


@pytest.mark.parametrize("theirs", ["torch_recurrent_gated_delta_rule", "torch_chunk_gated_delta_rule"])
def test_the_gated_delta_rule_is_hugging_faces(theirs):
    """Qwen3-Next's, which puts time before heads and divides queries by the root of their size."""
    room = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    operation = getattr(room, theirs, None)
    if operation is None:
        pytest.skip(f"this transformers has no {theirs}")
    tensors = draw("gated delta rule", time=70, dtype=torch.float32)
    flipped = {name: tensor.transpose(1, 2) for name, tensor in tensors.items()}
    expected, _ = operation(
        2.0 * flipped["query"], flipped["key"], flipped["value"], g=flipped["log_decay"], beta=flipped["beta"]
    )
    found = delta_rule(**tensors)
    assert (found - expected.transpose(1, 2)).abs().max() <= 5e-6 * found.abs().max()


def test_auto_is_fused_in_float32_and_chunked_else_and_an_unknown_backend_is_named_with_the_known_ones():
    tensors = draw("delta rule")
    assert torch.equal(delta_rule(**tensors), chunked.delta_rule(**tensors))
    single = {name: tensor.float() for name, tensor in tensors.items()}
    assert torch.equal(delta_rule(**single), cpu.delta_rule(**single))
    wide = draw("delta rule", keys=WIDEST_FUSED + 1, dtype=torch.float32)
    assert torch.equal(delta_rule(**wide), chunked.delta_rule(**wide))
    never_erased = wide | {"beta": None}
    assert torch.equal(delta_rule(**never_erased), cpu.delta_rule(**never_erased))
    assert torch.equal(delta_rule(**tensors, backend="reference"), reference(**tensors))
    with pytest.raises(ProbeError) as raised:
        delta_rule(**tensors, backend="chunky")
    assert str(raised.value) == (
        "No kernel of the delta rule is called 'chunky'. Did you mean chunked? Kernels: auto, reference, cpu, chunked."
    )
