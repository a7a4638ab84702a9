"""Claims: each kind of thing is added by one file and one line, as its page says, and the tests take it up unasked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "extending"
TESTS = {
    "mixer": ["tests/models/test_letters.py", "-k", "[X]"],
    "task": ["tests/tasks/test_tasks.py", "-k", "absolute_linear"],
    "learner": ["tests/learners/test_learners.py", "-k", "kernel_regression"],
    "head": ["tests/heads/test_every_head.py", "-k", "quadratic"],
    "picture": ["tests/plots/test_kinds.py", "-k", "gains"],
}
"""What picks up the example of each page, and how often at least."""


def _blocks(page: str) -> list[tuple[str, str]]:
    """Returns the blocks of a page that begin with a path, each without that line."""
    text = (PAGES / f"{page}.md").read_text()
    return re.findall(r"```python\n# (\S+(?: \S+)?)\n(.*?)```", text, re.DOTALL)


def _add(page: str, tree: Path) -> None:
    (new, content), (place, lines) = _blocks(page)
    assert not (tree / new).exists()
    (tree / new).write_text(content)
    before, _, line = lines.rstrip("\n").rpartition("\n")
    path = tree / place.removeprefix("in ")
    source = path.read_text()
    assert place.startswith("in ") and source.count(f"{before}\n") == 1, f"{place} does not hold what the page shows"
    path.write_text(source.replace(f"{before}\n", f"{before}\n{line}\n"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project to which every page's example was added."""
    copy = tmp_path_factory.mktemp("extended")
    for name in ("probe", "tests", "figures"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for page in TESTS:
        _add(page, copy)
    return copy


def test_every_kind_has_its_page() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} >= set(TESTS)


@pytest.mark.parametrize("page", TESTS)
def test_an_added_example_passes_the_tests_of_its_kind_unasked(page: str, tree: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *TESTS[page]]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, env={**_environment(), "PYTHONPATH": str(tree)}
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout


def test_an_added_example_keeps_the_house_in_order(tree: Path) -> None:
    added = [str(tree / _blocks(page)[0][0]) for page in TESTS]
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--no-incremental"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, *added], cwd=tree, capture_output=True, text=True, env=_environment()
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
