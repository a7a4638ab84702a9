"""Models whose answer is known: by name, their layout and whether they iterate on a running answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One model.

    Attributes:
        layout: of planted blocks.
        iterates: whether its blocks improve an answer that blocks before them wrote.
        says: what it is.
    """

    layout: str
    iterates: bool
    says: str


KNOWN: Mapping[str, Known] = {
    "gradient": Known("P[algorithm=gradient,dim=5]10", True, "gradient descent"),
    "gradient-noise-0.02": Known(
        "P[algorithm=gradient,dim=5,noise=0.02,seed=1]10", True, "gradient descent, noise 0.02"
    ),
    "gradient-noise-0.1": Known("P[algorithm=gradient,dim=5,noise=0.1,seed=1]10", True, "gradient descent, noise 0.1"),
    "gradient-6-blocks": Known("P[algorithm=gradient,dim=5]6", True, "gradient descent, 6 blocks"),
    "gradient-3-dimensions": Known("P[algorithm=gradient,dim=3]8", True, "gradient descent, 3 dimensions, 8 blocks"),
    "decreasing": Known("P[algorithm=decreasing,dim=5]10", True, "gradient descent whose steps become smaller"),
    "decreasing-noise-0.05": Known(
        "P[algorithm=decreasing,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent whose steps become smaller, noise 0.05",
    ),
    "chebyshev": Known(
        "P[algorithm=chebyshev,dim=5]10", True, "gradient descent with Chebyshev's steps, three in turns"
    ),
    "chebyshev-noise-0.02": Known(
        "P[algorithm=chebyshev,dim=5,noise=0.02,seed=1]10",
        True,
        "gradient descent with Chebyshev's steps, three in turns, noise 0.02",
    ),
    "momentum": Known("P[algorithm=momentum,dim=5]10", True, "gradient descent with momentum"),
    "momentum-noise-0.05": Known(
        "P[algorithm=momentum,dim=5,noise=0.05,seed=1]10", True, "gradient descent with momentum, noise 0.05"
    ),
    "two-blocks": Known("P[algorithm=two_blocks,dim=5]10", True, "gradient descent, a step every two blocks"),
    "two-blocks-noise-0.05": Known(
        "P[algorithm=two_blocks,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent, a step every two blocks, noise 0.05",
    ),
    "alternating": Known(
        "P[algorithm=alternating,dim=5]10", True, "gradient descent whose answer turns round at every block"
    ),
    "alternating-noise-0.05": Known(
        "P[algorithm=alternating,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent whose answer turns round at every block, noise 0.05",
    ),
    "at-end": Known("P[algorithm=at_end,dim=5]10", True, "gradient descent whose answer the last block alone writes"),
    "at-end-noise-0.05": Known(
        "P[algorithm=at_end,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent whose answer the last block alone writes, noise 0.05",
    ),
    "newton": Known("P[algorithm=newton,dim=5]10", True, "Newton's iteration for the inverse of X'X"),
    "newton-noise-0.02": Known(
        "P[algorithm=newton,dim=5,noise=0.02,seed=1]10", True, "Newton's iteration for the inverse of X'X, noise 0.02"
    ),
    "higher-order": Known("P[algorithm=higher_order,dim=5]10", True, "a third-order iteration for the inverse of X'X"),
    "recency": Known("P[algorithm=recency,dim=5]10", True, "gradient descent for which late pairs count more"),
    "recency-noise-0.05": Known(
        "P[algorithm=recency,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent for which late pairs count more, noise 0.05",
    ),
    "shared-error": Known(
        "P[algorithm=shared_error,dim=5]10", True, "gradient descent towards weights that are a little wrong"
    ),
    "shared-error-noise-0.05": Known(
        "P[algorithm=shared_error,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent towards weights that are a little wrong, noise 0.05",
    ),
    "at-pairs": Known("P[algorithm=at_pairs,dim=5]10", True, "steps on residuals that stand at the context tokens"),
    "at-pairs-noise-0.05": Known(
        "P[algorithm=at_pairs,dim=5,noise=0.05,seed=1]10",
        True,
        "steps on residuals that stand at the context tokens, noise 0.05",
    ),
    "preconditioned": Known("P[algorithm=preconditioned,dim=5]10", True, "gradient descent through one fixed matrix"),
    "preconditioned-noise-0.05": Known(
        "P[algorithm=preconditioned,dim=5,noise=0.05,seed=1]10",
        True,
        "gradient descent through one fixed matrix, noise 0.05",
    ),
    "preconditioned-seed-2": Known(
        "P[algorithm=preconditioned,dim=5,seed=2]10", True, "gradient descent through another fixed matrix"
    ),
    "pausing": Known("P[algorithm=pausing,dim=5]10", True, "gradient descent, with a block of rest after every step"),
    "pausing-noise-0.1": Known(
        "P[algorithm=pausing,dim=5,noise=0.1,seed=1]10",
        True,
        "gradient descent, with a block of rest after every step, noise 0.1",
    ),
    "decay": Known("P[algorithm=decay,dim=5]10", True, "gradient descent with weight decay"),
    "decay-noise-0.02": Known(
        "P[algorithm=decay,dim=5,noise=0.02,seed=1]10", True, "gradient descent with weight decay, noise 0.02"
    ),
    "gradient-turned": Known(
        "P[algorithm=gradient,dim=5,basis=1]10", True, "gradient descent in a stream that is turned"
    ),
    "momentum-turned": Known(
        "P[algorithm=momentum,dim=5,basis=2]10", True, "gradient descent with momentum in a stream that is turned"
    ),
    "solve": Known("P[algorithm=solve,dim=5]10", False, "least squares in the middle block"),
    "solve-noise-0.05": Known(
        "P[algorithm=solve,dim=5,noise=0.05,seed=1]10", False, "least squares in the middle block, noise 0.05"
    ),
    "early": Known("P[algorithm=early,dim=5]10", False, "least squares in the first block"),
    "early-noise-0.05": Known(
        "P[algorithm=early,dim=5,noise=0.05,seed=1]10", False, "least squares in the first block, noise 0.05"
    ),
    "late": Known("P[algorithm=late,dim=5]10", False, "least squares in the last block but one"),
    "late-noise-0.02": Known(
        "P[algorithm=late,dim=5,noise=0.02,seed=1]10", False, "least squares in the last block but one, noise 0.02"
    ),
    "late-noise-0.1": Known(
        "P[algorithm=late,dim=5,noise=0.1,seed=1]10", False, "least squares in the last block but one, noise 0.1"
    ),
    "coordinate": Known("P[algorithm=coordinate,dim=5]10", False, "least squares, a coordinate after another"),
    "coordinate-noise-0.05": Known(
        "P[algorithm=coordinate,dim=5,noise=0.05,seed=1]10",
        False,
        "least squares, a coordinate after another, noise 0.05",
    ),
    "gather": Known("P[algorithm=gather,dim=5]10", False, "least squares at the end, of moments that blocks gather"),
    "gather-noise-0.05": Known(
        "P[algorithm=gather,dim=5,noise=0.05,seed=1]10",
        False,
        "least squares at the end, of moments that blocks gather, noise 0.05",
    ),
    "open-loop": Known("P[algorithm=open_loop,dim=5]10", False, "ridge solutions, each computed from the tokens"),
    "open-loop-noise-0.02": Known(
        "P[algorithm=open_loop,dim=5,noise=0.02,seed=1]10",
        False,
        "ridge solutions, each computed from the tokens, noise 0.02",
    ),
    "open-loop-noise-0.1": Known(
        "P[algorithm=open_loop,dim=5,noise=0.1,seed=1]10",
        False,
        "ridge solutions, each computed from the tokens, noise 0.1",
    ),
    "open-loop-3-dimensions": Known(
        "P[algorithm=open_loop,dim=3]8", False, "ridge solutions, each computed from the tokens, 3 dimensions, 8 blocks"
    ),
    "reveal": Known(
        "P[algorithm=reveal,dim=5]10", False, "gradient descent in the first block, uncovered a step a block"
    ),
    "reveal-noise-0.02": Known(
        "P[algorithm=reveal,dim=5,noise=0.02,seed=1]10",
        False,
        "gradient descent in the first block, uncovered a step a block, noise 0.02",
    ),
    "reveal-noise-0.1": Known(
        "P[algorithm=reveal,dim=5,noise=0.1,seed=1]10",
        False,
        "gradient descent in the first block, uncovered a step a block, noise 0.1",
    ),
    "reveal-6-blocks": Known(
        "P[algorithm=reveal,dim=5]6", False, "gradient descent in the first block, uncovered a step a block, 6 blocks"
    ),
    "features": Known("P[algorithm=features,dim=5]10", False, "random features, and least squares at the end"),
    "features-noise-0.05": Known(
        "P[algorithm=features,dim=5,noise=0.05,seed=1]10",
        False,
        "random features, and least squares at the end, noise 0.05",
    ),
    "features-noise-0.1": Known(
        "P[algorithm=features,dim=5,noise=0.1,seed=1]10",
        False,
        "random features, and least squares at the end, noise 0.1",
    ),
    "features-seed-2": Known(
        "P[algorithm=features,dim=5,seed=2]10", False, "random features, and least squares at the end, others"
    ),
    "detector": Known(
        "P[algorithm=detector,dim=5]10", False, "a running answer that nothing reads, and least squares at the end"
    ),
    "detector-noise-0.05": Known(
        "P[algorithm=detector,dim=5,noise=0.05,seed=1]10",
        False,
        "a running answer that nothing reads, and least squares at the end, noise 0.05",
    ),
    "overwrite": Known("P[algorithm=overwrite,dim=5]10", False, "ridge solutions, each written over the last one"),
    "overwrite-noise-0.02": Known(
        "P[algorithm=overwrite,dim=5,noise=0.02,seed=1]10",
        False,
        "ridge solutions, each written over the last one, noise 0.02",
    ),
    "overwrite-noise-0.1": Known(
        "P[algorithm=overwrite,dim=5,noise=0.1,seed=1]10",
        False,
        "ridge solutions, each written over the last one, noise 0.1",
    ),
    "overwrite-6-blocks": Known(
        "P[algorithm=overwrite,dim=5]6", False, "ridge solutions, each written over the last one, 6 blocks"
    ),
    "partial": Known("P[algorithm=partial,dim=5]10", False, "least squares on ever more pairs"),
    "partial-noise-0.05": Known(
        "P[algorithm=partial,dim=5,noise=0.05,seed=1]10", False, "least squares on ever more pairs, noise 0.05"
    ),
    "average": Known(
        "P[algorithm=average,dim=5]10", False, "the mean of solutions that are wrong, each in its own way"
    ),
    "average-noise-0.05": Known(
        "P[algorithm=average,dim=5,noise=0.05,seed=1]10",
        False,
        "the mean of solutions that are wrong, each in its own way, noise 0.05",
    ),
    "average-seed-2": Known(
        "P[algorithm=average,dim=5,seed=2]10", False, "the mean of other solutions that are wrong, each in its own way"
    ),
    "bystander": Known(
        "P[algorithm=bystander,dim=5]10",
        False,
        "a running answer that is moved along and not used, and least squares at the end",
    ),
    "bystander-noise-0.02": Known(
        "P[algorithm=bystander,dim=5,noise=0.02,seed=1]10",
        False,
        "a running answer that is moved along and not used, and least squares at the end, noise 0.02",
    ),
    "beside": Known(
        "P[algorithm=beside,dim=5]10", False, "gradient descent that is not used, and least squares at the end"
    ),
    "beside-noise-0.02": Known(
        "P[algorithm=beside,dim=5,noise=0.02,seed=1]10",
        False,
        "gradient descent that is not used, and least squares at the end, noise 0.02",
    ),
    "repair": Known(
        "P[algorithm=repair,dim=5]10", False, "least squares in the third block, and again in every later one"
    ),
    "repair-noise-0.1": Known(
        "P[algorithm=repair,dim=5,noise=0.1,seed=1]10",
        False,
        "least squares in the third block, and again in every later one, noise 0.1",
    ),
    "reveal-at-pairs": Known(
        "P[algorithm=reveal_at_pairs,dim=5]10",
        False,
        "gradient descent in the first block, hidden at the context tokens",
    ),
    "reveal-at-pairs-noise-0.1": Known(
        "P[algorithm=reveal_at_pairs,dim=5,noise=0.1,seed=1]10",
        False,
        "gradient descent in the first block, hidden at the context tokens, noise 0.1",
    ),
    "open-loop-turned": Known(
        "P[algorithm=open_loop,dim=5,basis=1]10",
        False,
        "ridge solutions, each computed from the tokens, in a stream that is turned",
    ),
}
