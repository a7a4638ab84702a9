"""Claims: what probe convert writes is what was read, bit for bit, with its source; and a run serves every verb."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import probe
from probe import checkpoints
from probe.checkpoints import shards
from probe.cli import main
from probe.config import ConvertConfig
from probe.errors import ProbeError
from probe.files import owned

FIXTURES = Path(__file__).parents[1] / "checkpoints" / "official" / "fixtures"
NAMES = sorted(path.name for path in FIXTURES.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_run_is_the_run(tmp_path: Path, name: str) -> None:
    out = tmp_path / "ours.pt"
    read = checkpoints.load(str(FIXTURES / name))
    done = probe.convert(ConvertConfig(str(FIXTURES / name), str(out)), command="probe convert")
    ours = checkpoints.load(str(out))
    assert ours.digest == done.digest
    assert (ours.task, ours.dim, ours.context) == (read.task, read.dim, read.context)
    assert ours.stream.description == read.stream.description
    assert ours.model.state_dict().keys() == read.model.state_dict().keys()
    for key, tensor in read.model.state_dict().items():
        assert torch.equal(ours.model.state_dict()[key], tensor)
    tokens = torch.load(FIXTURES / name / "expected.pt", weights_only=True)["tokens"]
    assert torch.equal(ours.model(tokens), read.model(tokens))


def test_a_converted_run_says_where_it_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ours.pt"
    assert main(["convert", "--ckpt", str(FIXTURES / "grazzi-gpt2"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "task skewed_linear" in printed
    assert "left out, as the official model never uses it: _backbone.wte.weight, _backbone.wpe.weight" in printed
    about = checkpoints.load(str(out)).description
    assert about["source"]["digest"] == checkpoints.load(str(FIXTURES / "grazzi-gpt2")).digest
    assert about["source"]["code"] == "automl/is_mamba_capable_of_icl"
    assert about["command"].startswith("probe convert --ckpt")
    assert (about["seed"], about["step"], about["arch"]) == (1, 400_000, "transformer")


def test_our_own_checkpoint_is_written_anew(toys: Path, tmp_path: Path) -> None:
    probe.convert(ConvertConfig(str(toys / "m.pt"), str(tmp_path / "again.pt")))
    before, after = checkpoints.load(str(toys / "m.pt")), checkpoints.load(str(tmp_path / "again.pt"))
    assert after.description["source"] == {"digest": before.digest, "command": before.description["command"]}
    assert (after.task, after.context, after.description["step"]) == (before.task, before.context, 20)
    for key, tensor in before.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[key], tensor)


def test_heads_are_fitted_on_a_run_and_its_name_is_its_folders(tmp_path: Path) -> None:
    run = ["fit", "--ckpt", str(FIXTURES / "grazzi-mamba"), str(FIXTURES / "park-mamba" / "state.pt")]
    quick = ["--task", "linear", "--prompts", "64", "--score", "32", "--out", str(tmp_path / "fit")]
    assert main([*run, *quick]) == 0
    table = pd.read_csv(tmp_path / "fit.csv")
    assert list(dict.fromkeys(table["model"])) == ["grazzi-mamba", "park-mamba"]
    linear = table[(table["head"] == "linear") & (table["model"] == "grazzi-mamba")]
    assert set(linear["layer"]) == {0, 1, 2}
    assert linear["error"].between(0, 3).all()


def test_a_run_without_its_config_is_named_by_every_way_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.pt").write_bytes((FIXTURES / "park-mamba" / "state.pt").read_bytes())
    for given in (tmp_path, tmp_path / "state.pt"):
        assert main(["check", "--ckpt", str(given)]) == 2
        error = capsys.readouterr().err
        assert "official run" in error
        assert "config.yaml" in error
        assert "Traceback" not in error


def test_weights_of_a_run_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    content = torch.load(FIXTURES / "park-mamba" / "state.pt", weights_only=True)
    content["model_state_dict"]["_read_in.weight"][0, 0] = torch.nan
    torch.save(content, tmp_path / "state.pt")
    (tmp_path / "config.yaml").write_text((FIXTURES / "park-mamba" / "config.yaml").read_text())
    with pytest.raises(ProbeError, match=r"not finite \(read_in.weight\)"):
        checkpoints.load(str(tmp_path))


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProbeError, match="cannot be written"):
        probe.convert(ConvertConfig(str(tmp_path / "nowhere"), str(tmp_path / "file" / "out.pt")))


def test_a_checkpoint_in_parts_is_the_same_checkpoint(toys: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    assert main(["convert", "--ckpt", str(toys / "m.pt"), "--out", str(out), "--part-megabytes", "0.005"]) == 0
    files = sorted(path.name for path in out.iterdir())
    assert len(files) > 2
    assert "checkpoint.json" in files
    sizes = [path.stat().st_size for path in out.glob("*.safetensors")]
    whole, parts = checkpoints.load(str(toys / "m.pt")), checkpoints.load(str(out))
    largest = max(tensor.numel() * 4 for tensor in whole.model.state_dict().values())
    assert max(sizes) <= max(5000, largest) + 2000
    assert (parts.name, parts.task, parts.context) == ("parts", whole.task, whole.context)
    for key, tensor in whole.model.state_dict().items():
        assert torch.equal(parts.model.state_dict()[key], tensor)
    # again, in fewer parts: nothing of the old ones is left
    again = ConvertConfig(str(toys / "m.pt"), str(out), part_megabytes=1.0)
    with pytest.raises(ProbeError, match="is there already"):
        probe.convert(again)
    assert sorted(path.name for path in out.iterdir()) == files
    probe.convert(replace(again, overwrite=True))
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 2 and names[0] == "checkpoint.json" and names[1].startswith("weights-1-of-1-")


def test_a_file_that_is_there_is_replaced_only_if_asked(toys: Path, tmp_path: Path) -> None:
    out = tmp_path / "there.pt"
    out.write_bytes((toys / "t.pt").read_bytes())
    asked = ConvertConfig(str(toys / "m.pt"), str(out))
    with pytest.raises(ProbeError, match="--overwrite"):
        probe.convert(asked)
    assert out.read_bytes() == (toys / "t.pt").read_bytes()
    with owned(out), pytest.raises(ProbeError, match="is being written by"):
        probe.convert(replace(asked, overwrite=True))
    probe.convert(replace(asked, overwrite=True))
    assert checkpoints.load(str(out)).model.config.layout == "M2"


KILLED = """
import os, sys
from pathlib import Path
from probe.cli import main

def counted(call):
    def counting(*given, **more):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return call(*given, **more)
    return counting

left = int(sys.argv[1])
os.replace, Path.unlink = counted(os.replace), counted(Path.unlink)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("parts", "more"), [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 4)])
def test_a_kill_while_a_folder_is_replaced_leaves_the_old_checkpoint_or_the_new_one(
    toys: Path, tmp_path: Path, parts: int, more: int
) -> None:
    """Moves and removals are counted, and the process ends at one of them: before all parts are there, or after."""
    trial = tmp_path / "trial"
    probe.convert(ConvertConfig(str(toys / "m.pt"), str(trial), part_megabytes=0.005))
    written = 1 + 2 * (len(list(trial.iterdir())) - 1)  # a trial; a part is moved, and its temporary name looked for
    steps = parts * written + more
    out = tmp_path / "parts"
    probe.convert(ConvertConfig(str(toys / "t.pt"), str(out), part_megabytes=0.002))
    command = ["convert", "--ckpt", str(toys / "m.pt"), "--out", str(out), "--part-megabytes", "0.005", "--overwrite"]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(steps), *command], cwd=Path(__file__).parents[2])
    assert killed.returncode == 9
    layout = checkpoints.load(str(out)).model.config.layout
    assert layout == ("(AF)1" if steps <= written else "M2")
    assert main(command) == 0
    assert checkpoints.load(str(out)).model.config.layout == "M2"
    named = json.loads((out / "checkpoint.json").read_text())["files"]
    assert sorted(path.name for path in out.iterdir()) == sorted([*named, "checkpoint.json"])


def test_what_was_left_of_a_first_writing_is_no_other_thing(toys: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    out.mkdir()
    (out / f"weights-1-of-9-{'0' * 12}.safetensors").write_bytes(b"half")
    (out / f".{'0' * 32}-0.tmp").write_bytes(b"half")
    probe.convert(ConvertConfig(str(toys / "m.pt"), str(out), part_megabytes=1.0))
    assert len(list(out.iterdir())) == 2


def test_a_failure_within_the_parts_keeps_the_old_folder(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "parts"
    probe.convert(ConvertConfig(str(toys / "t.pt"), str(out), part_megabytes=0.002))
    before = sorted(path.name for path in out.iterdir())
    plain = shards.write_atomically
    written = []

    def full(path: Path, write: object) -> None:
        if len(written) == 2:
            raise ProbeError("no space")
        written.append(path)
        plain(path, write)

    monkeypatch.setattr(shards, "write_atomically", full)
    with pytest.raises(ProbeError, match="no space"):
        probe.convert(ConvertConfig(str(toys / "m.pt"), str(out), part_megabytes=0.005, overwrite=True))
    assert sorted(path.name for path in out.iterdir()) == before
    assert checkpoints.load(str(out)).model.config.layout == "(AF)1"


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda folder: next(folder.glob("weights-2-*")).unlink(), "cannot be read"),
        (lambda folder: next(folder.glob("weights-2-*")).write_bytes(b"nothing"), "is damaged"),
        (lambda folder: (folder / "checkpoint.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "checkpoint.json").write_text('{"files": ["../m.pt"]}'), "is damaged"),
        (lambda folder: (folder / "checkpoint.json").write_text('{"files": []}'), "was not written by probe train"),
        (lambda folder: _exchange(folder), "is damaged"),
    ],
)
def test_parts_that_do_not_fit_are_refused(toys: Path, tmp_path: Path, harm, sentence: str) -> None:
    out = tmp_path / "parts"
    probe.convert(ConvertConfig(str(toys / "m.pt"), str(out), part_megabytes=0.005))
    harm(out)
    with pytest.raises(ProbeError, match=sentence):
        checkpoints.load(str(out))


def _exchange(folder: Path) -> None:
    index = folder / "checkpoint.json"
    content = json.loads(index.read_text())
    content["files"][1] = content["files"][0]
    index.write_text(json.dumps(content))


def test_a_folder_of_other_things_is_left_alone(toys: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ProbeError, match="something other than a checkpoint in parts"):
        probe.convert(ConvertConfig(str(toys / "m.pt"), str(tmp_path), part_megabytes=1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
