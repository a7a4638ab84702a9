"""Claims: the authors' folder is read as it lies, but for the headers of translations, and nothing else is."""

import json

import pytest

from probe.errors import ProbeError
from probe.language.original import original_pool


def test_pairs_are_read_from_the_folder_or_the_repository_around_it(tmp_path):
    folder = tmp_path / "data" / "translation"
    folder.mkdir(parents=True)
    (folder / "en_fr.json").write_text(json.dumps({"en": "fr", "dog": "chien", "en route": "en"}))
    for place in (tmp_path, tmp_path / "data"):
        pool = original_pool(place, "en_fr")
        assert [(pair.input, pair.answer) for pair in pool.pairs] == [("dog", "chien"), ("en route", "en")]


def test_algorithmic_tasks_need_no_file(tmp_path):
    assert len(original_pool(tmp_path, "to_upper")) == 26


@pytest.mark.parametrize("text", ["[1, 2]", '{"a": 1}', "not json"])
def test_other_content_is_refused(tmp_path, text):
    (tmp_path / "linguistic").mkdir()
    (tmp_path / "linguistic" / "antonyms.json").write_text(text)
    with pytest.raises(ProbeError, match=r"antonyms\.json"):
        original_pool(tmp_path, "antonyms")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ProbeError, match="--data"):
        original_pool(tmp_path, "antonyms")
