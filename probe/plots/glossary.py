"""What the words and abbreviations of a report mean."""

from __future__ import annotations

from collections.abc import Mapping

GLOSSARY: Mapping[str, str] = {
    "x, y, w": "An example's input and its answer; the weights of the function that the prompt was drawn from.",
    "query": "The last x of a prompt, whose y the model is asked for.",
    "stream": "The residual stream: what every block of the model reads from and adds to.",
    "read-in": "Layer 0: the tokens as the model's first map writes them to the stream.",
    "M8, (AF)6": "The layout: eight blocks of Mamba; six times a block of attention and a feed-forward block.",
    "layer": "Where the stream is read: layer 0 before any block, layer 3 after the third.",
    "head": "A linear map from the stream to a quantity, fitted by ridge regression at each layer.",
    "frozen head": "The last layer's head, applied at every layer as it is.",
    "lens": "The model's own final norm and read-out, applied at an early layer; calibrated: with a scale and a shift "
    "for each layer.",
    "error": "The sum of squared errors over that of predicting zero: 1 is predicting zero.",
    "zero error": "The error of predicting zero.",
    "band": "95 % of what other prompts of the same kind would give, by a bootstrap over prompts.",
    "holds, fails, undecided": "The whole band lies on the right side of the threshold, on the wrong one, or on both.",
    "rung": "What a criterion is needed for. A rung is reached where all its criteria hold that were tested.",
    "donor": "Another prompt's examples, whose stream takes the place of the prompt's own.",
    "share": "How far the model's own answer goes to the donor's when a layer is exchanged.",
    "completeness, selectivity": "Of an exchanged answer: how far the model then answers as the donor, and how far "
    "everything else stays. Their harmonic mean is the reliability.",
    "kept": "What later blocks leave of an answer that was exchanged or moved: 1 where none of them answers to it.",
    "X'X": "The sum over the examples of x times its transpose. Gradient descent is fast along its large eigenvalues.",
    "eta, H": "The step size of gradient descent, and X'X: a step takes an error e to (I - eta H) e.",
    "SPD": "Squared prediction difference: between an algorithm's answers and a layer's, over the zero error.",
    "ILWD": "Induced linear weight difference: the same of the linear weights that the answers induce.",
    "SimE, SimW": "Cosine similarity of errors, and of induced weights.",
    "R2": "The share of a quantity's variance that a linear map gives; negative where it is worse than the mean.",
    "unexplained": "What an algorithm leaves of the distance that the final answer, scaled for each layer, leaves.",
    "LSQ": "Least squares: the weights that fit all examples best.",
    "ridge": "Least squares with a penalty on the size of the weights; a ridge path lowers the penalty step by step.",
    "GD": "Gradient descent on the squared error of the examples.",
    "gd_per_block, gd_shared_rates": "Gradient descent with a rate for every block, by each prompt's own X'X, or "
    "the same for all prompts.",
    "momentum, preconditioned_gd": "The same with a share of the last change, or a matrix before the gradient.",
    "gd_with_decay": "The same with weights that shrink at every step, which ends at a ridge solution.",
    "recency_gd, causal_gd": "The same where late examples count more, or each is answered from those before.",
    "online GD, LMS": "Gradient descent one example at a time (least mean squares); normalised_lms: by x's length.",
    "delta_rule": "The same, that forgets a share of its weights at every example.",
    "RLS": "Recursive least squares: least squares renewed after every example.",
    "GD++, gd_plus_plus": "Gradient descent on inputs that are transformed at every step (von Oswald et al., 2023).",
    "Newton": "Newton's method, which doubles the right digits of the solution at every step.",
    "third_order_newton": "The same, where every step cubes the error instead of squaring it.",
    "discrete_posterior": "The mean of a known set of weights, each counted by how well it fits the examples.",
    "CG": "Conjugate gradient: steps whose directions do not undo one another.",
    "belief": "The probabilities of a source's hidden states, given the symbols so far.",
    "Kalman filter": "The best prediction of a linear-Gaussian system; its gain says how an error moves it.",
    "generalised least squares": "Least squares that knows how the examples' noise is correlated.",
    "FLOPs": "Floating-point operations.",
}
"""Each term with its meaning, in the order in which a report shows them."""
