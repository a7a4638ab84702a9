"""Claims: a model's tokenizer is found where there is one, and an empty one is never made up."""

import pytest

from probe.checkpoints.huggingface import tokenizer_of
from probe.errors import ProbeError


def write_tokenizer(folder):
    """Writes a tokenizer of four words."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra huggingface is not installed")
    from transformers import PreTrainedTokenizerFast

    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"hot": 0, "cold": 1, "up": 2, "?": 3}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?").save_pretrained(folder)


def test_it_is_read_from_the_model_s_folder(saved):
    folder = saved("gpt2")
    write_tokenizer(folder)
    assert tokenizer_of(str(folder))("up hot nowhere").input_ids == [2, 0, 3]


def test_another_folder_may_be_named(saved, tmp_path):
    folder, other = saved("gpt2"), tmp_path / "words"
    write_tokenizer(other)
    assert tokenizer_of(str(folder), str(other))("cold").input_ids == [1]


def test_where_there_is_none_one_sentence_says_so(saved):
    folder = saved("gpt2")
    with pytest.raises(ProbeError, match="gpt2 comes without a tokenizer, but text needs one"):
        tokenizer_of(str(folder))
    with pytest.raises(ProbeError, match="could not be had from the Hugging Face hub"):
        tokenizer_of(str(folder), "nobody/nothing")
    (folder / "tokenizer.json").write_text("{nope")
    with pytest.raises(ProbeError, match=r"The tokenizer of .* could not be read") as raised:
        tokenizer_of(str(folder))
    assert "\n" not in str(raised.value)
