"""The wheel works where nothing of the repository is: it holds its checkpoints and data, and no tests."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = {"mamba", "transformer", "mamba-skewed", "transformer-skewed"}
SOURCES = ("probe", "checkpoints", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def _run(*command: str | Path, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command that sees the tests' dependencies and, of this project, only what lies at the path."""
    others = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PROBE_CHECKPOINTS")}
    environment = others | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)


def _built(tree: Path, into: Path) -> Path:
    options = ("-v", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = _run(sys.executable, "-m", "pip", "wheel", *options, "-w", into, ".", cwd=tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from, since building leaves files behind."""
    folder = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    stale = folder / "build" / "lib" / "probe" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    return folder


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return _built(tree, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into, apart from its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    options = ("-q", "--no-deps", "--disable-pip-version-check", "--target", target)
    done = _run(sys.executable, "-m", "pip", "install", *options, wheel, cwd=target)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_the_wheel_holds_every_module_its_data_and_four_checkpoints_and_nothing_else(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "probe"], cwd=ROOT, capture_output=True, text=True, check=True)
    sources = {line for line in tracked.stdout.splitlines() if (ROOT / line).exists()}
    shipped = {f"probe/checkpoints/shipped/{name}" for name in (*(f"{each}.pt" for each in SHIPPED), "index.toml")}
    assert {name for name in held if ".dist-info/" not in name} == sources | shipped
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)
    index = tomllib.loads(zipfile.ZipFile(wheel).read("probe/checkpoints/shipped/index.toml").decode())
    whole = tomllib.loads((ROOT / "checkpoints" / "index.toml").read_text())
    assert index == {name: whole[name] for name in whole if name in SHIPPED}


def test_a_wheel_of_the_source_distribution_is_the_same(tree: Path, wheel: Path, tmp_path: Path) -> None:
    done = _run(sys.executable, "setup.py", "-q", "sdist", "-d", tmp_path, cwd=tree)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    again = _built(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "again")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_installed_wheel_finds_its_checkpoints_from_any_folder_and_draws(installed: Path, tmp_path: Path) -> None:
    where = _run(sys.executable, "-c", "import probe; print(probe.__file__)", cwd=tmp_path, path=installed)
    assert where.stdout.strip() == str(installed / "probe" / "__init__.py"), where.stderr
    command = installed / "bin" / "probe"
    listed = _run(sys.executable, command, "list", "checkpoints", "--json", cwd=tmp_path, path=installed)
    found = json.loads(listed.stdout)["checkpoints"]
    assert set(found) == {f"{name}.pt" for name in SHIPPED}
    assert str(installed / "probe" / "checkpoints" / "shipped") in found["mamba.pt"]
    few = ("--context", "15", "--prompts", "256", "--score", "64")
    done = _run(
        sys.executable, command, "fit", "--ckpt", "mamba.pt", "--task", "linear", *few, cwd=tmp_path, path=installed
    )
    assert done.returncode == 0, done.stderr
    ends = {path.suffix: path for path in (tmp_path / "runs").iterdir()}
    assert set(ends) == {".csv", ".json", ".png"}
    told = json.loads(ends[".json"].read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told["versions"]["probe"] == project["version"]
    assert ends[".png"].read_bytes().startswith(b"\x89PNG")
    missing = _run(
        sys.executable, command, "fit", "--ckpt", "mambo.pt", "--task", "linear", *few, cwd=tmp_path, path=installed
    )
    assert missing.returncode == 2
    assert str(installed / "probe" / "checkpoints" / "shipped") in missing.stderr
    assert "Did you mean mamba.pt?" in missing.stderr


def test_the_version_is_the_distribution_s(installed: Path, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = _run(sys.executable, installed / "bin" / "probe", "--version", cwd=tmp_path, path=installed)
    assert f"probe {project['version']}," in said.stdout
