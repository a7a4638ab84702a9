"""A language model set before word-pair tasks: read, its tokenizer found, its words chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from probe import checkpoints
from probe.checkpoints import Checkpoint
from probe.config import CompareConfig, EvaluateConfig, FitConfig
from probe.errors import ProbeError
from probe.language.batches import Reader
from probe.language.original import original_pool
from probe.language.pairs import Pair
from probe.language.prompts import Tokenizer, Wording, word
from probe.language.published import published
from probe.language.tasks import LANGUAGE_TASKS, Match, named
from probe.probing.experiment import RESIDUALS, load_all
from probe.processes.devices import device_named
from probe.records import versions
from probe.registries import ObjectText

DEMONSTRATIONS = 5
"""The most demonstrations unless more or fewer are asked for, as in the paper's Table 1."""
FEWEST = 32


@dataclass(frozen=True, eq=False)
class Study:
    """A model ready to be studied on tasks whose words suit its tokenizer."""

    checkpoint: Checkpoint
    reader: Reader
    wordings: list[Wording]

    def match(self, wording: Wording, asked: str) -> Match:
        """Returns how answers are compared: as asked, or as the paper does it for such a task."""
        return wording.task.match if asked == "published" else asked  # type: ignore[return-value]

    def check_reach(self, contexts: Sequence[int], seed: int) -> None:
        """Raises `ProbeError`, before any work, where a task has too few pairs or too long prompts."""
        for wording in self.wordings:
            possible = [context for context in contexts if context < len(wording.pool)]
            if not possible:
                raise ProbeError(
                    f"{min(contexts)} demonstrations of {wording.name} were asked for, but the tokenizer of "
                    f"{self.checkpoint.name} keeps {len(wording.pool)} pairs. Ask for fewer, or leave the task out."
                )
            pairs = wording.draw(seed, "score", 0, max(possible) + 1)
            self.encode(wording, pairs[1:], pairs[0])

    def encode(self, wording: Wording, demonstrations: Sequence[Pair], query: Pair) -> list[int]:
        """Returns a prompt's tokens.

        Raises:
            ProbeError: if the model has positions for fewer, or knows other tokens.
        """
        tokens = self.reader.tokenizer.encode(wording.text(demonstrations, query))
        longest, symbols = self.reader.stream.description.longest, self.reader.stream.description.symbols
        if not tokens or max(tokens) >= symbols:
            raise ProbeError(
                f"The tokenizer makes {f'the token {max(tokens)}' if tokens else 'no token'} of a prompt of "
                f"{wording.name}, but {self.checkpoint.name} knows {symbols}. Name its own with --tokenizer."
            )
        if longest and len(tokens) > longest:
            raise ProbeError(
                f"{len(demonstrations)} demonstrations of {wording.name} take {len(tokens)} tokens, but "
                f"{self.checkpoint.name} has positions for {longest}. Ask for fewer with --context."
            )
        return tokens


@runtime_checkable
class Asked(Protocol):
    """What every command's settings say of language models and their tasks."""

    @property
    def ckpt(self) -> tuple[str, ...]:
        """The models: files, folders or hub names, or texts that carry one."""

    @property
    def task(self) -> str | None:
        """The tasks, see `named`."""

    @property
    def tokenizer(self) -> str | None:
        """A tokenizer's folder or name, or a text that carries one; the models' own unless given."""

    @property
    def data(self) -> str | None:
        """A folder of the authors' own word pairs."""

    @property
    def device(self) -> str:
        """Where the models run."""

    @property
    def kernel(self) -> str:
        """The backend of the models' kernels."""

    @property
    def batch(self) -> int:
        """Prompts a forward pass."""


def studies(asked: Asked) -> list[Study]:
    """Reads the models and chooses each task's words, before any work.

    Raises:
        ProbeError: if a model, its tokenizer, a task or a number does not fit.
    """
    names, device = named(asked.task or ""), device_named(asked.device)
    files, found = checkpoints.expanded(asked.ckpt), list[Study]()
    for file, one in zip(files, load_all(files), strict=True):
        symbols = one.stream.description.symbols
        if not symbols:
            raise ProbeError(
                f"{one.name} reads vectors, but --task {asked.task} is for models that read text. Give one that does."
            )
        own = _tokenizer(file, asked.tokenizer)
        one.model.to(device)
        one.stream.use_kernel(asked.kernel)
        pools = {name: original_pool(asked.data, name) if asked.data else LANGUAGE_TASKS[name].pool() for name in names}
        wordings = [word(name, LANGUAGE_TASKS[name], pool, own) for name, pool in pools.items()]
        found.append(Study(one, Reader(one.name, one.stream, own, device, asked.batch), wordings))
    return found


def _tokenizer(model: str, override: str | None) -> Tokenizer:
    """Returns the tokenizer that was given, or the model's own."""
    from probe.checkpoints.huggingface import tokenizer_of

    if isinstance(override, ObjectText) and isinstance(override.given, Tokenizer):
        return override.given
    if isinstance(model, ObjectText) and not override:
        raise ProbeError(
            f"{model} was given as an object without its tokenizer, but text needs one. Add tokenizer=, an object or "
            "the folder or name of one."
        )
    found: Tokenizer = tokenizer_of(override or str(checkpoints.find(model)))
    return found


def choose_counts(text: str, most: int) -> list[int]:
    """Returns the numbers of demonstrations that a text asks for: none, one and doubling up to the most, or others.

    Raises:
        ProbeError: if the text is neither all, auto nor whole numbers up to the most.
    """
    if most < 0:
        raise ProbeError(f"--context {most} was given, but demonstrations are counted from 0. Give a larger number.")
    if text == "auto":
        return sorted({0, most, *(2**power for power in range(most.bit_length()))})
    if text == "all":
        return list(range(most + 1))
    try:
        chosen = sorted({int(part) for part in text.split(",")})
    except ValueError:
        chosen = [-1]
    if chosen[0] < 0 or chosen[-1] > most:
        raise ProbeError(
            f"--index {text} was given, but all, auto or whole numbers up to {most} are needed. Write 0,{most}, or "
            "raise --context."
        )
    return chosen


def provenance(
    kind: str, config: EvaluateConfig | FitConfig | CompareConfig, command: str, found: Sequence[Study]
) -> dict[str, Any]:
    """Returns a record's provenance: models, tasks, words left, and the published accuracies."""
    return {
        "kind": kind,
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "models": {study.checkpoint.name: _about(study) for study in found},
        "published": published(named(config.task or "")),
    }


def _about(study: Study) -> dict[str, Any]:
    stream = study.checkpoint.stream
    return {
        "arch": study.checkpoint.description.get("arch", stream.description.layout),
        "layout": stream.description.layout,
        "letters": "".join(stream.description.letters),
        "blocks": len(stream.description.letters),
        "block": " and ".join(dict.fromkeys(RESIDUALS.get(name, name) for name in stream.description.residuals)),
        "width": stream.width,
        "symbols": stream.description.symbols,
        "digest": study.checkpoint.digest,
        "cumulative_parameters": list(stream.description.parameters),
        "tasks": {
            wording.name: {
                "category": wording.task.category,
                "evaluated": wording.task.evaluated,
                "match": wording.task.match,
                "pairs": len(wording.pool),
                "pairs_before_the_filter": wording.before,
                "space_before_words": bool(wording.space),
            }
            for wording in study.wordings
        },
    }
