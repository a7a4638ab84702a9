"""A checkpoint set before a task: whether the two fit, and the description of both for a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe import checkpoints, tasks
from probe.capture import Captured, DescribedModel, ModelDescription, NativeModel, capture
from probe.checkpoints import Checkpoint
from probe.config import ModelConfig
from probe.data import DataTask
from probe.errors import ProbeError
from probe.probing.at_site import AtSite
from probe.probing.draws import Pass
from probe.probing.targets import Target
from probe.processes import ALONE, Processes
from probe.processes.side_by_side import side_by_side
from probe.randomness import PromptSource, Purpose
from probe.registries import ObjectText
from probe.statistics import LayerErrors
from probe.tasks import Prompts, Shape, Task
from probe.tasks.prompts import append_each, only
from probe.text import line

AT_ONCE = 2**16
"""Tokens that go through a model at once: a batch of long prompts goes in parts, whose activations then fit memory."""
SMALL = 2**26
"""Numbers in the stream of a batch, all layers and tokens, of which several may be held: 256 MiB in float32."""
RESIDUALS = {
    "pre": "pre-norm",
    "post": "post-norm",
    "none": "recurrent, without a residual",
    "parallel": "parallel, attention and feed-forward side by side",
}


def _nobody() -> None:
    """Is told that a batch is done."""


@dataclass(frozen=True)
class Experiment:
    """A checkpoint ready to be probed, with the task and contexts it is probed on.

    Attributes:
        task_name: the task as it was named, with its options.
        longest: the number of examples before the last query of the prompts that are drawn.
        contexts: the numbers of examples before the queries that are probed.
        chosen: which of a prompt's queries these are.
        kernel: the backend of the selective scan.
        site: where heads read, if it is not the stream.
        offset: the tokens from a query to the token that fitted heads read the stream at.
        targets: what fitted heads are asked for.
        told: called after every batch, in the thread that asked for them.
    """

    checkpoint: Checkpoint
    model: DescribedModel
    task: Task
    task_name: str
    longest: int
    contexts: list[int]
    chosen: Tensor
    device: torch.device
    kernel: str = "auto"
    site: AtSite | None = None
    offset: int = 0
    targets: tuple[Target, ...] = ()
    told: Callable[[], None] = field(default=_nobody, compare=False, repr=False)

    @property
    def read_layers(self) -> Sequence[int]:
        """The layers that heads read, one for each of a site's cells, or all of the stream's."""
        return range(self.layers) if self.site is None else self.site.layers

    @property
    def layers(self) -> int:
        """The number of layers, the read-in included."""
        return len(self.model.places)

    @property
    def answered(self) -> bool:
        """Whether the model's own predictions answer what is asked for; of data they may not."""
        return not isinstance(self.task, DataTask) or self.task.answered_by(shape_of(self.checkpoint))

    @property
    def target(self) -> str:
        """What records call the answer: y, or the target of data."""
        return self.task.target if isinstance(self.task, DataTask) else "y"

    def errors(self, target: str, layers: Sequence[int] | None, seed: int) -> LayerErrors:
        """Returns an empty table of errors at this experiment's contexts.

        Args:
            layers: those that are measured, or None for what has no layer.
            seed: of the bands.
        """
        return LayerErrors(target, layers, max(self.layers - 1, 1), self.contexts, seed)

    @torch.no_grad()
    def decode(self, stream: Tensor) -> Tensor:
        """Returns the answers of the model's own decoder to a stream, on the CPU, ``[..., width] -> [..., answer]``."""
        return self.task.answer(self.model.decode(stream)).cpu()

    @torch.no_grad()
    def alone(
        self, prompts: Prompts, examples: int
    ) -> tuple[Float[Tensor, "layer batch query width"], Float[Tensor, "batch query"]]:
        """Returns the stream at every later x, each appended alone to the first examples, and the targets there."""
        sequences, targets = append_each(prompts, examples)
        last = torch.tensor([sequences.shape[2] - 1], device=self.device)
        stream = capture(self.model, sequences.flatten(0, 1).to(self.device), last).stream[:, :, 0]
        return stream.reshape(len(stream), *targets.shape, -1), targets

    def stream_at(
        self, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"], tokens: Int[Tensor, " token"]
    ) -> Float[Tensor, "layer batch token width"]:
        """Returns the stream at some tokens of every sequence."""
        return capture(self.model, inputs.to(self.device), tokens.to(self.device)).stream

    def batches(
        self, pass_: Pass, purpose: Purpose, processes: Processes = ALONE, most: int | None = None
    ) -> Iterator[tuple[range, Prompts, Captured]]:
        """Yields this process's prompts by number, at the experiment's contexts, and what was captured there.

        On a CPU probe's own models take as many batches at a time as torch has threads.

        Args:
            most: prompts of this purpose in all; as many as the pass has unless given.
        """

        def drawn() -> Iterator[tuple[range, Prompts]]:
            for numbers in processes.deal(pass_.batches(purpose, most)):
                yield (
                    numbers,
                    only(self.task.draw(PromptSource(pass_.seed, purpose, numbers), self.longest), self.chosen),
                )

        captured = side_by_side(lambda batch: (*batch, self._captured(batch[1])), drawn(), self.at_a_time(pass_))
        for batch in captured:
            yield batch
            self.told()

    def at_a_time(self, pass_: Pass, streams: int = 1) -> int:
        """Returns how many batches go through the model side by side: one where their streams take much memory.

        Args:
            streams: how many of a batch are held.
        """
        own = isinstance(self.model, NativeModel) and self.site is None
        numbers = streams * self.layers * pass_.batch * self.task.length(self.longest) * self.model.width
        return torch.get_num_threads() if own and self.device.type == "cpu" and numbers <= SMALL else 1

    def drawn(self, pass_: Pass, purpose: Purpose) -> Iterator[Prompts]:
        """Yields all prompts of a purpose at the experiment's contexts; no model runs."""
        for numbers in pass_.batches(purpose):
            yield only(self.task.draw(PromptSource(pass_.seed, purpose, numbers), self.longest), self.chosen)

    def _captured(self, prompts: Prompts) -> Captured:
        """Returns the stream at the queries, or at the tokens so far from them, and the answers at the queries."""
        inputs, queries = prompts.inputs.to(self.device), prompts.queries.to(self.device)
        most = at_once(inputs.shape[1])
        if len(inputs) <= most:
            return self._captured_at(inputs, queries)
        starts = range(0, len(inputs), most)
        parts = [
            self._captured_at(
                inputs[first : first + most], queries if queries.ndim == 1 else queries[first : first + most]
            )
            for first in starts
        ]
        return Captured(torch.cat([one.stream for one in parts], dim=1), torch.cat([one.output for one in parts]))

    def _captured_at(
        self, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"], queries: Int[Tensor, "*batch query"]
    ) -> Captured:
        read = capture if self.site is None else self.site.captured
        if not self.offset:
            return read(self.model, inputs, queries)
        both = read(self.model, inputs, torch.cat([queries, queries + self.offset]))
        return Captured(both.stream[:, :, len(queries) :], both.output[:, : len(queries)])


def at_once(length: int) -> int:
    """Returns how many prompts of so many tokens go through a model at once."""
    return max(1, AT_ONCE // length)


def load_all(names: Sequence[str], models: Sequence[Checkpoint] = (), dim: int | None = None) -> list[Checkpoint]:
    """Returns checkpoints that a record can tell apart: those at hand, or those of these files and folders of steps.

    Args:
        dim: dimension of the inputs of learners among the names; by default that of the first file.

    Raises:
        ProbeError: if none is given, one cannot be read, or two share a name.
    """
    if not (names or models):
        raise ProbeError("No checkpoint was given, but one is needed. Add --ckpt FILE.")
    names = () if models else checkpoints.expanded(names)
    stems = [found.name for found in models] or [checkpoints.called(name) for name in names]
    if len(set(stems)) < len(stems):
        raise ProbeError(f"The checkpoints {', '.join(stems)} share a name. Rename one, or drop the repeated one.")
    return list(models) or _loaded(names, dim)


def _loaded(names: Sequence[str], dim: int | None) -> list[Checkpoint]:
    """Returns the checkpoints of names; learners read what the first file among them reads."""
    files = {name: checkpoints.load(name) for name in names if not checkpoints.is_learner(name)}
    beside = list(files.values())
    reads = dim or (beside[0].dim if beside else 0)
    if len(files) < len(names) and not reads:
        raise ProbeError(
            f"{next(name for name in names if name not in files)} was given without a model that says which dimension "
            "its inputs have. Add --dim, such as --dim 5."
        )
    context = max((found.context for found in beside), default=0)
    return [files[name] if name in files else checkpoints.learner_checkpoint(name, reads, context) for name in names]


def task_for(found: Checkpoint, text: str | None, dim: int | None) -> Task:
    """Returns the task that a text names, in the checkpoint's dimension.

    Args:
        dim: the dimension the user gave, or None.

    Raises:
        ProbeError: if the checkpoint has another dimension, or reads and predicts something else than the task.
    """
    if text is None:
        raise ProbeError("No task was given, but heads need prompts. Add --task NAME, or --data FILE.")
    own: Task | None = text.given if isinstance(text, ObjectText) and isinstance(text.given, Task) else None
    if own is None and dim is not None and dim != found.dim:
        reads = f"{found.dim}-dimensional inputs" if found.dim else "symbols"
        raise ProbeError(f"{found.name} reads {reads}, but --dim {dim} was given. Drop --dim to use the checkpoint's.")
    task = own if own is not None else tasks.make(text, found.dim or 1)  # symbols have no dimension
    shape = shape_of(found)
    if isinstance(task, DataTask):
        if not task.suits(shape):
            of = f"{shape.symbols} symbols" if shape.symbols else f"vectors of {shape.inputs} coordinates"
            has = f"{task.shape.symbols} symbols" if task.shape.symbols else f"vectors of {task.shape.inputs}"
            raise ProbeError(f"{found.name} reads {of}, but {task.name} has {has}. Give inputs of the model's kind.")
        return task
    if task.shape != shape:
        fitting = found.task or f"induction:vocabulary={shape.symbols}"
        raise ProbeError(
            f"{found.name} {shape}, but --task {text} {task.shape}. Give a task of the checkpoint's shape, such "
            f"as {fitting}."
        )
    return task


def shape_of(found: Checkpoint) -> Shape:
    """Returns what a checkpoint reads and predicts."""
    described = found.stream.description
    return Shape(described.inputs, described.outputs, described.symbols)


def check_same(models: Sequence[Checkpoint], processes: Processes) -> None:
    """Raises `ProbeError` where a process has read other checkpoints than the first one."""
    own = [found.digest for found in models]
    if processes.shared(lambda: own) != own:
        raise ProbeError(
            f"Process {processes.rank} has read other checkpoints than process 0, but all need the same. Put the same "
            "files where every machine looks for them."
        )


def trained_context(models: Sequence[Checkpoint]) -> int:
    """Returns the largest number of examples that any of the checkpoints was trained with.

    Raises:
        ProbeError: if none was trained on a task with examples.
    """
    context = max(found.context for found in models)
    if context < 1:
        raise ProbeError(
            f"{models[0].name} was trained on no task, which would say how many examples to show, and none was given. "
            "Add --context."
        )
    return context


def notes_on(models: Sequence[Checkpoint], context: int) -> list[str]:
    """Returns a note for every checkpoint that is probed with more examples than it was trained with."""
    return [
        f"{context} examples lie beyond the training of {found.name}, which saw up to {found.context}."
        for found in models
        if 0 < found.context < context
    ]


def check_length(found: Checkpoint, task: Task, context: int) -> None:
    """Raises `ProbeError` where learned positions do not reach to a number of examples."""
    longest = found.stream.description.longest
    if longest and task.length(context) > longest:
        raise ProbeError(
            f"A context of {context} was given, which takes {task.length(context)} tokens, but {found.name} has "
            f"learned positions for {longest} tokens. Ask for a shorter context or train with a longer one."
        )


def by_seed(models: Sequence[Checkpoint]) -> list[list[int]]:
    """Returns the places of the checkpoints, in groups that differ in their training seed alone.

    Steps of one training are no seeds: only those of one step are together. Checkpoints without a plan of `probe train`
    are groups of their own; one that stands there twice counts once.
    """
    groups: dict[str, dict[str, int]] = {}
    for place, found in enumerate(models):
        plan = found.description.get("plan")
        if plan is None:
            groups[found.digest] = {"": place}
            continue
        told = {key: value for key, value in plan.items() if key not in ("seed", "dim", "model", "batch_key")}
        # settings that a file was written without have their defaults, as when it is loaded
        key = f"{sorted(told.items())} {ModelConfig(**plan['model'])} {found.description.get('step')}"
        groups.setdefault(key, {}).setdefault(str(plan["seed"]), place)
    return [list(group.values()) for group in groups.values()]


def side_name(group: Sequence[Checkpoint]) -> str:
    """Returns the name of a group of seeds of one architecture, with its step if their training went on after it."""
    said = group[0].description
    at = f" at step {said['step']}" if "step" in said and said["step"] != said["plan"].get("steps") else ""
    return f"{line(said.get('arch', group[0].name))}{at} ({len(group)} seeds)"


def describe(found: Checkpoint, task: Task, context: int) -> dict[str, Any]:
    """Returns the description of a model for a record: its blocks, and parameters and FLOPs up to each layer.

    Args:
        context: the number of examples that FLOPs are counted at.
    """
    stream, described = found.stream, found.stream.description
    return {
        "arch": line(found.description.get("arch", described.layout)),
        "layout": described.layout,
        "letters": "".join(described.letters),
        "blocks": len(described.letters),
        "block": _block(described),
        "width": stream.width,
        "dim": found.dim,
        "context": found.context,
        "task": line(found.task),
        "seed": found.description.get("seed"),
        "step": found.description.get("step"),
        "training_flops": found.description.get("training_flops"),
        "digest": found.digest,
        "cumulative_parameters": list(described.parameters),
        "cumulative_flops": stream.flops(task.length(context)),
    }


def _block(described: ModelDescription) -> str:
    """Returns in words how the blocks meet the stream, and whether one holds several mixers."""
    residuals = " and ".join(dict.fromkeys(RESIDUALS[name] for name in described.residuals))
    whole = any(letter.startswith("[") for letter in described.letters)
    return f"{residuals}; one block is a whole layer" if whole else residuals
