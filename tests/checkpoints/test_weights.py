"""Claims: weights are found in one file or several, below prefixes and within other things, and are never guessed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from probe.checkpoints.weights import files_in, fitted, read_stored, stored_in
from probe.errors import ProbeError

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.c.bias": torch.ones(3)}


def same(found, expected=WEIGHTS):
    return found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", ["x.pt", "x.bin", "x.safetensors", "x.ckpt"])
@pytest.mark.parametrize("safe", [True, False])
def test_a_file_is_read_by_what_it_holds_whatever_its_ending(tmp_path: Path, name: str, safe: bool) -> None:
    (save_file if safe else torch.save)(WEIGHTS, tmp_path / name)
    assert same(read_stored(tmp_path / name).tensors)
    assert same(read_stored(tmp_path).tensors)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS, "best_val_loss": torch.tensor(0.3), "iter_num": 7},
        {"model": {"state_dict": WEIGHTS}, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
        {"module": WEIGHTS, "ds_version": "0.1"},
        {"state_dict": WEIGHTS, "model": dict(WEIGHTS)},
        {f"_orig_mod.module.{name}": tensor for name, tensor in WEIGHTS.items()},
        {f"module._orig_mod.{name}": tensor for name, tensor in WEIGHTS.items()},
        {"module.a.weight": WEIGHTS["a.weight"], "module.b._orig_mod.c.bias": WEIGHTS["b.c.bias"]},
        {"a._checkpoint_wrapped_module.weight": WEIGHTS["a.weight"], "b.c.bias": WEIGHTS["b.c.bias"]},
    ],
)
def test_weights_are_found_within_other_things_and_behind_the_names_of_wrappers(content: dict) -> None:
    assert same(stored_in(content, Path("x.pt")).tensors)


def test_what_stands_beside_them_is_kept() -> None:
    assert stored_in({"model": {"state_dict": WEIGHTS, "step": 5}, "epoch": 3}, Path("x")).beside == {
        "step": 5,
        "epoch": 3,
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"state_dict": WEIGHTS, "model": {"a.weight": torch.ones(1)}}, "by the names state_dict and model"),
        ({"a": torch.ones(2), "_orig_mod.a": torch.zeros(2)}, "two different tensors for a"),
        ({}, "something other than weights by name"),
        ([torch.ones(2)], "something other than weights by name"),
        ({"epoch": 3}, "something other than weights by name"),
        ({"a": torch.ones(2), "b": 3}, r"something other than weights by name \(b\)"),
        ({"a": torch.ones(2), 3: torch.ones(2)}, r"something other than weights by name \(3\)"),
        ({"a": torch.ones(1).expand(10**12)}, r"something other than weights by name \(a\)"),
        ({"a": torch.ones(2).to(torch.float8_e5m2)}, r"quantised weights \(a is float8_e5m2\)"),
    ],
)
def test_what_is_no_weights_or_might_be_either_of_two_is_refused(content: object, sentence: str) -> None:
    with pytest.raises(ProbeError, match=sentence):
        stored_in(content, Path("x.pt"))


def test_a_prefix_goes_only_where_a_model_s_names_have_it_not() -> None:
    named = {f"model.{name}": tensor for name, tensor in WEIGHTS.items()}
    assert same(fitted(named, WEIGHTS.keys()))
    assert same(fitted(named, named.keys()), named)
    assert same(fitted({f"net.model.{name}": each for name, each in WEIGHTS.items()}, WEIGHTS.keys()))
    assert same(fitted({f"net.model.{name}": each for name, each in WEIGHTS.items()}, named.keys()), named)
    assert same(fitted(named, ["other"]), named)
    assert fitted({}, ["other"]) == {}


def in_parts(folder: Path, where: dict[str, str], **others: object) -> Path:
    for file in set(where.values()):
        save_file({name: WEIGHTS[name] for name in WEIGHTS if where.get(name) == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where} | others))
    return index


def test_several_files_are_read_by_their_index(tmp_path: Path) -> None:
    in_parts(tmp_path, {"a.weight": "1.safetensors", "b.c.bias": "2.safetensors"})
    assert same(read_stored(tmp_path).tensors)
    assert [path.name for path in files_in(tmp_path)] == ["1.safetensors", "2.safetensors"]


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ({"a.weight": "1.safetensors", "b.c.bias": "../2.safetensors"}, "cannot be read as an index of weights"),
        ({"a.weight": "1.safetensors", "b.c.bias": "/etc/passwd"}, "cannot be read as an index of weights"),
        ({"a.weight": "1.safetensors", "b.c.bias": "9.safetensors"}, r"lacks 9\.safetensors, 1 of the 2 files"),
        ({"a.weight": "1.safetensors", "b.c.bias": "2.safetensors", "x": "2.safetensors"}, "names x, which none"),
        ({}, "cannot be read as an index of weights"),
    ],
)
def test_an_index_that_names_what_is_not_there_is_refused(tmp_path: Path, where: dict, sentence: str) -> None:
    in_parts(tmp_path, {"a.weight": "1.safetensors", "b.c.bias": "2.safetensors"})
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    with pytest.raises(ProbeError, match=sentence):
        read_stored(tmp_path)


def test_a_weight_in_two_files_is_refused(tmp_path: Path) -> None:
    in_parts(tmp_path, {"a.weight": "1.safetensors", "b.c.bias": "2.safetensors"})
    save_file(WEIGHTS, tmp_path / "2.safetensors")
    with pytest.raises(ProbeError, match=r"holds a\.weight in two of its files"):
        read_stored(tmp_path)


def test_parts_without_their_index_are_not_guessed_at(tmp_path: Path) -> None:
    index = in_parts(tmp_path, {"a.weight": "1.safetensors", "b.c.bias": "2.safetensors"})
    index.unlink()
    with pytest.raises(ProbeError, match=r"holds 2 files of weights \(1\.safetensors, 2\.safetensors\) and neither"):
        read_stored(tmp_path)


def test_a_damaged_file_of_safetensors_is_told(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "x.safetensors")
    data = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(data[:-4])
    with pytest.raises(ProbeError, match=r"x\.safetensors is damaged or truncated"):
        read_stored(tmp_path / "x.safetensors")
