"""The house is in order: format, lint, types, import contracts, layout, and the README says what is there."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sys.executable).parent
AGREED = {
    "analyses", "checkpoints", "docs", "figures", "probe", "tests", "README.md", "pyproject.toml", "LICENSE",
    "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", ".pre-commit-config.yaml",
}  # fmt: skip


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ruff", "format", "--check", "."],
        [sys.executable, "-m", "ruff", "check", "."],
        [sys.executable, "-m", "mypy"],
        [str(SCRIPTS / "lint-imports"), "--no-cache"],
    ],
    ids=["format", "lint", "types", "imports"],
)
def test_the_code_passes(command: list[str]) -> None:
    _run(*command)


def test_what_is_agreed_stands_at_the_top_level() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in _tracked()} >= AGREED


def test_who_cites_is_given_the_version_and_the_papers_of_the_readme() -> None:
    import yaml

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert (cited["cff-version"], cited["version"], cited["license"]) == ("1.2.0", project["version"], "MIT")
    numbers = {each["value"] for paper in cited["references"] for each in paper["identifiers"]}
    assert numbers == set(re.findall(r"note += +\{(arXiv:[\d.]+)\}", (ROOT / "README.md").read_text()))


def test_before_a_commit_the_same_is_run_as_by_ci() -> None:
    import yaml

    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    run = [hook["entry"].split()[2] for hook in repository["hooks"]]
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert run == ["ruff", "ruff", "mypy"]


def test_no_module_is_longer_than_400_lines() -> None:
    long = {p.name: n for p in _tracked() if p.suffix == ".py" and (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_the_readme_names_every_room_and_only_those_that_exist() -> None:
    tree = re.search(r"<!-- tree -->\n```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree is not None
    named = set(re.findall(r"^\s+([a-z_]+/|[a-z_]+\.py)(?=\s)", tree.group(1), re.MULTILINE))
    rooms = {f"{path.name}/" for path in (ROOT / "probe").iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.name for path in (ROOT / "probe").glob("[a-z]*.py")}
    assert named >= rooms | modules, (rooms | modules) - named
    for name in named:
        assert (ROOT / "probe" / name).exists() or (ROOT / name).exists(), name


def test_ci_runs_the_test_command_of_the_readme() -> None:
    block = re.search(r"<!-- test -->\n```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    assert "pytest" in block.group(1)
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_checkpoint_stands_in_the_index_with_its_digest() -> None:
    from probe import checkpoints

    index = tomllib.loads((ROOT / "checkpoints" / "index.toml").read_text())
    shipped = {path.stem: path for path in (ROOT / "checkpoints").glob("*.pt")}
    assert set(index) == set(shipped)
    for name, path in shipped.items():
        entry = index[name]
        assert checkpoints.load(str(path)).digest == entry["digest"]
        assert path.stat().st_size <= 8 * 2**20
        assert {"command", "seed", "steps", "seconds", "training_flops", "error"} <= set(entry)


def test_the_set_that_the_tests_install_lies_within_the_declared_ranges_and_every_range_has_both_ends() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    tested = dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))
    dev = [Requirement(text) for text in project["optional-dependencies"]["dev"]]
    for needed in (*map(Requirement, project["dependencies"]), *dev):
        assert any(one.operator == ">=" for one in needed.specifier), needed
        assert needed.specifier.contains(tested[needed.name.lower()]), needed
    for needed in map(Requirement, project["dependencies"]):
        assert any(one.operator == "<" for one in needed.specifier), f"{needed} permits every release to come"
    assert "-c .ci/constraints.txt" in (ROOT / "README.md").read_text()


def test_every_deliberate_change_still_finds_its_place_and_its_tests() -> None:
    for path in (ROOT / "tests" / "mutants").glob("*.toml"):
        for mutant in tomllib.loads(path.read_text())["mutant"]:
            assert (ROOT / mutant["file"]).read_text().count(mutant["old"]) == 1, (path.name, mutant["name"])
            for test in mutant["tests"]:
                assert (ROOT / test.split("::")[0]).is_file(), (path.name, mutant["name"], test)


def test_the_walk_from_the_shell_to_a_number_passes_through_ten_files_that_call_one_another() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## From the shell to a number")[1].split("\n## ")[0]
    walk = re.findall(r"^\| `(probe/[\w/]+\.py)` \|", text, re.MULTILINE)
    assert 5 < len(walk) <= 10
    for path in walk:
        assert (ROOT / path).is_file(), path
    rooms = [path.removesuffix(".py").replace("/", ".") for path in walk]
    for place, module in enumerate(rooms[1:], start=1):
        # imported by a file before it, by its own name or by its room's
        named = (module, module.rpartition(".")[0])
        before = [(ROOT / path).read_text() for path in walk[:place]]
        assert any(f"from {name} import" in source for name in named for source in before), module
