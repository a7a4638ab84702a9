"""Writes the planted controls into checkpoints/: models whose algorithm is written in, not trained.

    python analyses/make_controls.py

control-gradient takes a step of gradient descent a block. The impostors end at least squares too, but do not improve
an answer step by step: control-solve writes it whole in one block, control-coordinate one coordinate of the solution a
block, control-gather only gathers X'X and X'y before its last block. The state of control-linear-attention is X'y times
a rate after every example, that of control-delta-rule the weights of online gradient descent.
"""

from __future__ import annotations

from probe.checkpoints import save
from probe.models import ResidualModel
from probe.models.controls import planted_model, planted_state_model

DIM, CONTEXT, BLOCKS = 5, 15, 10


def main() -> None:
    """Writes the six files."""
    for algorithm in ("gradient", "solve", "coordinate", "gather"):
        write(algorithm, planted_model(algorithm, DIM, BLOCKS))
    for rule in ("linear_attention", "delta_rule"):
        write(rule, planted_state_model(rule, DIM))


def write(name: str, model: ResidualModel) -> None:
    """Writes one control with its description."""
    description = {
        "task": "linear",
        "arch": f"planted_{name}",
        "dim": DIM,
        "context": CONTEXT,
        "seed": 0,
        "step": 0,
        "seconds": 0.0,
        "training_flops": 0,
        "command": "python analyses/make_controls.py",
    }
    save(f"checkpoints/control-{name.replace('_', '-')}.pt", model, description)


if __name__ == "__main__":
    main()
