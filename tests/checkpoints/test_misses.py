"""Claims: what is nearly a model is told for what it is, with what makes a model of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from probe import checkpoints
from probe.errors import ProbeError

ONE = {"layer.weight": torch.ones(2, 2)}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ONE, r"holds 1 weights by name \(layer\.weight, \.\.\.\) and nothing that says .* Put the config\.json"),
        ({"state_dict": ONE, "pytorch-lightning_version": "2.1"}, r"a checkpoint of Lightning.*Put the config\.json"),
        ({"model": ONE, "optimizer": {"state": {}}}, r"another library's training.*Put the config\.json"),
        ({"state": {0: {"step": 3}}, "param_groups": []}, "holds the state of an optimiser, and no weights. Give the"),
        ({"plan": {}, "optimiser": {}, "weights": {}}, r"is the state of a training of probe.*without \.state"),
        ({"base_model.model.h.0.lora_A.weight": torch.ones(2)}, r"holds an adapter.*merge_and_unload\(\)"),
        ({"h.0.lora_B.default.weight": torch.ones(2)}, r"holds an adapter.*merge_and_unload\(\)"),
        ({"h.0.q.qweight": torch.ones(2), "h.0.q.scales": torch.ones(2)}, "quantised weights.*before, or write it"),
        ({"h.0.weight": torch.ones(2).to(torch.float8_e4m3fn)}, r"quantised weights \(h\.0\.weight is float8_e4m3fn\)"),
        ({"epoch": 3}, "was not written by probe train"),
        ([1, 2], "was not written by probe train"),
        ({"probe": 99}, r"was not written by probe train, or by another version of it \(its format is 99, not 1\)"),
    ],
)
def test_a_file_that_torch_has_written_is_told_for_what_it_is(tmp_path: Path, content: object, sentence: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ProbeError, match=sentence) as raised:
        checkpoints.load(str(tmp_path / "x.pt"))
    assert len(str(raised.value)) <= 500
    assert str(raised.value).endswith(".")


def numpy(path: Path, save) -> None:
    with path.open("wb") as file:
        save(file, np.ones(3))


def torch_script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
        (lambda path: path.write_text("<!DOCTYPE html><html>"), "is a page of the web"),
        (lambda path: path.write_bytes(b"GGUF" + b"\0" * 99), "is a GGUF file by another name"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n" + b"\0" * 99), "is an HDF5 file"),
        (lambda path: path.write_bytes(b""), "is empty, so it is damaged or truncated"),
        (lambda path: path.write_text('{"a": 1}'), "is a text of JSON"),
        (lambda path: numpy(path, np.save), "is an array of NumPy"),
        (lambda path: numpy(path, np.savez), "is an archive of NumPy"),
        (lambda path: save_file(ONE, path), r"holds 1 weights by name \(layer\.weight"),
        (torch_script, r"is a TorchScript program, which is never run.*state_dict\(\)"),
    ],
)
def test_a_file_of_another_kind_is_told_for_what_it_is(tmp_path: Path, write, sentence: str) -> None:
    write(tmp_path / "x.pt")
    with pytest.raises(ProbeError, match=sentence):
        checkpoints.load(str(tmp_path / "x.pt"))


def test_an_archive_whose_list_of_members_is_damaged_is_told_as_damaged(tmp_path: Path) -> None:
    torch.save(ONE, tmp_path / "x.pt")
    data = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(data.replace(b"PK\x01\x02", b"PK\x09\x02", 1))
    with pytest.raises(ProbeError, match="is no file of weights, or is damaged or truncated"):
        checkpoints.load(str(tmp_path / "x.pt"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (["adapter_config.json"], "holds an adapter"),
        (["params.json", "consolidated.00.pth"], "in its authors' own format"),
        (["global_step5/mp_rank_00_model_states.pt"], r"DeepSpeed in parts.*zero_to_fp32\.py"),
        (["__0_0.distcp", ".metadata"], "dcp_to_torch"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_told_for_what_it_is(tmp_path: Path, files: list, sentence: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    with pytest.raises(ProbeError, match=sentence):
        checkpoints.load(str(tmp_path))
