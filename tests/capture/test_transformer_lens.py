"""Claims: a bridge's stream is what its hooks see; our models, hooked, compute and show the same and can be edited."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from probe.capture import (
    DescribedModel,
    NativeModel,
    capture,
    check_invariants,
    from_transformer_lens,
    hooked,
    run_with_cache,
)
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.training.presets import ARCHITECTURES

TIME = 7


@pytest.fixture(scope="module")
def lens():
    return pytest.importorskip("transformer_lens", reason="TransformerLens is an extra")


def native(architecture="transformer"):
    known = ARCHITECTURES[architecture]
    config = ModelConfig(
        layout=known.layout.format(n=2),
        dim=3,
        width=16,
        norm=known.norm,
        positions=known.positions,
        slots=TIME,
        attention_heads=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = NativeModel(ResidualModel(config).eval().requires_grad_(False))
    model.use_kernel("reference")
    return model


def draw():
    return torch.randn(2, TIME, 3, generator=torch.Generator().manual_seed(1))


def symbols(vocabulary=20):
    return torch.randint(vocabulary, (2, TIME), generator=torch.Generator().manual_seed(1))


def hooks(model):
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in model.modules())


@torch.no_grad()  # as captures are made: torch runs an LSTM by another kernel where gradients may be asked for
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_computes_the_same_and_shows_the_same(lens, architecture):
    model, inputs = native(architecture), draw()
    root = hooked(model)
    assert isinstance(root, lens.HookedRootModule)
    expected, own = run_with_cache(model, inputs)
    output, cache = root.run_with_cache(inputs)
    assert isinstance(cache, lens.ActivationCache)
    assert torch.equal(output, expected) and torch.equal(root(inputs), expected)
    assert list(cache) == list(own) == list(root.hook_dict)
    assert all(torch.equal(cache[name], value) for name, value in own.items())
    last = len(model.description.letters) - 1
    captured = capture(model, inputs, torch.arange(TIME))
    assert torch.equal(cache["resid_post", last], captured.stream[-1])
    assert cache["resid_post", -1] is cache[f"blocks.{last}.hook_resid_post"]
    assert hooks(model.model) == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_a_hook_returns_takes_the_activations_place(lens, architecture):
    model, inputs = native(architecture), draw()
    root, last = hooked(model.model), len(model.description.letters) - 1
    other = torch.randn(2, TIME, 16, generator=torch.Generator().manual_seed(2))
    before = root(inputs)

    def replaced(name):
        return root.run_with_hooks(inputs, fwd_hooks=[(name, lambda stream, hook: other)])

    assert torch.equal(replaced(f"blocks.{last}.hook_resid_post"), model.decode(other))
    assert torch.equal(replaced("ln_final.hook_normalized"), model.model.read_out(other))
    expected, read_in = other, model.model.embed(inputs)
    for block, reads in zip(model.model.blocks[1:], model.model.reads[1:], strict=True):
        expected = block(expected) if reads == "none" else block(expected, read_in)
    assert torch.equal(replaced("blocks.1.hook_resid_pre"), model.decode(expected))
    assert torch.equal(replaced("blocks.0.hook_resid_post"), model.decode(expected))
    for name in root.hook_dict:
        assert not torch.allclose(replaced(name), before), name
    assert torch.equal(root(inputs), before)
    assert hooks(model.model) == 0


def test_the_options_of_transformer_lens_do_what_they_do_there(lens):
    model, inputs = native(), draw()
    root = hooked(model)
    whole = root.run_with_cache(inputs)[1]
    some = root.run_with_cache(inputs, names_filter=lambda name: "resid_post" in name, pos_slice=(1, 3), device="cpu")
    assert list(some[1]) == [f"blocks.{i}.hook_resid_post" for i in range(4)]
    assert torch.equal(some[1]["resid_post", 2], whole["resid_post", 2][:, 1:3])
    for stop in (0, 2, 4, -1):
        stream, cache = root.run_with_cache(inputs, stop_at_layer=stop)
        layer = stop + 4 if stop < 0 else stop
        assert torch.equal(stream, capture(model, inputs, torch.arange(TIME)).stream[layer])
        assert f"blocks.{layer}.hook_resid_post" not in cache
    _, cache = root.run_with_cache(inputs[:1], remove_batch_dim=True, names_filter="hook_embed")
    assert cache["embed"].shape == (TIME, 16)
    assert isinstance(root.run_with_cache(inputs, return_cache_object=False)[1], dict)
    stacked = whole.stack_activation("resid_post")
    assert torch.equal(stacked, capture(model, inputs, torch.arange(TIME)).stream[1:])
    with pytest.raises(ProbeError, match=r"Did you mean blocks\.0\.hook_resid_pre"):
        root.run_with_cache(inputs, names_filter="block.0.hook_resid_pre")
    with pytest.raises(ProbeError, match="the model has 4 blocks"):
        root(inputs, stop_at_layer=9)


def test_gradients_reach_hooks_and_weights_and_the_model_is_left_as_it_was(lens):
    model = native("mamba")
    model.model.requires_grad_(True)
    named = [vars(module).get("name") for module in model.model.modules()]
    root = hooked(model)
    assert [vars(module).get("name") for module in model.model.modules()] == named
    assert set(root.state_dict()) == {f"model.{name}" for name in model.model.state_dict()}
    seen = []
    with root.hooks(bwd_hooks=[("blocks.1.hook_resid_pre", lambda gradient, hook: seen.append(gradient.clone()))]):
        root(draw()).sum().backward()
    stream = capture(model, draw(), torch.arange(TIME)).stream[1].requires_grad_()
    model.decode(model.model.blocks[1](stream)).sum().backward()
    torch.testing.assert_close(seen[0], stream.grad)
    with pytest.raises(ZeroDivisionError):
        root.run_with_hooks(draw(), fwd_hooks=[("hook_embed", lambda stream, hook: 1 / 0)])
    assert hooks(model.model) == 0


def bridges(lens, folder):
    """A transformer built by TransformerLens itself, and bridges to models of Hugging Face."""
    transformers = pytest.importorskip("transformers", reason="bridges wrap models of transformers")
    shared = {"vocab_size": 20, "bos_token_id": 0, "eos_token_id": 0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"d_model": 8, "n_layers": 2, "n_heads": 2, "d_head": 4, "n_ctx": 9, "d_vocab": 20, "d_mlp": 16}
        yield "native", lens.TransformerBridge.boot_native({**sizes, "act_fn": "gelu"}), None
        for name, model in (
            ("gpt2", transformers.GPT2LMHeadModel(
                transformers.GPT2Config(n_embd=8, n_layer=2, n_head=2, n_positions=9, **shared))),
            ("neox", transformers.GPTNeoXForCausalLM(
                transformers.GPTNeoXConfig(
                    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, **shared))),
            ("mamba", transformers.MambaForCausalLM(
                transformers.MambaConfig(hidden_size=8, num_hidden_layers=2, state_size=4, **shared))),
        ):  # fmt: skip
            model.save_pretrained(folder / name)
            blocks = next(each for each in model.modules() if isinstance(each, nn.ModuleList) and len(each) == 2)
            sizes = [sum(weight.numel() for weight in part.parameters()) for part in (model.base_model, *blocks)]
            yield name, lens.TransformerBridge.boot_transformers(str(folder / name)), sizes


@pytest.mark.filterwarnings("ignore")
def test_a_bridge_is_a_source_of_streams_with_its_weights_folded_and_not(lens, tmp_path):
    """Every invariant holds and every layer is what the bridge's own cache holds, bit for bit."""
    seen = []
    for name, bridge, sizes in bridges(lens, tmp_path):
        plain = None
        for folded in (False, True):
            if folded:
                bridge.enable_compatibility_mode()
            model, inputs = from_transformer_lens(bridge), symbols()
            assert isinstance(model, DescribedModel)
            found = capture(model, inputs, torch.arange(TIME))
            with torch.no_grad():
                logits, cache = bridge.run_with_cache(inputs)
            assert torch.equal(found.output, logits), name
            assert torch.equal(found.stream[0], cache["blocks.0.hook_resid_pre"]), name
            for layer in (1, 2):
                assert torch.equal(found.stream[layer], cache["resid_post", layer - 1]), name
            assert [finding for finding in check_invariants(model, inputs) if not finding.held] == []
            assert not (folded and torch.allclose(plain, found.output)), name  # or folding did nothing
            plain = found.output
            assert (model.width, model.description.symbols, model.description.outputs) == (8, 20, 20)
            assert model.flops(TIME)[1] > 0
            counted = model.description.parameters
            if sizes:  # which tie their read-out, or have it beside the base model
                final = sum(weight.numel() for weight in bridge.ln_final.parameters())
                assert counted[2] + final == sizes[0], name
                assert [counted[1] - counted[0], counted[2] - counted[1]] == sizes[1:], name
        seen.append(name)
    assert seen == ["native", "gpt2", "neox", "mamba"]


class Small(nn.Module):
    """A model with the parts and the settings that TransformerLens's have."""

    def __init__(self, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.cfg = SimpleNamespace(d_vocab=11, n_ctx=9, **settings)
        self.embed = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2))
        self.ln_final = nn.LayerNorm(8)
        self.unembed = nn.Linear(8, 11)

    def forward(self, tokens):
        logits = self.unembed(self.ln_final(nn.Sequential(self.embed, *self.blocks)(tokens)))
        cap = getattr(self.cfg, "output_logits_soft_cap", -1.0)
        return getattr(self.cfg, "scale", 1.0) * (torch.tanh(logits / cap) * cap if cap > 0 else logits)


def test_a_cap_on_the_logits_belongs_to_the_decoder():
    model = from_transformer_lens(Small(output_logits_soft_cap=0.5))
    assert not [finding for finding in check_invariants(model, symbols(11)) if not finding.held]
    assert model.description.longest == 0
    assert from_transformer_lens(Small(positional_embedding_type="standard")).description.longest == 9


def test_a_decoder_that_does_not_give_the_predictions_is_refused_and_can_be_given():
    scaled = Small(scale=3.0)
    with pytest.raises(ProbeError, match="differs from the module's predictions"):
        from_transformer_lens(scaled)
    model = from_transformer_lens(scaled, decode=lambda stream: 3 * scaled.unembed(scaled.ln_final(stream)))
    assert not [finding for finding in check_invariants(model, symbols(11)) if not finding.held]


def test_a_model_without_blocks_or_read_out_is_refused_in_a_sentence():
    for part in ("blocks", "unembed"):
        model = Small()
        delattr(model, part)
        with pytest.raises(ProbeError, match=f"has no {part}, but a stack of blocks"):
            from_transformer_lens(model)


def test_the_example_of_the_documentation_runs_word_for_word(lens, monkeypatch):
    root = Path(__file__).parent.parent.parent
    monkeypatch.chdir(root)
    page = (root / "docs" / "from-transformerlens.md").read_text()
    block = re.search(r"<!-- other tools -->\n```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    names: dict = {}
    exec(block.group(1), names)
    found, inputs = names["found"], names["inputs"]
    captured = capture(found.stream, inputs, torch.arange(31))
    for value, stream in zip(names["cache"].values(), captured.stream[1:], strict=True):
        torch.testing.assert_close(value, stream)
    assert not torch.allclose(names["halved"], names["output"])


def test_where_transformer_lens_is_missing_the_extra_is_named(monkeypatch):
    from probe.capture import transformer_lens

    transformer_lens._hooked_class.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "transformer_lens", None)
    with pytest.raises(ProbeError, match=r'pip install "layerprobe\[transformer-lens\]"'):
        hooked(native("mamba"))
