"""What pyproject.toml cannot say of a wheel: the main checkpoints of checkpoints/ travel in it, beside their reader."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SOURCE = Path("checkpoints")
SHIPPED = ("mamba", "transformer", "mamba-skewed", "transformer-skewed")
TARGET = Path("probe", "checkpoints", "shipped")
"""Where `probe.checkpoints.store` looks for them."""


class BuildWithCheckpoints(build_py):
    """Builds the package with checkpoints; an editable install finds them where they are."""

    def run(self) -> None:
        """Copies the package, then the checkpoints and the part of their index that is about them."""
        built = Path(self.build_lib, "probe")
        if built.resolve() != Path("probe").resolve():
            shutil.rmtree(built, ignore_errors=True)  # an earlier build's, with modules that may be gone
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / TARGET
        self.mkpath(str(folder))
        for name in SHIPPED:
            self.copy_file(str(SOURCE / f"{name}.pt"), str(folder / f"{name}.pt"))
        (folder / "index.toml").write_text(_entries((SOURCE / "index.toml").read_text(encoding="utf-8")), "utf-8")

    def get_source_files(self) -> list[str]:
        """Returns what a source distribution needs."""
        return [*super().get_source_files(), *(str(SOURCE / name) for name in _files())]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Returns what a build writes."""
        written = [] if self.editable_mode else [str(Path(self.build_lib) / TARGET / name) for name in _files()]
        return [*super().get_outputs(include_bytecode), *written]


def _files() -> list[str]:
    return [*(f"{name}.pt" for name in SHIPPED), "index.toml"]


def _entries(index: str) -> str:
    """Returns the tables of an index that are about the checkpoints that travel."""
    tables = re.split(r"(?m)^(?=\[)", index)
    return "".join(table for table in tables if table.startswith(tuple(f"[{name}]" for name in SHIPPED)))


setup(cmdclass={"build_py": BuildWithCheckpoints})
