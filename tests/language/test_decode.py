"""Claims: decoding is greedy, token by token, without padding, whatever the batch, and stops at the end of a line."""

from itertools import pairwise

import torch

from probe.language.batches import Reader
from probe.language.decode import greedy

CPU = torch.device("cpu")


def follows(language, tokenizer, text):
    """A model that continues every token with the next one in a text."""
    stream, tokens = language.stub(tokenizer), tokenizer.encode(text)
    after = dict(pairwise(tokens))
    stream.following = lambda prompt: after[prompt[-1]]
    return stream


def test_decoding_goes_on_to_the_end_of_the_line(language):
    tokenizer = language.words()
    stream = follows(language, tokenizer, "abc d\ne")
    prompts = [tokenizer.encode(text) for text in ("xa", "yb", "xyza")]
    reader = Reader("toy", stream, tokenizer, CPU, 8)
    assert greedy(reader, prompts) == ["b", "c", "b"]
    assert greedy(reader, prompts, tokens=3) == ["bc", "c d", "bc"]
    stream.seen.clear()
    assert greedy(reader, prompts, tokens=20) == ["bc d", "c d", "bc d"]
    assert max(tokens.shape[1] for tokens in stream.seen) == len("xyza") + len("bc d")


def test_prompts_are_run_as_they_are_in_batches_of_one_length(language):
    tokenizer = language.words()
    stream = follows(language, tokenizer, "ab")
    prompts = [tokenizer.encode("x" * length + "a") for length in (3, 1, 3, 2, 3)]
    assert greedy(Reader("toy", stream, tokenizer, CPU, 2), prompts) == ["b"] * 5
    seen = sorted(row for batch in stream.seen for row in batch.tolist())
    assert seen == sorted(prompts)
    assert max(len(batch) for batch in stream.seen) == 2


def test_a_real_model_answers_the_same_alone_and_in_a_batch(models, tokenizer):
    for found in models.values():
        texts = [f"example:{letter}->{letter}\nexample:b->" for letter in "aceg"]
        prompts = [tokenizer.encode(text[place:]) for place, text in enumerate(texts)]
        together = greedy(Reader("toy", found.stream, tokenizer, CPU, 8), prompts, tokens=2)
        alone = [greedy(Reader("toy", found.stream, tokenizer, CPU, 1), [prompt], tokens=2)[0] for prompt in prompts]
        assert together == alone
