"""The letters, parameters and operations of a block of transformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from typing import Any

from torch import nn

# what a module's class name holds, in small letters -> its letter as in the layout text, or ? where that has none or
# another: attention that is a recurrence is not ours; the first that fits counts
KINDS: dict[str, str] = {
    "rwkvselfattention": "R",
    "rwkvfeedforward": "C",
    "mamba2mixer": "D",
    "zamba2mambamixer": "D",
    "bambamixer": "D",
    "falconh1mixer": "D",
    "granitemoehybridmambalayer": "D",
    "mambamixer": "M",
    "gateddeltanet": "G",
    "recurrentblock": "?",
    "shortconv": "?",
    "(linear|lightning|delta|fourier|retention|lsh).*attention": "?",
    "attention": "A",
    "mlp": "F",
    "feedforward": "F",
    "sparsemoe|moe$": "F",  # where all of a family's class names have it, as in OLMoE
}

# the operations of one token beside the maps, by letter, from the module and the model's settings; see `flops`
MIXING: dict[str, Callable[[Any, Any, int], float]] = {
    # scores and sums over the (time + 1) / 2 tokens that one sees on average, as `probe.models.attention` has it
    "A": lambda module, config, time: 2 * (time + 1) * _heads(module, config),
    # a number of the state, as `probe.models.mamba` has it
    "M": lambda module, config, time: 9 * module.A_log.numel(),
    # a number of the state, as `probe.models.mamba2` has it
    "D": lambda module, config, time: 5 * module.out_proj.in_features * module.ssm_state_size,
    # shifts, the step of the recurrence and the gate, as `probe.models.rwkv4` has them
    "R": lambda module, config, time: 30 * len(module.time_decay),
    "C": lambda module, config, time: 19 * module.time_mix_key.numel(),
}


def mixers(block: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yields the mixers of a block with their letters, in order, and nothing inside them.

    What has matrices and is not known is yielded as ``?``.
    """
    for child in block.children():
        letter = _letter(child)
        if letter is not None:
            yield letter, child
        elif any(_letter(module) for module in child.modules()):
            yield from mixers(child)
        elif any(weight.ndim > 1 and weight.numel() > max(weight.shape) for weight in child.parameters()):
            yield "?", child


def letters_of(block: nn.Module) -> str:
    """Returns a block's letters: ``M``, or ``[AF]`` where one block holds an attention and a feed-forward.

    What mixes tokens comes first, and ``?`` is what the layout text has no letter for, or what is not known.
    """
    found = list(mixers(block))
    # a feed-forward that is no module of its own, as in OPT: up from the stream's width, and down again
    maps = [child for letter, child in found if letter == "?" and isinstance(child, nn.Linear)]
    there_and_back = len(maps) == 2 and maps[0].weight.shape == maps[1].weight.mT.shape
    letters = [letter for letter, child in found if not (there_and_back and child in maps)]
    letters += ["F"] * there_and_back
    # several unknown ones in a row may be parts of one
    letters = [letter for i, letter in enumerate(letters) if letter != "?" or i == 0 or letters[i - 1] != "?"]
    text = "".join(sorted(letters, key=lambda letter: letter == "F")) or "?"
    return text if len(text) == 1 else f"[{text}]"


def _letter(module: nn.Module) -> str | None:
    kind = type(module).__name__.lower()
    return next((letter for pattern, letter in KINDS.items() if re.search(pattern, kind)), None)


def layout(letters: Sequence[str]) -> str:
    """Returns the blocks as text, repeated ones once with their count."""
    runs = [(letter, len(list(run))) for letter, run in groupby(letters)]
    return "".join(letter if count == 1 else f"{letter}{count}" for letter, count in runs)


def flops(block: nn.Module, config: Any, time: int) -> int:
    """Returns the forward floating-point operations of a block for one sequence (a multiply-add is two, an exp one).

    Counted are the block's matrices and short convolutions, once a token (of experts, those that a token is sent
    to), the attention to the tokens before, and the states of the recurrences that the layout has letters for, all
    as for our own models; norms, activations and positions are not.
    """
    mixing = sum(MIXING[letter](module, config, time) for letter, module in mixers(block) if letter in MIXING)
    return round(time * (2 * _matrices(block, config) + mixing))


def cumulative_parameters(
    model: nn.Module, blocks: Sequence[nn.Module], decoder: Sequence[nn.Module], called: Collection[nn.Module]
) -> list[int]:
    """Returns the number of parameters used up to each layer, [blocks + 1]; shared ones count where first used.

    Args:
        decoder: the modules after the last block; what they share with the read-in counts, the rest does not.
        called: the modules that symbols pass; what looks at pictures is none.
    """
    reading = _read_in(model, [*blocks, *decoder], called)
    seen = {id(parameter): parameter.numel() for parameter in reading}
    totals = [sum(seen.values())]
    for block in blocks:
        seen |= {id(parameter): parameter.numel() for parameter in block.parameters()}
        totals.append(sum(seen.values()))
    return totals


def _read_in(module: nn.Module, others: Sequence[nn.Module], called: Collection[nn.Module]) -> Iterator[nn.Parameter]:
    if module in called:
        yield from module.parameters(recurse=False)
    for child in module.children():
        if not any(child is other for other in others):
            yield from _read_in(child, others, called)


def _matrices(block: nn.Module, config: Any) -> float:
    """Returns the weights that multiply a token: of a stack of experts the share that a token is sent to."""
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or 0
    chosen = getattr(config, "num_experts_per_tok", None) or experts
    total = 0.0
    for name, parameter in block.named_parameters():
        if parameter.ndim < 2 or parameter.numel() == parameter.shape[-1] or name.endswith("A_log"):
            continue
        sent = parameter.ndim == 3 and parameter.shape[0] == experts > 1
        total += parameter.numel() * (chosen / experts if sent else 1)
    return total


def _heads(module: nn.Module, config: Any) -> int:
    """Returns the width of all attention heads together."""
    width = int(config.hidden_size)
    heads = int(config.num_attention_heads)
    return heads * int(getattr(module, "head_dim", None) or width // heads)
