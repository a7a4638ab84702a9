"""The state of a training, FILE.pt.state: its plan, step, log, weights and Adam's moments.

A state checks itself when it is made, from a run or from a file: every field by type and range, every tensor by the
name, shape and type that the plan's model and Adam give it. A state that fails a check is neither written nor read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from probe import checkpoints
from probe.checkpoints.saved import are_plain
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.fields import from_plain
from probe.files import Write
from probe.models import ResidualModel
from probe.records import TRAINING_COLUMNS
from probe.tasks import make
from probe.training.plan import RunSettings, TrainPlan
from probe.training.presets import PRESETS

WEIGHT, MOMENT = "weights/", "optimiser/"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
ROW = [name for name in TRAINING_COLUMNS if name != "model"]
WHOLE = ("step", "dim", "context")  # numbers of a row
LONGEST = 10_000  # letters of a text
LARGEST = 2**30  # tokens of a batch
T = TypeVar("T")


class _WrongError(ValueError):
    """Names the part of a state that failed its check."""


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A training between two steps, checked.

    Attributes:
        run: what tells this training from another of the same name, hexadecimal.
        step: steps done.
        seconds: they took.
        rows: of the loss log.
        sums: since the last of them: loss, steps, the last query's cost, that of knowing nothing.
        command: that began it.
        settings: how it was run last.
        changes: the steps from which it was run otherwise, and what was other.
        tensors: ``weights/NAME``, and for each parameter that was trained ``optimiser/NAME/MOMENT``, on the CPU.

    Raises:
        ValueError: if a field is not what it says.
    """

    plan: TrainPlan
    run: str
    step: int
    seconds: float
    rows: list[dict[str, Any]]
    sums: list[float]
    command: str
    settings: RunSettings
    changes: list[dict[str, Any]]
    tensors: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        """Checks every field."""
        _check_plan(self.plan)
        settings, step = self.settings, self.step
        _must(settings.threads >= 1 and settings.processes >= 1 and 0 <= settings.save_seconds < math.inf, "settings")
        _must(all(0 <= kept <= self.plan.steps for kept in settings.keep), "settings")
        _must(list(settings.keep) == sorted(set(settings.keep)), "settings")
        _must(_is(int, step) and 0 <= step <= self.plan.steps, "step")
        _must(_is(float, self.seconds) and 0 <= self.seconds < math.inf, "seconds")
        _must(isinstance(self.command, str) and re.fullmatch("[0-9a-f]{16}", self.run) is not None, "command")
        _must(len(self.sums) == 4 and all(_is(float, part) and math.isfinite(part) for part in self.sums), "sums")
        _must(0 <= self.sums[1] <= step, "sums")
        for row in self.rows:
            _check_row(row, self.plan)
        logged = [row["step"] for row in self.rows]
        _must(logged == sorted(set(logged)) and all(0 < at <= step for at in logged), "rows")
        known = {**get_type_hints(RunSettings), "step": int}
        for change in self.changes:
            _must(isinstance(change, dict) and "step" in change and change.keys() <= known.keys(), "changes")
            _must(all(_is(known[name], value) for name, value in change.items()), "changes")
            _must(0 <= change["step"] <= step, "changes")
        self._check_tensors()

    def _check_tensors(self) -> None:
        expected, parameters = _shapes(self.plan.model)
        weights = {f"{WEIGHT}{name}": shape for name, shape in expected.items()}
        moments = {
            f"{MOMENT}{name}/{moment}": expected[name] if moment != "step" else ((), torch.float32)
            for name in parameters
            for moment in MOMENTS
        }
        known = weights | moments
        for name, tensor in self.tensors.items():
            _must(name in known, "names of its tensors")
            _must((tuple(tensor.shape), tensor.dtype) == known[name], f"tensor {name}")
            _must(not tensor.requires_grad, f"tensor {name}")
            _must(not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()), f"tensor {name}")
        _must(weights.keys() <= self.tensors.keys(), "names of its tensors")
        for name in parameters:
            found = [self.tensors.get(f"{MOMENT}{name}/{moment}") for moment in MOMENTS]
            _must(all(each is None for each in found) or all(each is not None for each in found), f"moments of {name}")
            taken, _, squares = found
            if taken is not None and squares is not None:
                _must(0 < float(taken) <= self.step and float(taken).is_integer(), f"moments of {name}")
                _must(bool((squares >= 0).all()), f"moments of {name}")

    @property
    def weights(self) -> dict[str, Tensor]:
        """The model's tensors by name."""
        return {name[len(WEIGHT) :]: each for name, each in self.tensors.items() if name.startswith(WEIGHT)}

    def moments(self) -> dict[int, dict[str, Tensor]]:
        """Returns Adam's moments of each parameter, by its place."""
        found = {}
        for place, name in enumerate(_shapes(self.plan.model)[1]):
            moments = {moment: self.tensors.get(f"{MOMENT}{name}/{moment}") for moment in MOMENTS}
            if moments["step"] is not None:
                found[place] = {moment: tensor for moment, tensor in moments.items() if tensor is not None}
        return found

    def writing(self) -> Write:
        """Returns a function that writes this state into an open file."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "tensors"}
        plain |= {"plan": asdict(self.plan), "settings": asdict(self.settings)}
        return checkpoints.state_writing(plain, self.tensors)


def path_of(out: Path) -> Path:
    """Returns the path of the state of the training that writes a checkpoint."""
    return out.with_name(out.name + ".state")


def tensors_of(model: ResidualModel, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Returns a state's tensors, on the CPU."""
    tensors = {f"{WEIGHT}{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        known = optimiser.state.get(parameter, {})
        tensors |= {f"{MOMENT}{name}/{moment}": known[moment] for moment in MOMENTS if known}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def load(path: Path) -> TrainingState:
    """Reads a training's state.

    Raises:
        ProbeError: if it is missing, unreadable, altered, or not as it is written.
    """
    content = checkpoints.load_state(path)
    try:
        return _made_of(content if "tensors" in content else _of_first_format(content))
    except _WrongError as error:
        raise ProbeError(
            f"{path} is no state that probe train writes: its {error} cannot be right. Start the training anew with "
            "--overwrite, or with another --out."
        ) from error
    except ProbeError as error:
        raise ProbeError(f"{path} is no state that probe train writes. {error}") from error


def _made_of(content: Mapping[str, Any]) -> TrainingState:
    _must(content.keys() == {field.name for field in fields(TrainingState)}, "fields")
    for name, kind in (("rows", list), ("sums", list), ("changes", list), ("run", str), ("command", str)):
        _must(isinstance(content[name], kind), name)
    _must(are_plain(content["tensors"]), "tensors")
    _must(isinstance(content["plan"], dict), "plan")
    # a state written before tasks had a shape of their own lacks the dimension, which was the model's
    model = from_plain(ModelConfig, content["plan"].get("model"))
    plan = from_plain(TrainPlan, {"dim": model.dim, **content["plan"], "model": model})
    return TrainingState(**{**content, "plan": plan, "settings": from_plain(RunSettings, content["settings"])})


def _of_first_format(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of a state of the first format, without digest, under the current names."""
    named = {name: content.get(name) for name in ("plan", "step", "seconds", "rows", "sums", "command")}
    weights, optimiser, plan = content.get("weights"), content.get("optimiser"), content.get("plan")
    _must(isinstance(weights, dict) and isinstance(optimiser, dict) and isinstance(plan, dict), "fields")
    assert isinstance(weights, dict) and isinstance(optimiser, dict) and isinstance(plan, dict)
    places, known = _shapes(from_plain(ModelConfig, plan.get("model")))[1], optimiser.get("state")
    _must(isinstance(known, dict), "optimiser")
    tensors = {f"{WEIGHT}{name}": tensor for name, tensor in weights.items()}
    for place, moments in (known or {}).items():
        _must(_is(int, place) and 0 <= place < len(places) and isinstance(moments, dict), "optimiser")
        tensors |= {f"{MOMENT}{places[place]}/{moment}": tensor for moment, tensor in moments.items()}
    settings = {**asdict(RunSettings(threads=torch.get_num_threads())), "precision": plan.get("precision", "float32")}
    return {**named, "run": "0" * 16, "settings": settings, "changes": [], "tensors": tensors}


@lru_cache(maxsize=8)
def _shapes(config: ModelConfig) -> tuple[dict[str, tuple[tuple[int, ...], torch.dtype]], list[str]]:
    """Returns shape and type of every tensor of a model, by name, and the names of its parameters."""
    try:
        model = checkpoints.blank(config)
    except ProbeError:
        raise
    except Exception as error:  # settings of any kind and size fail in many ways
        raise _WrongError("model") from error
    shapes = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in model.state_dict().items()}
    return shapes, [name for name, _ in model.named_parameters()]


def _check_plan(plan: TrainPlan) -> None:
    _must(isinstance(plan, TrainPlan), "plan")
    _must(plan.preset in PRESETS and plan.schedule in ("constant", "cosine"), "plan")
    _must(plan.precision in ("float32", "bfloat16") and plan.batch_key in ("whole", "32bit"), "plan")
    _must(plan.context >= 1 and plan.dim >= 0 and plan.model.width >= 1, "plan")
    task = make(plan.task, plan.dim)
    _must(plan.batch * task.length(plan.context) < LARGEST, "plan")
    shape, model = task.shape, plan.model
    fits = (model.dim, model.outputs, model.symbols) == (shape.inputs, shape.outputs, shape.symbols)
    _must(fits and (model.positions != "learned" or model.slots >= task.length(plan.context)), "plan")


def _check_row(row: object, plan: TrainPlan) -> None:
    _must(isinstance(row, dict) and sorted(row) == sorted(ROW), "rows")
    assert isinstance(row, dict)
    _must(all(_is(int if name in WHOLE else float, row[name]) for name in ROW), "rows")
    _must(math.isfinite(row["loss"]) and 0 <= row["seconds"] < math.inf and 0 <= row["rate"] < math.inf, "rows")
    _must(0 <= row["dim"] <= plan.dim and 0 <= row["context"] <= plan.context, "rows")


def _is(kind: Any, value: object) -> bool:
    """Returns whether a plain value is of an annotated type; an int is also a float, a bool is no number."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(_is(each, value) for each in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is(get_args(kind)[0], each) for each in value)
    if kind is float:
        return type(value) is float or (type(value) is int and abs(value) < 2**53)
    if kind is str:
        return isinstance(value, str) and len(value) <= LONGEST
    return type(value) is kind


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise _WrongError(what)
