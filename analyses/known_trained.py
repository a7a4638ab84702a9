"""Trained models of which it is known by their construction whether they iterate, block after block.

A training shows that a model answers, not how. What may be called known are therefore models of which the blocks can do
no other than what is said, whatever the training found:

- the same weights at every pass: what improves an answer is one map, applied again and again;
- linear self-attention of von Oswald et al. (2023), arXiv:2212.07677: a block adds sums of products of three tokens, of
  which the best that one alone can do is a step of preconditioned gradient descent (Ahn et al., 2023, arXiv:2306.00297,
  theorem 1). An error far below a single block's needs blocks that use the results of blocks before;
- a single block, behind which there is none to improve what it answers;
- blocks that read the tokens alone and nothing that blocks before them wrote;
- weights that were drawn and not trained;
- a training on one fixed function: what it answers does not come from the prompt's examples.

Of every other trained model, among them all of which the verdict is asked, nothing is known in advance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from probe import Checkpoint, ModelConfig, NativeModel, ResidualModel, from_model, load_checkpoint

FOLDER = Path(__file__).parent.parent / "checkpoints"
DIM, CONTEXT, TASK = 5, 15, "linear"


@dataclass(frozen=True)
class Trained:
    """One model.

    Attributes:
        iterates: whether its blocks improve an answer that blocks before them wrote.
        says: why that is known.
        untrained: the model, where no file holds it: its blocks and norm with freshly drawn weights.
    """

    iterates: bool
    says: str
    untrained: ModelConfig | None = None


def _fresh(layout: str, norm: str) -> ModelConfig:
    return ModelConfig(layout=layout, dim=DIM, width=64, norm=norm, attention_heads=4)  # type: ignore[arg-type]


_FIXED = "was trained on one fixed function, whose weights it knows by heart"
TRAINED: Mapping[str, Trained] = {
    "looped-mamba": Trained(True, "applies one block eight times"),
    "looped-transformer": Trained(True, "applies one layer six times"),
    "linear-self-attention": Trained(True, "six blocks of linear self-attention, each a sum of products of three"),
    "linear-self-attention-unmasked": Trained(True, "the same, without a mask between pairs"),
    "linear-self-attention-1-block": Trained(False, "a single block of linear self-attention"),
    "mamba-1-block": Trained(False, "a single block"),
    "open-loop-mamba": Trained(False, "eight blocks that read the tokens alone"),
    "mamba-fixed": Trained(False, _FIXED),
    "transformer-fixed": Trained(False, f"{_FIXED}, by attention"),
    "s4-fixed": Trained(False, f"{_FIXED}, by a linear recurrence"),
    "rwkv4-fixed": Trained(False, f"{_FIXED}, by time mixing"),
    "mamba-untrained": Trained(False, "eight blocks of fresh weights", _fresh("M8", "rms")),
    "transformer-untrained": Trained(False, "six layers of fresh weights", _fresh("(AF)6", "layer")),
}
"""By name: that of a file in checkpoints/, or of weights drawn anew."""


def checkpoint(name: str) -> Checkpoint:
    """Returns one of these models as every command takes it.

    Raises:
        FileNotFoundError: if its file is not there.
    """
    config, path = TRAINED[name].untrained, FOLDER / f"{name}.pt"
    if config is None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there")
        return load_checkpoint(str(path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ResidualModel(config).eval()
    about = {"arch": name, "seed": 0, "step": 0, "command": "python analyses/verdict.py"}
    return from_model(NativeModel(model), name, TASK, context=CONTEXT, description=about)
