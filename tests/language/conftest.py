"""A tokenizer of whole words and letters, small models that read it, and one that knows the answers."""

import string

import pytest
import torch
from torch import nn

from probe.capture import ModelDescription, NativeModel, Place
from probe.checkpoints import Checkpoint
from probe.config import ModelConfig
from probe.language.prompts import word
from probe.language.tasks import LANGUAGE_TASKS
from probe.models import ResidualModel


class Words:
    """Knows single characters and some words; the longest that fits comes first.

    Args:
        start: a token put before every text, as tokenizers of LLaMA do.
    """

    def __init__(self, words=(), start=False):
        letters = [*string.printable, *"áàâãäåçéèêëíìîïñóòôõöøúùûüÿœćčđłńśšźžășțÉçÇÖşğō"]
        self.known = ["<s>", "example:", "->", *dict.fromkeys([*letters, *words])]
        self.ids = {text: place for place, text in enumerate(self.known)}
        self.longest = max(map(len, self.known))
        self.start = [0] if start else []

    def __len__(self):
        return len(self.known)

    def encode(self, text):
        tokens, place = [], 0
        while place < len(text):
            for size in range(min(self.longest, len(text) - place), 0, -1):
                if text[place : place + size] in self.ids:
                    tokens.append(self.ids[text[place : place + size]])
                    place += size
                    break
            else:
                tokens.append(self.ids["?"])
                place += 1
        return [*self.start, *tokens]

    def decode(self, tokens):
        return "".join(self.known[token] for token in tokens)


class Stub(nn.Module):
    """A model as far as decoding needs one: it has two layers, and no stream."""

    def __init__(self, tokenizer):
        super().__init__()
        size = len(tokenizer)
        self.tokenizer, self.width = tokenizer, 1
        self.description = ModelDescription("M1", ("M",), ("pre",), 0, size, size, 0, (0, 0))
        self.places = [Place(name, nn.Identity(), "output", lambda seen: seen) for name in "ab"]
        self.seen = []

    @property
    def model(self):
        return self

    def run(self, inputs):
        self.seen.append(inputs)
        logits = torch.zeros(*inputs.shape, len(self.tokenizer))
        for row, prompt in zip(logits, inputs.tolist(), strict=True):
            row[-1, self.following(prompt)] = 1
        return logits

    def normalise(self, stream):
        return stream

    def decode(self, stream):
        return stream

    def flops(self, time):
        return [0, 0]

    def use_kernel(self, backend):
        pass


class Oracle(Stub):
    """Answers a prompt with the right word as soon as it has been shown enough examples, else with a space."""

    def __init__(self, tokenizer, names, needed=1):
        super().__init__(tokenizer)
        self.needed, self.answers = needed, {}
        for name in names:
            wording = word(name, LANGUAGE_TASKS[name], LANGUAGE_TASKS[name].pool(), tokenizer)
            for pair in wording.pool.pairs:
                self.answers[wording.space + pair.input] = wording.answer(pair, tokenizer)

    def following(self, prompt):
        *shown, query = self.tokenizer.decode(prompt).split("\n")
        assert query.startswith("example:")
        assert query.endswith("->")
        right = self.answers[query.removeprefix("example:").removesuffix("->")]
        return right if len(shown) >= self.needed else self.tokenizer.ids[" "]


def checkpoint_of(stream, name="toy"):
    return Checkpoint(name, stream, "text", 0, 5, {}, "0" * 64)


def random_model(layout, size, width=16):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = ResidualModel(ModelConfig(layout, dim=1, width=width, outputs=size, symbols=size, attention_heads=2))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # large enough that what a prompt says changes the answer
            parameter.mul_(3 if name.endswith("weight") and parameter.ndim == 2 else 1)
    stream = NativeModel(model.eval().requires_grad_(False))
    stream.use_kernel("reference")
    return stream


@pytest.fixture(scope="session")
def tokenizer():
    """Knows the answers of some tasks with a space before them."""
    tables = (LANGUAGE_TASKS[name].pool().pairs for name in ("antonyms", "en_fr", "plural_singular"))
    return Words([f" {pair.answer}" for pairs in tables for pair in pairs])


@pytest.fixture(scope="session")
def models(tokenizer):
    """Small random models by name."""
    found = {}
    for name, layout in (("mamba", "M1"), ("transformer", "(AF)1")):
        stream = random_model(layout, len(tokenizer))
        # else the last token of every prompt decides alone
        stream.model.read_in.weight[tokenizer.ids["->"]] *= 0.02
        found[name] = checkpoint_of(stream, name)
    return found


@pytest.fixture
def language():
    """The helpers above, by name."""

    class Helpers:
        words, oracle, stub = Words, Oracle, Stub
        checkpoint, random = staticmethod(checkpoint_of), staticmethod(random_model)

    return Helpers
