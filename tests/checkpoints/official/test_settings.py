"""Claims: a config.yaml is read as plain settings, and what is missing or wrong in it is named."""

from pathlib import Path

import pytest
import yaml

from probe.checkpoints.official.settings import read_settings
from probe.errors import ProbeError

MODEL = {"family": "gpt2", "n_dims": 3, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 9}


def written(folder: Path, **model: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.dump({"model": {**MODEL, **model}, "training": {"task": "linear_regression"}}))
    return path


@pytest.mark.parametrize(
    ("more", "source"),
    [
        ({}, "dtsip/in-context-learning"),
        ({"remove_pos_embedding": True}, "automl/is_mamba_capable_of_icl"),
        ({"family": "s4"}, "automl/is_mamba_capable_of_icl"),
        ({"interleave": True}, "krafton-ai/mambaformer-icl"),
        ({"family": "tf-mamba"}, "krafton-ai/mambaformer-icl"),
    ],
)
def test_the_code_base_is_known_by_its_own_settings(tmp_path: Path, more: dict, source: str) -> None:
    assert read_settings(written(tmp_path, **more)).source == source


def test_numbers_and_defaults_are_read(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path))
    assert (settings.family, settings.layers, settings.whole("n_embd")) == ("gpt2", 2, 8)
    assert (settings.interleaved, settings.symbols) == (True, 0)
    assert read_settings(written(tmp_path, vocab_size=12)).symbols == 12
    assert read_settings(written(tmp_path, vocab_size=-1)).symbols == 0


@pytest.mark.parametrize("value", [0, -3, 2.0, "8", None, True])
def test_a_size_that_is_no_positive_whole_number_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(
        ProbeError, match=r"config.yaml gives model.n_embd as .*, but a positive whole number is needed"
    ):
        read_settings(written(tmp_path, n_embd=value)).whole("n_embd")


def test_a_missing_setting_and_an_absurd_depth_are_named(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, n_layer=10**12))
    with pytest.raises(ProbeError, match=r"has no model.n_width"):
        settings.whole("n_width")
    with pytest.raises(ProbeError, match=r"asks for 1000000000000 layers, but at most 1024 fit"):
        _ = settings.layers


@pytest.mark.parametrize("text", ["{", "model: !!python/object/apply:os.system ['touch ran']", "a: \x00", "a: &a [*b]"])
def test_what_is_no_plain_yaml_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(text)
    with pytest.raises(ProbeError, match=r"config.yaml is no plain YAML"):
        read_settings(Path("config.yaml"))
    assert not Path("ran").exists()


@pytest.mark.parametrize("text", ["", "3", "[]", "model: 3\ntraining: {}", "inherit: [base.yaml]\nmodel: {family: s4}"])
def test_a_file_without_its_sections_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ProbeError, match=r"has no section (model|training), so it is no official run's"):
        read_settings(tmp_path / "config.yaml")
