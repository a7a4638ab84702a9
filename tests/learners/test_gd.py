"""Claims: steps along autograd's gradient, the contraction of theory, and the errors of Grazzi et al. (2024).

Their figure 3d shows these errors divided by the dimension twice; here they are divided once.
"""

from itertools import pairwise

import pytest
import torch

from probe.learners import Examples, GradientDescent, LeastSquares, make
from probe.randomness import PromptSource
from probe.tasks import SkewedLinear


@pytest.mark.parametrize("count", [2, 9])
def test_a_step_follows_the_gradient(draw, count):
    examples, _ = draw(count)
    iterates = make("gd:steps=3,rate=0.05").iterates(examples)
    for before, after in pairwise(iterates):
        w = before.clone().requires_grad_()
        loss = (torch.einsum("bnd,bd->bn", examples.x, w) - examples.y).square().mean(1).sum() / 2
        (gradient,) = torch.autograd.grad(loss, w)
        assert torch.allclose(after, before - 0.05 * gradient, rtol=1e-10, atol=1e-12)


def test_the_optimal_rate_contracts_by_the_condition_number(draw):
    """The largest and the smallest component shrink by (kappa - 1) / (kappa + 1) a step, one with changing sign."""
    examples, _ = draw(9)
    hessian, _ = examples.second_moments()
    eigenvalues, basis = torch.linalg.eigh(hessian)
    distance = GradientDescent(steps=5).iterates(examples) - LeastSquares().weights(examples)
    components = torch.einsum("sbd,bde->sbe", distance, basis)
    ratios = components[1:] / components[:-1]
    contraction = (eigenvalues[:, -1] - eigenvalues[:, 0]) / (eigenvalues[:, -1] + eigenvalues[:, 0])
    assert torch.allclose(ratios[..., 0], contraction.expand(5, -1))
    assert torch.allclose(ratios[..., -1], -contraction.expand(5, -1))
    assert (ratios.abs() <= contraction[:, None] + 1e-9).all()


def test_inverse_lipschitz_shrinks_every_component_monotonically(draw):
    examples, _ = draw(9)
    basis = torch.linalg.eigh(examples.second_moments()[0]).eigenvectors
    iterates = GradientDescent(5, "inverse_lipschitz").iterates(examples)
    components = torch.einsum("sbd,bde->sbe", iterates - LeastSquares().weights(examples), basis)
    assert (components[1:].abs() <= components[:-1].abs() + 1e-12).all()
    assert (components[1:] * components[:-1] >= -1e-12).all()


def test_it_shows_the_errors_of_grazzi_et_al():
    """1, 0.79, ..., 0.60 after 23 steps on 40 examples of skewed_linear in 20 dimensions, over any query."""
    prompts = SkewedLinear(20).draw(PromptSource(0, "score", range(256)), 40)
    examples = Examples(prompts.x[:, :40], prompts.y[:, :40])
    w, root = prompts.parameters["w"].double(), prompts.parameters["covariance_root"].double()
    missed = torch.einsum("sbi,bij->sbj", GradientDescent(23).iterates(examples) - w, root)
    error = (missed.square().sum(-1) / 20).mean(1)
    assert error[0].item() == pytest.approx(1.0, abs=0.1)
    assert error[1].item() == pytest.approx(0.79, abs=0.06)
    assert error[23].item() == pytest.approx(0.60, abs=0.06)
