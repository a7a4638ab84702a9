"""Claims: heads on kept streams are those on the model, other tools' captures are read, no half folder is left."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import probe
from probe.cli import main
from probe.errors import ProbeError
from probe.probing.experiment import Experiment

SIZES = {"prompts": 96, "score": 64}


@pytest.fixture(scope="module")
def kept(toys: Path, tmp_path_factory) -> Path:
    """Streams of a small model on its task, in several files."""
    folder = tmp_path_factory.mktemp("kept") / "streams"
    probe.keep_streams(ckpt=toys / "m.pt", task="linear", out=folder, part_megabytes=0.01, batch=16, **SIZES)
    return folder


@pytest.mark.parametrize("target", ["y", "w"])
def test_heads_on_kept_streams_have_the_bits_of_heads_on_the_model(kept: Path, toys: Path, target):
    own = probe.fit(ckpt=toys / "m.pt", task="linear", target=target, head="linear", **SIZES)
    found = probe.fit(streams=kept, target=target, **SIZES)
    assert len(list(kept.glob("*.safetensors"))) > 2
    columns = ["layer", "depth", "context", "error", "low", "high", "penalty"]
    first, second = (one.table[one.table["head"] == "linear"][columns].to_numpy().tolist() for one in (own, found))
    assert first == second
    digests = [one.provenance["models"]["m"]["digest"] for one in (own, found)]
    assert digests[0] == digests[1]
    assert set(found.table["head"]) == {"linear", "chance"}


def test_streams_of_data_keep_targets_groups_and_weights(toys: Path, tmp_path: Path):
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((400, 3, 2)).astype(np.float32)
    word = np.where(inputs[:, 2, 0] > 0, "up", "down")
    data = probe.Data(inputs, {"word": word, "z": inputs[:, 2]}, groups=np.arange(400) // 2, weights=np.arange(400) % 3)
    probe.keep_streams(ckpt=toys / "m.pt", data=data, out=tmp_path / "s", context="0,2")
    for target in ("word", "z"):
        own = probe.fit(ckpt=toys / "m.pt", data=data, target=target, head="linear", context="0,2")
        found = probe.fit(streams=tmp_path / "s", target=target)
        columns = ["layer", "context", "error", "low", "high"]
        first, second = (one.table[columns].to_numpy().tolist() for one in (own, found))
        assert str(first) == str(second)
    assert json.loads((tmp_path / "s" / "index.json").read_text())["data"]["words"] == {"word": ["down", "up"]}


def test_no_half_written_folder_is_left(toys: Path, tmp_path: Path, monkeypatch):
    """Of a capture that fails nothing stays, and a folder that was there is as it was."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")

    def failing(*given, **more):
        raise KeyboardInterrupt

    with pytest.raises(ProbeError, match="is there already"):
        probe.keep_streams(ckpt=toys / "m.pt", task="linear", out=tmp_path / "old", **SIZES)
    monkeypatch.setattr(Experiment, "batches", failing)
    for name in ("new", "old"):
        with pytest.raises(KeyboardInterrupt):
            probe.keep_streams(ckpt=toys / "m.pt", task="linear", out=tmp_path / name, overwrite=True, **SIZES)
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "mine.txt"]


def test_what_a_killed_capture_left_is_removed_by_the_next(toys: Path, tmp_path: Path):
    left = tmp_path / f".s.{'0' * 32}.unfinished"
    left.mkdir()
    (left / "streams-00000.safetensors").write_bytes(b"half")
    probe.keep_streams(ckpt=toys / "m.pt", task="linear", out=tmp_path / "s", **SIZES)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.fixture(scope="module")
def foreign() -> tuple[np.ndarray, np.ndarray]:
    """Streams of three layers, and a target that the last one holds."""
    rng = np.random.default_rng(0)
    streams = rng.standard_normal((300, 3, 2, 6)).astype(np.float32)
    return streams, streams[:, 2, 1, :1] - 2 * streams[:, 2, 1, 1:2]


def named(streams: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    """The layers of streams as a tool names them, among what is no stream."""
    layers = [np.ascontiguousarray(streams[:, layer]) for layer in range(3)]
    if kind == "nnsight":
        return {f"transformer.h.{layer}.output": one for layer, one in enumerate(layers)}
    own = {"blocks.0.attn.hook_pattern": np.zeros((300, 2, 2, 2), np.float32), "blocks.0.hook_resid_pre": layers[0]}
    return own | {f"blocks.{layer - 1}.hook_resid_post": layers[layer] for layer in (2, 1)}


@pytest.mark.parametrize("kind", ["array", "npy", "files", "safetensors", "nnsight", "TransformerLens", "one file"])
def test_captures_of_other_tools_give_the_same_heads(foreign, tmp_path: Path, kind):
    streams, target = foreign
    data = probe.Data(targets={"z": target})
    if kind == "array":
        given = streams
    elif kind in ("nnsight", "TransformerLens"):
        given = {name: torch.from_numpy(one) for name, one in named(streams, kind).items()}
    elif kind == "files":
        given = tmp_path
        for layer in range(3):
            np.save(tmp_path / f"layer{layer}.npy", streams[:, layer])
    else:
        given = tmp_path / ("s.npy" if kind == "npy" else "s.safetensors")
        if kind == "npy":
            np.save(given, streams)
        elif kind == "safetensors":
            save_file({"streams": streams}, given)
        else:
            save_file(named(streams, "TransformerLens") | {"targets.z": target}, given)
            data = None
    table = probe.fit(streams=given, data=data).table
    errors = table[(table["head"] == "linear") & (table["context"] == 1)]["r2"].tolist()
    assert errors[2] > 0.999 > 0.2 > max(errors[:2])
    plain = probe.fit(streams=streams, data=probe.Data(targets={"z": target})).table
    assert table["error"].tolist() == plain["error"].tolist()


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"a": (50, 4)}, "Keep the axis of prompts"),
        ({"a": (50, 2, 4), "b": (50, 2, 5)}, "Keep the axis of prompts"),
        ({"targets.z": (50, 1)}, "holds no streams"),
        ({"streams": (40, 2, 2, 4)}, "more rows than the streams"),
        ({"streams": (60, 2, 2, 4)}, "before the streams do"),
        ({"streams": (50, 2, 0, 4)}, "a token and a width of at least 1"),
        ({"a": (50, 2, 0), "b": (50, 2, 0)}, "a token and a width of at least 1"),
    ],
)
def test_streams_that_cannot_be_right_are_refused(shapes, said):
    data = probe.Data(targets={"z": np.arange(50.0)[:, None]})
    with pytest.raises(ProbeError, match=said):
        probe.fit(streams={name: np.ones(shape, np.float32) for name, shape in shapes.items()}, data=data)


def test_heads_that_need_the_model_are_refused_on_kept_streams(kept: Path, capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["fit", "--streams", str(kept), "--prompts", "96", "--score", "64"]
    for head in ("lens", "normed"):
        assert main([*flags, "--head", head]) == 2
        assert "--head linear" in capsys.readouterr().err
    assert main(flags) == 0
    assert "lens are left out" in capsys.readouterr().err


def test_the_shell_captures_and_says_what(toys: Path, tmp_path: Path, capsys):
    flags = ["--task", "linear", "--out", str(tmp_path / "s"), "--prompts", "32", "--score", "32"]
    assert main(["capture", "--ckpt", str(toys / "m.pt"), *flags]) == 0
    assert "3 layers and 5 contexts, 8 wide" in capsys.readouterr().out
    assert main(["capture", "--ckpt", str(toys / "m.pt"), *flags]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_what_does_not_belong_to_kept_streams_is_refused(kept: Path, tmp_path: Path):
    """Words as streams, positions beside them, a site of a model that is not there, a file that is named twice."""
    streams, target = np.ones((50, 2, 2, 4), np.float32), {"z": np.arange(50.0)[:, None]}
    with pytest.raises(ProbeError, match="real numbers are needed"):
        probe.fit(streams=streams.astype(str), data=probe.Data(targets=target))
    with pytest.raises(ProbeError, match="Ask for some of them by --context"):
        probe.fit(streams=streams, data=probe.Data(targets=target, positions=[0]))
    with pytest.raises(ProbeError, match="no modules beside their stream"):
        probe.fit(streams=kept, site="attention", **SIZES)
    copy = tmp_path / "twice"
    copytree(kept, copy)
    told = json.loads((copy / "index.json").read_text())
    (copy / "index.json").write_text(json.dumps(told | {"shards": told["shards"] * 2}))
    with pytest.raises(ProbeError, match="names a file of streams twice"):
        probe.fit(streams=copy, **SIZES)


@pytest.mark.parametrize("kind", [">f8", "longdouble", "float16"])
def test_targets_of_any_kind_of_float_are_kept(toys: Path, tmp_path: Path, kind):
    inputs = np.random.default_rng(0).standard_normal((400, 3, 2)).astype(np.float32)
    given = probe.Data(inputs, {"z": inputs[:, 0].astype(kind)}, weights=np.ones(400, ">f4"))
    own = probe.fit(ckpt=toys / "m.pt", data=given, head="linear").table
    probe.keep_streams(ckpt=toys / "m.pt", data=given, out=tmp_path / "kept")
    kept = probe.fit(streams=tmp_path / "kept").table
    assert kept["error"].tolist() == own["error"].tolist()
