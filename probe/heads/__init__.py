"""Heads: maps from the stream to a target, fitted in one pass over batches that are then forgotten.

scikit-learn is imported by `probe.heads.estimator` alone.
"""

from probe.heads.affine import apply as apply_affine
from probe.heads.affine import fit_affine
from probe.heads.linear import LinearHeads
from probe.heads.moments import Moments
from probe.heads.path import PrecisionWarning, RidgePath
from probe.heads.ridge import PENALTIES, SelectionErrors, best_penalty, fold_errors, solve_path

HEADS = {
    "linear": "ridge regression from the stream to the target, fitted for every layer and context",
    "normed": "ridge regression from the stream after the model's own final norm",
    "lens": "the model's own final norm and read-out, applied early",
    "calibrated": "the lens with a scale and a shift fitted on each prompt's validation queries",
    "task_vector": "language tasks: the last token's stream with demonstrations, patched into a prompt without",
}
"""Every head by its name on the command line."""

__all__ = [
    "HEADS",
    "PENALTIES",
    "LinearHeads",
    "Moments",
    "PrecisionWarning",
    "RidgePath",
    "SelectionErrors",
    "apply_affine",
    "best_penalty",
    "fit_affine",
    "fold_errors",
    "solve_path",
]
