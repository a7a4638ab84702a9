"""Claims: what nnsight captures by path is what our hooks capture, bit for bit; its remote option is passed on."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from probe.capture import (
    DescribedModel,
    ModuleModel,
    NativeModel,
    NnsightModel,
    capture,
    capture_by_path,
    check_invariants,
)
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

TIME = 7
SHARED = {"vocab_size": 20, "bos_token_id": 0, "eos_token_id": 0}


@pytest.fixture(scope="module", autouse=True)
def nnsight():
    """Not at the top, for it takes seconds to import and gives every object a method."""
    return pytest.importorskip("nnsight", reason="nnsight is an extra")


def native(layout="AFM"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig(layout=layout, dim=3, width=8, attention_heads=2)
        model = NativeModel(ResidualModel(config).eval().requires_grad_(False))
    model.use_kernel("reference")
    return model


def places(layout, prefix="blocks"):
    return [f"{prefix}.0:input", *(f"{prefix}.{i}" for i in range(len(layout)))]


def draw():
    return torch.randn(2, TIME, 3, generator=torch.Generator().manual_seed(1))


def symbols():
    return torch.randint(20, (2, TIME), generator=torch.Generator().manual_seed(1))


def same(one, other, inputs):
    positions = torch.tensor([0, 3, TIME - 1])
    first, second = capture(one, inputs, positions), capture(other, inputs, positions)
    return torch.equal(first.stream, second.stream) and torch.equal(first.output, second.output)


def broken(model, inputs):
    return [finding for finding in check_invariants(model, inputs) if not finding.held]


@pytest.mark.parametrize("layout", ["AFM", "U2"])
def test_our_models_are_captured_as_by_our_hooks(layout):
    model = native(layout)
    expected = native(layout)
    names = places(model.description.letters)
    traced = NnsightModel(model.model, names, model.model.decode, normalise=model.model.normalise, inputs=3)
    assert isinstance(traced, DescribedModel)
    assert same(traced, expected, draw())
    assert same(traced, model, draw())  # and nnsight leaves the model itself usable
    assert broken(traced, draw()) == []
    assert traced.description.parameters == expected.description.parameters
    assert traced.width == 8 and traced.model is model.model
    assert torch.equal(traced.normalise(torch.ones(8)), expected.normalise(torch.ones(8)))
    assert len(traced.flops(TIME)) == len(names)


def hugging_face(name):
    transformers = pytest.importorskip("transformers", reason="the models are of transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name == "gpt2":
            config = transformers.GPT2Config(n_embd=8, n_layer=2, n_head=2, n_positions=9, **SHARED)
            model = transformers.GPT2LMHeadModel(config).eval()
            return model, places("AA", "transformer.h"), lambda s: model.lm_head(model.transformer.ln_f(s))
        config = transformers.MambaConfig(hidden_size=8, num_hidden_layers=2, state_size=4, **SHARED)
        model = transformers.MambaForCausalLM(config).eval()
        return model, places("MM", "backbone.layers"), lambda s: model.lm_head(model.backbone.norm_f(s))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["gpt2", "mamba"])
def test_models_of_hugging_face_are_captured_as_by_our_hooks(name):
    model, names, decode = hugging_face(name)
    plain = ModuleModel(model, names, decode, symbols=20)
    positions = torch.arange(TIME)
    expected = capture(plain, symbols(), positions)  # before nnsight has touched the model
    traced = NnsightModel(model, names, decode, symbols=20)
    found = capture(traced, symbols(), positions)
    assert torch.equal(found.stream, expected.stream)
    assert torch.equal(found.output, expected.output)
    assert broken(traced, symbols()) == []


def test_blocks_that_add_in_place_are_read_right():
    model = native("M2")
    for block in model.model.blocks:
        block.forward = lambda stream, block=block: stream.copy_(stream + block.mixer(block.norm(stream)))
    traced = NnsightModel(model.model, places("MM"), model.model.decode, inputs=3)
    assert same(traced, native("M2"), draw())
    assert broken(traced, draw()) == []


def test_any_module_is_captured_by_path_whatever_its_width():
    model = native().model
    found = capture_by_path(model, draw(), ["read_in:input", "blocks.0.mixer", "blocks.2:input", "read_out"])
    with torch.no_grad():
        assert torch.equal(found["read_in:input"], draw())
        assert torch.equal(found["read_out"], model(draw()))
        embedded = model.embed(draw())
        assert torch.equal(found["blocks.0.mixer"], model.blocks[0].mixer(model.blocks[0].norm(embedded)))
        assert torch.equal(found["blocks.2:input"], model.blocks[1](model.blocks[0](embedded)))
    assert list(found) == ["read_in:input", "blocks.0.mixer", "blocks.2:input", "read_out"]


def test_predictions_of_ones_own_are_found_inside_the_trace():
    class Answering(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = native().model

        def forward(self, tokens):
            return {"answers": self.inner(tokens)}

    model = Answering()
    traced = NnsightModel(
        model, places("AFM", "inner.blocks"), model.inner.decode, inputs=3, predictions=lambda given: given["answers"]
    )
    assert torch.equal(traced.run(draw()), native().run(draw()))


@pytest.mark.filterwarnings("ignore")
def test_the_remote_option_is_passed_on_and_its_rehearsal_captures_the_same(monkeypatch):
    """``local`` sends the trace through nnsight's serialisation and runs it here."""
    from nnsight.modeling.transformers import TransformersModel

    tokenizers = pytest.importorskip("tokenizers", reason="nnsight's language models need a tokenizer")
    transformers = pytest.importorskip("transformers", reason="the models are of transformers")
    words = tokenizers.models.WordLevel({f"w{i}": i for i in range(20)}, unk_token="w0")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(words))
    model, names, decode = hugging_face("gpt2")
    language = TransformersModel(model, tokenizer=tokenizer, task="text-generation")
    here = NnsightModel(language, names, decode, symbols=20)
    rehearsed = NnsightModel(language, names, decode, symbols=20, remote="local")
    assert same(here, rehearsed, symbols())
    assert not list(NnsightModel(language, names, decode, symbols=20, remote=True).model.parameters())
    asked = []
    trace = TransformersModel.trace
    monkeypatch.setattr(
        TransformersModel, "trace", lambda self, *given, **options: asked.append(options) or trace(self, *given)
    )
    found = [capture_by_path(language, symbols(), names, remote=remote) for remote in (False, True)]
    assert asked == [{}, {"remote": True}]
    assert all(torch.equal(value, found[1][path]) for path, value in found[0].items())


@pytest.mark.parametrize(
    ("paths", "options", "sentence"),
    [
        (["block.0"], {}, "Did you mean blocks.0"),
        (["blocks.9"], {}, "Paths below blocks: blocks.0, blocks.1, blocks.2"),
        (["blocks.1", "blocks.0"], {}, "in another order"),
        (["blocks.0"], {"remote": True}, "a plain NNsight runs only here"),
    ],
)
def test_mistakes_are_refused_in_a_sentence(paths, options, sentence):
    with pytest.raises(ProbeError, match=sentence):
        capture_by_path(native().model, draw(), paths, **options)
    assert capture_by_path(native().model, draw(), ["blocks.0"])["blocks.0"].shape == (2, TIME, 8)


def test_the_example_of_the_documentation_captures_as_our_hooks_do(monkeypatch):
    root = Path(__file__).parent.parent.parent
    monkeypatch.chdir(root)
    block = re.search(r"```python\n(.*?)```", (root / "docs" / "from-nnsight.md").read_text(), re.DOTALL)
    assert block is not None
    names: dict = {}
    exec(block.group(1), names)
    ours = capture(names["found"].stream, names["inputs"], torch.arange(0, 31, 2))
    assert torch.equal(names["captured"].stream, ours.stream)


def test_where_nnsight_is_missing_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nnsight", None)
    with pytest.raises(ProbeError, match=r'pip install "layerprobe\[nnsight\]"'):
        capture_by_path(native().model, draw(), ["blocks.0"])
