"""Records of figures/ that tests of pictures draw."""

SHIPPED = {
    "fit": "fit-mamba-transformer-linear",
    "train": "mamba-training",
    "evaluate": "evaluate-skewed_linear-500",
    "compare": "compare-seeds",
    "claim": "claim-mamba",
    "health": "health-mamba",
    "beliefs": "belief-simplex",
    "language": "language-smollm2-135m",
    "language-layers": "language-lens-smollm2-135m",
}
"""One of each kind of record."""
HOLDS = {"calibration": "grazzi-layers-skewed20-40", "steps": "through-layers"}
"""Another, of kinds of picture that show what the first does not hold."""
