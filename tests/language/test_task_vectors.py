"""Claims: a task vector put in at the last layer answers as its own prompt does, and at the first, as without it."""

from itertools import pairwise

import torch

from probe.capture import capture
from probe.language.batches import Reader
from probe.language.decode import greedy
from probe.language.task_vectors import last_streams, patched_answers, vector_answers

CPU = torch.device("cpu")


def draw(tokenizer):
    letters = "abcdefghijkl"
    shown = [tokenizer.encode(f"example:{a}->{a.upper()}\nexample:{b}{b}->") for a, b in pairwise(letters)]
    alone = [tokenizer.encode(f"example:{letter * (1 + place % 3)}->") for place, letter in enumerate(letters[:-1])]
    return shown, alone


def test_streams_are_those_of_each_prompt_alone(models, tokenizer):
    shown, alone = draw(tokenizer)
    for found in models.values():
        vectors = last_streams(Reader("toy", found.stream, tokenizer, CPU, 4), [*shown, *alone])
        for place, prompt in enumerate([*shown, *alone]):
            own = capture(found.stream, torch.tensor([prompt]), torch.tensor([len(prompt) - 1])).stream[:, 0, 0]
            assert torch.allclose(vectors[:, place], own, atol=1e-5)


def test_the_last_layer_answers_as_the_demonstrated_prompt_and_the_first_as_the_prompt_alone(models, tokenizer):
    shown, alone = draw(tokenizer)
    for found in models.values():
        reader = Reader("toy", found.stream, tokenizer, CPU, 4)
        layers = vector_answers(reader, shown, alone)
        assert len(layers) == len(found.stream.places)
        assert layers[-1] == greedy(reader, shown)
        # nothing but the last token's embedding is patched there, and it is the same
        assert layers[0] == greedy(reader, alone)
        assert not torch.allclose(last_streams(reader, shown)[-1], last_streams(reader, alone)[-1])
    assert layers[-1] != layers[0], "the transformer's answers, at least, depend on the prompt"


def test_a_vector_is_read_by_what_comes_after_it(models, tokenizer):
    _, alone = draw(tokenizer)
    for found in models.values():
        reader = Reader("toy", found.stream, tokenizer, CPU, 4)
        vectors = 30 * torch.randn(len(alone), found.stream.width, generator=torch.Generator().manual_seed(0))
        assert patched_answers(reader, alone, 1, vectors) != greedy(reader, alone)
