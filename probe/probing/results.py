"""The result of each command by the kind of its record, and how a saved one is read again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe import records
from probe.errors import ProbeError
from probe.files import Write
from probe.files.stems import Stem
from probe.probing.result import Result

if TYPE_CHECKING:
    from probe.capture import Finding
    from probe.checkpoints import Checkpoint
    from probe.heads import FittedHeads
    from probe.models import ResidualModel

OUTCOMES: dict[bool | None, str] = {True: "holds", False: "fails", None: "not tested"}
"""What a check found, in words."""
HEADS = "heads_sha256"
"""What a record calls the digest of the heads that lie beside it."""
BESIDE = ".heads"
"""What the name of a record's heads has behind that of the record."""
LOG = "-training"
"""What the name of a training's log has behind that of its checkpoint."""


@dataclass(frozen=True, eq=False, repr=False)
class FitResult(Result):
    """The errors of heads, layer by layer, and the heads.

    Attributes:
        fitted: heads that were just fitted.
        stem: where a record was read from, with the heads that it says lie beside it.
    """

    fitted: FittedHeads[Any] | None = None
    stem: Path | None = None

    @cached_property
    def heads(self) -> FittedHeads[Any]:
        """The fitted heads by name, of several checkpoints by model and then by name.

        Raises:
            ProbeError: if none were fitted or saved, or they cannot be read.
        """
        if self.fitted is not None:
            return self.fitted
        if HEADS not in self.provenance or self.stem is None:
            raise ProbeError(
                "This result has no heads: none were fitted, or they were not saved with it. Fit them again, and save "
                "the result with its method save or by probe fit --save-heads."
            )
        from probe.heads import load

        found: FittedHeads[Any] = load(f"{self.stem}{BESIDE}")
        if found.digest != self.provenance[HEADS]:
            raise ProbeError(
                f"{self.stem}{BESIDE}.safetensors holds other heads than {self.stem}.json is of. Restore both, or run "
                "the command again."
            )
        return found

    def files(self, stem: Stem) -> list[Path]:
        """Returns the files that are written at a stem, those of the heads among them."""
        if self.fitted is None and HEADS not in self.provenance:
            return super().files(stem)
        from probe.heads.saved import head_paths

        return [*super().files(stem), *head_paths(f"{stem.path}{BESIDE}")]

    def beside(self, stem: Stem) -> dict[Path, Write]:
        """Returns the files of the heads by path, none where no heads were fitted or read."""
        if self.fitted is None and HEADS not in self.provenance:
            return {}
        return self.heads.writes(f"{stem.path}{BESIDE}")

    def written(self, stem: Stem) -> list[Path]:
        """Writes the record, which carries the digest of its heads, the heads and the picture as one."""
        if self.fitted is None:
            return super().written(stem)
        told = {**self.provenance, HEADS: self.fitted.digest}
        return super(FitResult, replace(self, provenance=told)).written(stem)

    def without_heads(self) -> FitResult:
        """Returns the result without its heads, for those who do not want them written."""
        return replace(
            self, fitted=None, stem=None, provenance={k: v for k, v in self.provenance.items() if k != HEADS}
        )


@dataclass(frozen=True, eq=False, repr=False)
class EvaluateResult(Result):
    """Errors by number of examples, of models and learners."""


@dataclass(frozen=True, eq=False, repr=False)
class CompareResult(Result):
    """Checkpoints beside one another: paired differences and what they amount to."""

    @property
    def verdict(self) -> list[str]:
        """The sentences that the comparison amounts to."""
        return list(self.provenance["verdict"])


@dataclass(frozen=True, eq=False, repr=False)
class ClaimResult(Result):
    """The evidence on a claim, and what it amounts to."""

    @property
    def verdict(self) -> str:
        """The sentence that the evidence amounts to."""
        return str(self.provenance["verdict"])

    @property
    def supported(self) -> bool:
        """Whether all that the claim needs holds, on every checkpoint."""
        return bool(self.provenance["supported"])

    @property
    def criteria(self) -> list[dict[str, str]]:
        """Every criterion: its name, question, threshold, what was seen, and its outcome."""
        return list(self.provenance["criteria"])

    @property
    def verdicts(self) -> dict[str, str]:
        """The sentence on every checkpoint, by its name."""
        found = self.provenance.get("verdicts")
        if found is None:
            return {str(name): self.verdict for name in self.provenance["models"]}
        return {str(name): str(one["verdict"]) for name, one in found.items()}

    def ending(self, stem: Stem) -> str | None:
        """Returns the ending of a report."""
        return ".html"

    def shown(self, ending: str) -> bytes:
        """Returns the report, or with the ending of a picture the picture."""
        return self.view().content if ending == ".html" else super().shown(ending)


@dataclass(frozen=True, eq=False, repr=False)
class TrainResult(Result):
    """The log of a training, and the checkpoint that it has written.

    Attributes:
        path: the checkpoint's file, where that is known.
    """

    path: Path | None = None

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The trained checkpoint, read from its file.

        Raises:
            ProbeError: if the file is gone, or holds another training.
        """
        from probe import checkpoints

        if self.path is None:
            raise ProbeError("The checkpoint of this training does not lie beside its log. Load it by its own name.")
        found = checkpoints.load(str(self.path))
        if found.digest != self.provenance.get("digest"):
            raise ProbeError(f"{self.path} is not the checkpoint that this log is of. Load its own log.")
        return found

    @property
    def model(self) -> ResidualModel:
        """The trained model."""
        model: Any = self.checkpoint.model
        return model  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(Result):
    """A row a training: its settings, outcome, steps, seconds and final error."""


@dataclass(frozen=True, eq=False, repr=False)
class CheckResult(Result):
    """What was checked, a row a finding."""

    @property
    def findings(self) -> list[Finding]:
        """Every finding: what was claimed, whether it held (None: not tested), and what was seen."""
        from probe.capture import Finding

        held = {words: outcome for outcome, words in OUTCOMES.items()}
        rows = self.table[["claim", "outcome", "seen"]].astype(str).to_numpy().tolist()
        return [Finding(claim, held[outcome], seen) for claim, outcome, seen in rows]

    @property
    def held(self) -> bool:
        """Whether nothing failed."""
        return not (self.table["outcome"] == OUTCOMES[False]).any()


@dataclass(frozen=True, eq=False, repr=False)
class KernelsResult(CheckResult):
    """What was checked of kernels, a row a check of one implementation at one dtype and length."""

    @property
    def findings(self) -> list[Finding]:
        """Every check as a finding."""
        from probe.capture import Finding
        from probe.records.kernels import claim

        held = {words: outcome for outcome, words in OUTCOMES.items()}
        return [Finding(claim(row), held[row["outcome"]], row["seen"]) for row in self.table.to_dict("records")]


@dataclass(frozen=True, eq=False, repr=False)
class ConvertResult(Result):
    """The checkpoint that was written, in one row: where it lies, and what it is."""

    @property
    def path(self) -> Path:
        """The file or folder of the checkpoint."""
        return Path(self.table["path"].iloc[0])

    @property
    def layout(self) -> str:
        """The model's blocks as layout text."""
        return str(self.table["layout"].iloc[0])

    @property
    def task(self) -> str:
        """The task it was trained on, or nothing."""
        return str(self.table["task"].iloc[0])

    @property
    def context(self) -> int:
        """The largest number of examples it was trained with."""
        return int(self.table["context"].iloc[0])

    @property
    def digest(self) -> str:
        """SHA-256 of its tensors and description, hexadecimal."""
        return str(self.provenance["digest"])

    @property
    def remarks(self) -> list[str]:
        """What a reader of the checkpoint should know."""
        return list(self.provenance["notes"])

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, read from where it was written."""
        from probe import checkpoints

        return checkpoints.load(str(self.path))


RESULTS: dict[str, type[Result]] = {
    "fit": FitResult,
    "language-layers": FitResult,
    "health": FitResult,
    "evaluate": EvaluateResult,
    "language": EvaluateResult,
    "compare": CompareResult,
    "language-compare": CompareResult,
    "claim": ClaimResult,
    "train": TrainResult,
    "sweep": SweepResult,
    "check": CheckResult,
    "kernels": KernelsResult,
    "convert": ConvertResult,
}
"""The class of each kind of record; a kind that is not named here is a plain `Result`."""


def load(stem: str | Path) -> Any:
    """Reads a saved result, named by its CSV, its JSON or their common stem, with what was saved beside it.

    Raises:
        ProbeError: if there is none, or its files are damaged or do not belong together.
    """
    record = records.load(stem)
    kind = RESULTS.get(str(record.provenance.get("kind")), Result)
    path = records.record_paths(stem)[0].with_suffix("")
    if kind is FitResult:
        return FitResult(record.table, record.provenance, stem=path)
    if kind is TrainResult:
        trained = path.with_name(f"{path.name.removesuffix(LOG)}.pt")
        return TrainResult(record.table, record.provenance, trained if trained.is_file() else None)
    return kind(record.table, record.provenance)
