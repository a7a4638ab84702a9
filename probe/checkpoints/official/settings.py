"""The parts of a run's config.yaml that describe the model and its task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probe.errors import ProbeError
from probe.files.parsed import read_yaml
from probe.models.layout import MAX_BLOCKS


@dataclass(frozen=True)
class Settings:
    """The sections `model` and `training` of a config.yaml.

    The file in a run folder is written after everything it inherits was filled in; one that still inherits from others
    is read for what it says itself.
    """

    path: Path
    model: Mapping[str, Any]
    training: Mapping[str, Any]

    @property
    def family(self) -> str:
        """The model's family, in the official word."""
        return str(self._needed("family"))

    @property
    def source(self) -> str:
        """The code base that the settings come from, known by the keys that only its schema has."""
        if "remove_pos_embedding" in self.model or self.family == "s4":
            return "automl/is_mamba_capable_of_icl"
        if {"interleave", "vocab_size", "mixed_attn"} & set(self.model) or self.family != "gpt2":
            return "krafton-ai/mambaformer-icl"
        return "dtsip/in-context-learning"

    @property
    def interleaved(self) -> bool:
        """Whether tokens are pairs x, y, with one number predicted at every x."""
        return bool(self.model.get("interleave", True))

    @property
    def symbols(self) -> int:
        """Size of the vocabulary, 0 where tokens are vectors."""
        return 0 if self.model.get("vocab_size") in (None, 0, -1) else self.whole("vocab_size")

    @property
    def layers(self) -> int:
        """Number of layers in the official sense: of a GPT-2, attention and feed-forward together are one."""
        layers = self.whole("n_layer")
        if layers > MAX_BLOCKS:
            raise ProbeError(f"{self.path} asks for {layers} layers, but at most {MAX_BLOCKS} fit. Correct the file.")
        return layers

    def whole(self, name: str) -> int:
        """Returns a positive whole number of the model's section.

        Raises:
            ProbeError: if it is missing or something else.
        """
        value = self._needed(name)
        if type(value) is not int or value < 1:
            raise ProbeError(
                f"{self.path} gives model.{name} as {value!r}, but a positive whole number is needed. Correct the file."
            )
        return value

    def _needed(self, name: str) -> Any:
        if name not in self.model:
            raise ProbeError(
                f"{self.path} has no model.{name}, which the model is built from. "
                "Give the config.yaml that train.py wrote into the run's folder."
            )
        return self.model[name]


def read_settings(path: Path) -> Settings:
    """Reads a config.yaml; nothing in it is executed.

    Raises:
        ProbeError: if it is unreadable, or lacks a section.
    """
    content = read_yaml(path, "Give the config.yaml that train.py wrote into the run's folder.")
    sections = {name: content.get(name) if isinstance(content, dict) else None for name in ("model", "training")}
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise ProbeError(
                f"{path} has no section {name}, so it is no official run's. "
                "Give the config.yaml that train.py wrote into the run's folder."
            )
    return Settings(path, sections["model"], sections["training"])  # type: ignore[arg-type]  # both are dictionaries
