"""Tries the project at the ends of the versions that it permits, and writes the set that its tests are run with.

    python .ci/bounds.py lowest [--torch]   every verb on the declared floors; torch's own floor only if asked for,
                                            since on Linux its wheel takes several GB
    python .ci/bounds.py newest             every verb and the whole test suite on the newest permitted versions
    python .ci/bounds.py renew              the same, and where it passes, writes .ci/constraints.txt

Last run with --torch: 2026-11-27, torch 2.6.0 with triton 3.2.0 on a CPU; every verb ended well.

Environments are made in a temporary folder; what a release elsewhere breaks is so found here, and not by whoever runs
the README's test command, which installs the set of .ci/constraints.txt.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
EXTRAS = ("", "huggingface")
"""What is tried at its floors, each in an environment of its own: the core, and the extra that verbs can reach, which
itself asks for later versions of the core."""
HEAD = """# The versions that the README's test command installs. Written by: python .ci/bounds.py renew
"""


def main() -> int:
    """Runs what was asked for and returns its exit code."""
    parser = argparse.ArgumentParser(description="Tries the versions that the project permits.")
    parser.add_argument("what", choices=["lowest", "newest", "renew"])
    parser.add_argument("--torch", action="store_true", help="torch's own floor, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="probe-bounds-") as folder:
        if asked.what == "lowest":
            return max(_lowest(Path(folder) / (extra or "core"), extra, asked.torch) for extra in EXTRAS)
        return _newest(Path(folder), asked.what == "renew")


def floors(requirements: Sequence[str]) -> list[str]:
    """Returns the lowest version that each requirement permits, as NAME==VERSION; markers are kept.

    Raises:
        ValueError: if a requirement has no floor.
    """
    found = []
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        match = re.match(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?.*>=\s*([0-9][^,\s]*)", text)
        if match is None:
            raise ValueError(f"{requirement} has no floor")
        found.append(f"{match[1]}=={match[3]}" + (f" ; {marker.strip()}" if marker else ""))
    return found


def _lowest(folder: Path, extra: str, with_torch: bool) -> int:
    """Runs every verb on the floors of the core, or of an extra beside what else it asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = floors(project["optional-dependencies"][extra] if extra else project["dependencies"])
    lowest = [line for line in lowest if with_torch or not line.startswith("torch==")]
    known = {line.partition("==")[0] for line in lowest}
    lowest += [] if "torch" in known else [line for line in _tested() if line.startswith("torch==")]
    folder.mkdir()
    chosen = folder / "lowest.txt"
    chosen.write_text("\n".join(lowest) + "\n")
    python = _environment(folder)
    _pip(python, "-e", f"{ROOT}[{extra}]" if extra else str(ROOT), "-c", str(chosen))
    print("\n".join(installed(python)))
    return _run(python, str(ROOT / ".ci" / "smoke.py"), str(folder / "smoke"))


def _tested() -> list[str]:
    return [line for line in CONSTRAINTS.read_text().splitlines() if "==" in line]


def _newest(folder: Path, write: bool) -> int:
    python = _environment(folder)
    _pip(python, "-e", f"{ROOT}[dev]")
    code = _run(python, str(ROOT / ".ci" / "smoke.py"), str(folder / "smoke"))
    code = code or _run(python, "-m", "pytest", "-n", "auto")
    if code == 0 and write:
        CONSTRAINTS.write_text(HEAD + "".join(f"{line}\n" for line in installed(python)))
        print(f"wrote {CONSTRAINTS}")
    return code


def installed(python: Path) -> list[str]:
    """Returns what is installed beside the project, as NAME==VERSION, without the builds' own marks."""
    command = [str(python), "-m", "pip", "list", "--format", "freeze", "--exclude-editable"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    tools = ("pip", "wheel")
    return [line.partition("+")[0] for line in lines if line.partition("==")[0] not in tools]


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    return folder / "venv" / "bin" / "python"


def _pip(python: Path, *arguments: str) -> None:
    subprocess.run([str(python), "-m", "pip", "install", "-q", *arguments], check=True)


def _run(python: Path, *arguments: str) -> int:
    # the environment's own scripts come first, and no other tree's modules
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": path}
    return subprocess.run([str(python), *arguments], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
