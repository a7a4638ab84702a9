"""Writes the planted controls into checkpoints/: models whose algorithm is written in, not trained.

    python analyses/make_controls.py

control-gradient takes a step of gradient descent a block. The impostors end at least squares too, but do not improve
an answer step by step: control-solve writes it whole in one block, control-coordinate one coordinate of the solution a
block, control-gather only gathers X'X and X'y before its last block.
"""

from __future__ import annotations

from probe.checkpoint import save
from probe.models.controls import planted_model

DIM, CONTEXT, BLOCKS = 5, 15, 10


def main() -> None:
    """Writes the four files."""
    for algorithm in ("gradient", "solve", "coordinate", "gather"):
        description = {
            "task": "linear",
            "arch": f"planted_{algorithm}",
            "dim": DIM,
            "context": CONTEXT,
            "seed": 0,
            "step": 0,
            "seconds": 0.0,
            "training_flops": 0,
            "command": "python analyses/make_controls.py",
        }
        save(f"checkpoints/control-{algorithm}.pt", planted_model(algorithm, DIM, BLOCKS), description)


if __name__ == "__main__":
    main()
