"""Claims: the pages build without a warning, their links resolve, and what they tell to type is a command or runs.

Commands are read as the command line reads them, and not run; blocks of Python are run, page by page and in their
order, with few prompts where a call names no number. A block under ``<!-- not run: why -->`` is compiled alone.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import MISSING
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pages import BUILT, DOCS, INLINE, PAGES, ROOT, Block, anchors, blocks, commands, links, prose

import probe
from probe import checkpoints, heads, learners, models, plots, tasks
from probe.arguments import read
from probe.arguments.flags import flags_of
from probe.cli import COMMANDS
from probe.errors import ProbeError
from probe.shell.voice import Shell

names = [str(page.relative_to(ROOT)) for page in PAGES]
BUDGET: dict[str, dict[str, int]] = {
    "fit": {"prompts": 160, "score": 32},
    "compare": {"prompts": 160, "score": 32},
    "claim": {"prompts": 160, "score": 32},
    "evaluate": {"prompts": 32},
}
"""What a call is given where it names no number itself."""
NOT_RUN = "not run: "


def settled() -> dict[str, str]:
    """The environment of a program that sees this tree, on one core."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    own = {
        "PYTHONPATH": path,
        "PROBE_CHECKPOINTS": str(ROOT / "checkpoints"),
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
    }
    return os.environ | own


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The pages as HTML; the tutorial is run on the way."""
    for needed in ("sphinx", "myst_nb", "furo"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed (extra docs)")
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(folder / "trees"), str(DOCS)]
    done = subprocess.run([*command, str(folder / "html")], env=settled(), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_the_pages_build_and_the_tutorial_has_been_run(built):
    for page in BUILT:
        assert (built / page.relative_to(DOCS)).with_suffix(".html").is_file(), page
    tutorial = (built / "tutorial.html").read_text()
    cells = sum(block.language.startswith("{code-cell}") for block in blocks(DOCS / "tutorial.md"))
    assert cells > 8
    assert tutorial.count("cell_output") >= cells // 2


@pytest.fixture(scope="module")
def described(built) -> set[str]:
    """The names that the reference describes."""
    from sphinx.util.inventory import InventoryFile

    with (built / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", lambda base, page: page)
    return {name for kind, each in found.items() if kind.startswith("py:") for name in each}


def home(thing: Any) -> str:
    """The module that a class or function is written in, with its name there."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def test_every_public_name_says_what_it_is_and_stands_in_the_reference(described):
    for name in probe.__all__:
        thing = getattr(probe, name)
        assert f"probe.{name}" in described or (isinstance(thing, type) and home(thing) in described), name
        assert (thing.__doc__ or "").strip(), name


def test_every_task_learner_head_and_mixer_stands_in_the_reference(described):
    for registry in (tasks.TASKS, learners.LEARNERS, heads.HEADS, models.LETTERS):
        assert {home(kind) for kind in registry.values()} <= described


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_what_a_page_links_to_is_there(page):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert target.suffix == ".md", link
            assert anchor in anchors(target), (link, anchors(target))


def given_elsewhere(name: str) -> bool:
    """Whether a checkpoint's name is of the hub, or of a run that a reader has."""
    return "/" in name and not Path(name).suffix


def named_here(page: Path, monkeypatch) -> None:
    """Has names that a page on extending adds stand for something of their kind, so that commands may name them."""
    kinds = {
        "task": (tasks.TASKS, "linear"),
        "learner": (learners.LEARNERS, "ridge"),
        "head": (heads.HEADS, "linear"),
        "picture": (plots.KINDS, "layers"),
    }
    for name in re.findall(r'^ +"(\w+)": "\w+:\w+",$', page.read_text(), re.MULTILINE):
        if page.parent.name == "extending" and page.stem in kinds:
            registry, stand_in = kinds[page.stem]
            monkeypatch.setitem(registry, name, registry[stand_in])


def stems(written: str) -> set[str]:
    """What an --out makes readable: a checkpoint, its kept steps, or a record."""
    stem = written.removesuffix(".pt")
    return {written, f"{stem}.pt", f"{stem}-steps", f"{stem}.csv", f"{stem}-training.csv"}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_the_commands_of_a_page_are_read_and_their_files_are_there(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    named_here(page, monkeypatch)
    written: set[str] = set()
    for block in blocks(page):
        if block.language != "bash":
            continue
        for verb, *flags in commands(block.code):
            if verb == "COMMAND" or "--help" in flags:
                continue
            config, _ = read(flags, f"probe {verb}", COMMANDS[verb], Shell)
            for name in given(config, "ckpt") + given(config, "control"):
                elsewhere = given_elsewhere(name) or checkpoints.is_learner(name)
                assert name in written or elsewhere or checkpoints.find(name).exists(), (verb, name)
            for record in given(config, "records"):
                assert record in written or (ROOT / record).is_file(), record
            written |= stems(str(getattr(config, "out", None) or ""))


def given(config: Any, field: str) -> tuple[str, ...]:
    """The names that a field of a command's settings holds, if it has such a field."""
    value = getattr(config, field, None) or ()
    return (value,) if isinstance(value, str) else tuple(value)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_a_command_named_in_a_sentence_has_its_flags(page):
    for text in INLINE.findall(prose(page)):
        _, verb, *rest = text.split()
        if verb in ("COMMAND", "is"):
            continue
        assert verb in COMMANDS, text
        known = {flag.word for kind in (COMMANDS[verb], Shell) for flag in flags_of(kind)} | {"--help", "--version"}
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= known, text


class Sparing(ast.NodeTransformer):
    """Gives every call of a command that names no number of prompts a small one."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "probe":
            told = {each.arg for each in node.keywords}
            few = {name: number for name, number in BUDGET.get(called.attr, {}).items() if name not in told}
            node.keywords += [ast.keyword(name, ast.Constant(number)) for name, number in few.items()]
        return node


def python_of(page: Path) -> list[Block]:
    """The blocks of Python of a page, but for files to be added to the project, which tests/test_extending.py adds."""
    found = [block for block in blocks(page) if block.language == "python"]
    return [block for block in found if not re.match(r"# (in )?probe/", block.code)]


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_the_python_of_a_page_runs(page, tmp_path):
    found = python_of(page)
    for block in found:
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "probe":
                assert node.attr in dir(probe) or importlib.util.find_spec(f"probe.{node.attr}"), node.attr
    run = [block.code for block in found if not block.mark.startswith(NOT_RUN)]
    if not run:
        return
    program = tmp_path / "page.py"
    program.write_text(ast.unparse(ast.fix_missing_locations(Sparing().visit(ast.parse("\n".join(run))))))
    done = subprocess.run([sys.executable, str(program)], env=settled(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_little_is_left_unrun_and_it_says_why():
    marked = [block for page in PAGES for block in blocks(page) if block.mark.startswith(NOT_RUN)]
    assert all(len(block.mark) > len(NOT_RUN) for block in marked)
    python = [block for page in PAGES for block in python_of(page)]
    assert sum(block in marked for block in python) <= len(python) / 5


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180


def test_the_gallery_shows_every_picture():
    shown = {Path(link).name for link in links(DOCS / "gallery.md")}
    assert {path.name for path in (ROOT / "figures").glob("*.png")} <= shown


def test_the_table_of_checkpoints_is_that_of_the_index(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "analyses"))
    import index_checkpoints

    index = tomllib.loads((ROOT / "checkpoints" / "index.toml").read_text())
    assert index_checkpoints.markdown(index) in (ROOT / index_checkpoints.PAGE).read_text()


def test_every_column_of_a_record_is_explained():
    from probe.records import store

    listed = {*store.TEXT, *store.INTEGERS, *store.NUMBERS, *chain.from_iterable(store.REQUIRED.values())}
    page = set(re.findall(r"`([a-z_0-9]+)`", prose(DOCS / "record-columns.md")))
    ends = re.compile(r"_(low|high)$")
    assert {name for name in listed if name not in page and ends.sub("", name) not in page} == set()


def test_every_letter_of_a_layout_and_every_extra_is_explained():
    letters = re.findall(r"^\| ((?:`[A-Z]`(?:, )?)+) \|", prose(DOCS / "vocabulary.md"), re.MULTILINE)
    assert set(re.findall("[A-Z]", "".join(letters))) == set(models.LETTERS)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \|", prose(DOCS / "command-line.md"), re.MULTILINE)
    assert set(re.findall("[a-z-]{2,}", " ".join(rows))) == set(extras)


def test_every_activation_that_models_name_is_listed():
    page = (DOCS / "hook-names.md").read_text()
    for name in ("mamba.pt", "transformer.pt"):
        for point in checkpoints.load(name).stream.hook_points:  # type: ignore[attr-defined]
            assert f"`{re.sub(r'[.][0-9]+[.]', '.{i}.', point)}`" in page, point


def test_a_command_that_lacks_what_it_needs_would_not_pass():
    """The reading above is the command line's own: it refuses what a shell would refuse."""
    needed = [flag.name for flag in flags_of(COMMANDS["claim"]) if flag.default is MISSING]
    assert needed == ["ckpt", "task"]
    with pytest.raises(ProbeError, match="no such flag"):
        read(["--ckpt", "mamba.pt", "--task", "linear", "--colour", "red"], "probe fit", COMMANDS["fit"], Shell)


def test_every_registry_is_named_with_the_file_that_holds_it():
    from probe.registries import REGISTRIES

    page = (DOCS / "registries.md").read_text()
    rows = re.findall(r"\| (`[^|]+`) \| `(probe/[^`]+)` \|", page)
    said = {(name, path) for many, path in rows for name in re.findall(r"`(\w+)`", many)}
    for place in (place for places in REGISTRIES.values() for place in places if ":" in place):
        module, _, name = place.partition(":")
        file = importlib.util.find_spec(module).origin  # type: ignore[union-attr]
        assert (name, str(Path(str(file)).relative_to(ROOT))) in said, place
