"""Changes one thing at a time in a copy of the tree, and tells which of the tests that ought to notice does.

    python tests/mutants/run.py [NAME...]

Runs all mutants, or those whose name or file of mutants is given, and writes result.md beside itself; rows of mutants
that were not run are kept. Run by hand: half an hour on one core. A mutant stands in a .toml file of this folder, with
its name, the file that is changed, the text that must occur there exactly once, what stands in its place, and the
tests. All tests pass on the copy as it is, or nothing is run. The working tree is never changed.
"""

from __future__ import annotations

import datetime
import importlib
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
RESULT = FOLDER / "result.md"
COPIED = ("probe", "tests", "checkpoints", "pyproject.toml")
# what every test imports, once for all
HEAVY = ("torch", "pandas", "scipy.stats", "sklearn.linear_model", "matplotlib.pyplot", "numba")
SECONDS = 300
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Mutant:
    """A deliberate change, and the tests of which one at least should fail."""

    group: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended: pytest's code, or None after too long, and the first test that failed."""

    code: int | None
    failed: str

    @property
    def noticed(self) -> bool:
        return self.code in (FAILED, None)

    @property
    def words(self) -> str:
        if self.code is None:
            return f"a test that did not end in {SECONDS} s"
        return self.failed if self.code == FAILED else "NOT noticed"


class First:
    """Writes down the first test that fails."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pytest_runtest_logreport(self, report: object) -> None:
        if getattr(report, "failed", False) and not self.file.exists():
            self.file.write_text(str(getattr(report, "nodeid", "")))


def main(names: list[str]) -> int:
    """Returns 0 if all were noticed, 1 if one was not, 2 if one does not fit the code or a test fails anyway."""
    mutants = [mutant for mutant in read() if not names or {mutant.name, mutant.group} & set(names)]
    if wrong := misplaced(mutants) or ([] if mutants else [f"No mutant is called {' or '.join(names)}."]):
        print("\n".join(wrong), file=sys.stderr)
        return 2
    for heavy in ("pytest", *HEAVY):
        importlib.import_module(heavy)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copied(Path(folder))
        whole = run(sorted({test for mutant in mutants for test in mutant.tests}), tree, SECONDS * 6)
        if whole.code != PASSED:
            print((tree / "output.txt").read_text()[-3000:], file=sys.stderr)
            print(f"Without a change a test fails: {whole.failed or whole.code}. Mend it first.", file=sys.stderr)
            return 2
        outcomes: dict[Mutant, Outcome] = {}
        for mutant in mutants:
            outcomes[mutant] = outcome = changed(mutant, tree)
            if outcome.code not in (PASSED, FAILED, None):
                print(f"{mutant.name}: its tests could not be run (pytest {outcome.code}).", file=sys.stderr)
                return 2
            print(f"{len(outcomes)}/{len(mutants)} {mutant.name}: {outcome.words}", flush=True)
            write(outcomes)
    return 0 if all(outcome.noticed for outcome in outcomes.values()) else 1


def read() -> list[Mutant]:
    """Returns all mutants of this folder."""
    found: list[Mutant] = []
    for file in sorted(FOLDER.glob("*.toml")):
        entries = tomllib.loads(file.read_text())["mutant"]
        found += [Mutant(file.stem, **{**entry, "tests": tuple(entry["tests"])}) for entry in entries]
    return found


def misplaced(mutants: list[Mutant]) -> list[str]:
    """Returns a sentence for each mutant whose text is not there exactly once, or whose name another has."""
    wrong = []
    for mutant in mutants:
        count = (ROOT / mutant.file).read_text().count(mutant.old)
        if count != 1:
            wrong.append(f"{mutant.name}: its text occurs {count} times in {mutant.file}, not once. Write it anew.")
    names = [mutant.name for mutant in mutants]
    return wrong + [f"{name}: two mutants have this name." for name in sorted(set(names)) if names.count(name) > 1]


def copied(folder: Path) -> Path:
    """Copies what git knows of the tree, as it stands, and returns the copy."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *COPIED],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        if (ROOT / line).exists():
            (folder / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / line, folder / line)
    return folder


def changed(mutant: Mutant, tree: Path) -> Outcome:
    """Runs a mutant's tests on the changed copy, and puts the copy right again."""
    file = tree / mutant.file
    text = file.read_text()
    write_anew(file, text.replace(mutant.old, mutant.new))
    try:
        return run(list(mutant.tests), tree, SECONDS)
    finally:
        write_anew(file, text)


def write_anew(file: Path, text: str) -> None:
    """Writes a file and makes it later than before: a change within a second would go unseen in bytecode."""
    then = file.stat().st_mtime + 10
    file.write_text(text)
    os.utime(file, (then, then))


def run(tests: list[str], tree: Path, seconds: float) -> Outcome:
    """Runs tests in a process of their own, which has what is heavy imported already, up to the first that fails."""
    noted = tree / "first-failed"
    noted.unlink(missing_ok=True)
    child = multiprocessing.get_context("fork").Process(target=_pytest, args=(tests, tree, noted))
    child.start()
    child.join(seconds)
    if child.is_alive():
        child.kill()
        child.join()
        return Outcome(None, "")
    return Outcome(child.exitcode, noted.read_text() if noted.exists() else "")


def _pytest(tests: list[str], tree: Path, noted: Path) -> None:
    import pytest

    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    sys.path[0] = str(tree)
    with open(tree / "output.txt", "w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], plugins=[First(noted)])
    os._exit(int(code))


def write(outcomes: dict[Mutant, Outcome]) -> None:
    """Writes result.md: one row a mutant, the date in those that were run now."""
    known = {mutant.name: mutant for mutant in read()}
    old = RESULT.read_text() if RESULT.exists() else ""
    rows = {line.split(" | ")[0][2:]: line for line in re.findall(r"^\| .*\|$", old, re.MULTILINE)}
    today = datetime.date.today().isoformat()
    for mutant, outcome in outcomes.items():
        rows[mutant.name] = f"| {mutant.name} | `{mutant.file}` | {outcome.words} | {today} |"
    kept = [rows[name] for name in known if name in rows]
    missed = sum("NOT noticed" in row for row in kept)
    text = f"""# Deliberate changes, and the tests that notice them

Written by `python tests/mutants/run.py`; the changes stand in the .toml files beside it.
{len(kept)} changes, {len(kept) - missed} noticed, {missed} not.

| change | file | noticed by | run on |
|---|---|---|---|
"""
    RESULT.write_text(text + "\n".join(kept) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
