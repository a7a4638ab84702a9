"""Claims: saved heads come back bit for bit and say what they are of; files that do not belong together are refused."""

import json

import pytest
import torch

from probe.errors import ProbeError
from probe.heads import FittedHeads, LinearHeads, Origin, load
from probe.heads.saved import Entry, write_heads

ORIGIN = Origin("m", "d1", "linear", "y", "linear", (0, 1, 2), (3, 7))


def drawn(seed, layers=3, contexts=2, width=5, targets=2, origin=ORIGIN):
    """Returns heads with random weights."""
    generator = torch.Generator().manual_seed(seed)
    shape = (layers, contexts, width, targets)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    return LinearHeads(weight, weight[:, :, 0] + 1, weight[:, :, 0, 0].exp(), origin)


def same(one, other):
    """Returns whether two heads have the same values and origin."""
    names = ("weight", "intercept", "penalty")
    return one.origin == other.origin and all(torch.equal(getattr(one, n), getattr(other, n)) for n in names)


def test_saved_heads_come_back_bit_for_bit(tmp_path):
    heads = drawn(0)
    written = heads.save(tmp_path / "heads.v1")
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert sorted(file.name for file in written) == ["heads.v1.json", "heads.v1.safetensors"]
    for loaded in (load(tmp_path / "heads.v1"), LinearHeads.load(tmp_path / "heads.v1"), load(written[0])):
        assert same(loaded, heads)
    before = {file: file.read_bytes() for file in written}
    load(written[1]).save(tmp_path / "heads.v1")
    assert {file: file.read_bytes() for file in written} == before


def test_heads_of_a_fit_are_saved_together_and_beside_its_record(tmp_path):
    one = FittedHeads({"linear": drawn(0), "chance": drawn(1, layers=1)})
    several = FittedHeads({"mamba": one, "a/b": FittedHeads({"linear": drawn(2)})}, "checkpoint")
    for heads in (one, several):
        (tmp_path / "fit.json").write_text("{}")
        heads.save(tmp_path / "fit.heads")
        loaded = load(tmp_path / "fit")
        assert list(loaded) == list(heads)
        assert len(list(tmp_path.iterdir())) == 3
    assert same(loaded["a/b"]["linear"], several["a/b"]["linear"])
    assert same(loaded["mamba"]["chance"], one["chance"])
    with pytest.raises(ProbeError, match=r"several heads \(mamba, a/b\)"):
        LinearHeads.load(tmp_path / "fit.heads")
    assert len(load(FittedHeads({}).save(tmp_path / "none")[0])) == 0


def test_what_the_description_says_can_be_read_by_anyone(tmp_path):
    drawn(0).save(tmp_path / "h")
    told = json.loads((tmp_path / "h.json").read_text())["heads"][0]
    assert told["shape"] == {"layers": 3, "contexts": 2, "width": 5, "targets": 2}
    assert told["origin"]["layers"] == [0, 1, 2]
    assert told["origin"]["target"] == "y"


def test_damaged_missing_and_foreign_heads_get_a_sentence(tmp_path):
    stem = tmp_path / "heads"
    with pytest.raises(ProbeError, match="cannot be read"):
        load(stem)
    drawn(0).save(stem)
    tensors, about = tmp_path / "heads.safetensors", tmp_path / "heads.json"
    whole, told = tensors.read_bytes(), about.read_text()
    tensors.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(ProbeError, match="damaged"):
        load(stem)
    tensors.write_bytes(whole[:-20])
    with pytest.raises(ProbeError, match="no heads"):
        load(stem)
    tensors.write_bytes(whole)
    for foreign in (json.dumps({"kind": "something else"}), "[]", told.replace('"m"', '"n"')):
        about.write_text(foreign)
        with pytest.raises(ProbeError, match="describes"):
            load(stem)
    about.write_text("{")
    with pytest.raises(ProbeError, match="JSON"):
        load(stem)


def test_tensors_of_other_axes_are_refused_and_an_origin_is_cleaned(tmp_path):
    """Also where the digest says that the two files belong together."""
    tensors = drawn(0).entry(()).tensors
    write_heads([Entry((), tensors | {"weight": tensors["penalty"] + 1}, {})], tmp_path / "h")
    with pytest.raises(ProbeError, match="other tensors"):
        load(tmp_path / "h")
    write_heads([Entry((), tensors, {"layers": 3, "model": None, "contexts": [1, "x"], "more": 1})], tmp_path / "h")
    assert load(tmp_path / "h").origin == Origin(contexts=(1,))
