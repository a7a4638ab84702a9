"""Claims: what probe convert writes is what was read, bit for bit, with its source; and a run serves every verb."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from probe import checkpoint
from probe.cli import main
from probe.config import ConvertConfig
from probe.convert import convert_checkpoint
from probe.errors import ProbeError

FIXTURES = Path(__file__).parent / "capture" / "official" / "fixtures"
NAMES = sorted(path.name for path in FIXTURES.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_run_is_the_run(tmp_path: Path, name: str) -> None:
    out = tmp_path / "ours.pt"
    read = checkpoint.load(str(FIXTURES / name))
    done = convert_checkpoint(ConvertConfig(str(FIXTURES / name), str(out)), "probe convert")
    ours = checkpoint.load(str(out))
    assert ours.digest == done.digest
    assert (ours.task, ours.dim, ours.context) == (read.task, read.dim, read.context)
    assert ours.stream.anatomy == read.stream.anatomy
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
    about = checkpoint.load(str(out)).description
    assert about["source"]["digest"] == checkpoint.load(str(FIXTURES / "grazzi-gpt2")).digest
    assert about["source"]["code"] == "automl/is_mamba_capable_of_icl"
    assert about["command"].startswith("probe convert --ckpt")
    assert (about["seed"], about["step"], about["arch"]) == (1, 400_000, "transformer")


def test_our_own_checkpoint_is_written_anew(toys: Path, tmp_path: Path) -> None:
    convert_checkpoint(ConvertConfig(str(toys / "m.pt"), str(tmp_path / "again.pt")))
    before, after = checkpoint.load(str(toys / "m.pt")), checkpoint.load(str(tmp_path / "again.pt"))
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
        checkpoint.load(str(tmp_path))


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProbeError, match="cannot be written"):
        convert_checkpoint(ConvertConfig(str(tmp_path / "nowhere"), str(tmp_path / "file" / "out.pt")))
