"""Claims: a module named by paths is captured as by plain hooks; what is measured on it is right; mistakes are said."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import probe
from probe import from_model
from probe.capture import DescribedModel, ModuleModel, NativeModel, Place, capture, check_invariants
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

DIM, WIDTH, TIME = 3, 8, 7


class Recurrent(nn.Module):
    """GRUs that feed on one another, each returning its states and its last."""

    def __init__(self, cell: type[nn.Module] = nn.GRU) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.read_in = nn.Linear(DIM, WIDTH)
        self.layers = nn.ModuleList(cell(WIDTH, WIDTH, batch_first=True) for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.read_out = nn.Linear(WIDTH, 2)

    def forward(self, tokens):
        stream = self.read_in(tokens)
        for layer in self.layers:
            stream, _ = layer(stream)
        return self.decode(stream)

    def decode(self, stream):
        return self.read_out(self.norm(stream))


PATHS = ["layers.0:input", "layers.0", "layers.1", "layers.2"]


def wrapped(module=None, places=PATHS, **options):
    module = module or Recurrent()
    return ModuleModel(module, places, module.decode, **{"inputs": DIM, "residual": "none"} | options)


def draw(dim=DIM):
    return torch.randn(2, TIME, dim, generator=torch.Generator().manual_seed(1))


def broken(model, inputs):
    return [finding for finding in check_invariants(model, inputs) if not finding.held]


def test_it_equals_a_plain_loop_bit_for_bit():
    model, inputs = wrapped(), draw()
    found = capture(model, inputs, torch.arange(TIME))
    with torch.no_grad():
        layers = [model.model.read_in(inputs)]
        for layer in model.model.layers:
            layers.append(layer(layers[-1])[0])
        assert torch.equal(found.output, model.model(inputs))
    assert torch.equal(found.stream, torch.stack(layers))
    assert not broken(model, inputs)


def test_a_native_model_named_by_paths_is_the_native_model():
    """Its streams bit for bit, its parameters, and the matrix products of an attention model."""
    torch.manual_seed(0)
    config = ModelConfig(layout="(AF)2", dim=DIM, width=8, norm="layer", attention_heads=2)
    native = NativeModel(ResidualModel(config).eval())
    places = ["blocks.0:input", *(f"blocks.{i}" for i in range(4))]
    own = native.model
    model = ModuleModel(own, places, own.decode, normalise=own.normalise, inputs=DIM)
    inputs = draw()
    for one, other in zip(
        capture(native, inputs, torch.arange(3)).__dict__.values(),
        capture(model, inputs, torch.arange(3)).__dict__.values(),
        strict=True,
    ):
        assert torch.equal(one, other)
    assert torch.equal(native.normalise(torch.ones(8)), model.normalise(torch.ones(8)))
    assert model.description.parameters == native.description.parameters
    assert (model.width, model.description.outputs, model.description.inputs) == (8, 1, DIM)
    assert model.description.letters == ("B",) * 4
    counted, known = model.flops(50), native.flops(50)
    assert counted[0] == known[0]
    assert counted[2] - counted[1] == known[2] - known[1]  # feed-forward


def test_blocks_that_add_in_place_are_read_right():
    class AddsInPlace(nn.Linear):
        def forward(self, stream):
            return stream.add_(super().forward(stream).tanh())

    module = Recurrent()
    module.layers = nn.ModuleList(AddsInPlace(WIDTH, WIDTH) for _ in range(3))
    module.forward = lambda tokens: module.decode(nn.Sequential(module.read_in, *module.layers)(tokens))
    model = wrapped(module)
    found = capture(model, draw(), torch.arange(TIME))
    with torch.no_grad():
        layers = [module.read_in(draw())]
        for layer in module.layers:
            layers.append(layers[-1] + nn.Linear.forward(layer, layers[-1]).tanh())
    assert torch.equal(found.stream, torch.stack(layers))
    assert not broken(model, draw())


def test_blocks_called_by_keyword_are_read_too():
    class Called(Recurrent):
        def forward(self, tokens):
            stream = self.read_in(tokens)
            for layer in self.layers:
                stream = layer(input=stream)[0]
            return self.decode(stream)

    assert torch.equal(
        capture(wrapped(Called()), draw(), torch.arange(2)).stream, capture(wrapped(), draw(), torch.arange(2)).stream
    )


def test_a_place_of_ones_own_reads_a_stream_in_two_parts():
    """As blocks of the mamba_ssm family return it."""

    class Apart(nn.Linear):
        def forward(self, parts):
            return super().forward(parts[0] + parts[1]).tanh(), parts[0] + parts[1]

    module = Recurrent()
    module.layers = nn.ModuleList(Apart(WIDTH, WIDTH) for _ in range(2))

    def forward(tokens):
        parts = (module.read_in(tokens), torch.zeros(()))
        for layer in module.layers:
            parts = layer(parts)
        return module.decode(parts[0] + parts[1])

    module.forward = forward
    exits = [Place(f"layers.{i}", layer, "output", sum) for i, layer in enumerate(module.layers)]
    model = wrapped(module, [Place("entry", module.layers[0], "input", sum), *exits])
    assert not broken(model, draw())


def test_symbols_logits_and_any_output_are_read():
    class Answer:
        def __init__(self, logits):
            self.logits = logits

    module = Recurrent()
    module.read_in = nn.Embedding(11, WIDTH)
    inner = module.forward
    module.forward = lambda tokens: Answer(inner(tokens))
    symbols = torch.randint(11, (2, TIME), generator=torch.Generator().manual_seed(0))
    plain = wrapped(module, inputs=0, symbols=11)
    assert (plain.description.symbols, plain.description.inputs) == (11, 0)
    assert from_model(plain, "s", context=4).dim == 1  # which tasks of symbols ask for and do not use
    assert not broken(plain, symbols)
    module.forward = lambda tokens: {"answers": inner(tokens)}
    named = wrapped(module, inputs=0, symbols=11, predictions=lambda given: given["answers"])
    with torch.no_grad():
        assert torch.equal(named.run(symbols), plain._predictions(Answer(inner(symbols))))


def test_parameters_count_from_where_they_are_first_used():
    model = wrapped()
    sizes = [sum(weight.numel() for weight in part.parameters()) for part in (model.model.read_in, model.model.layers)]
    assert model.description.parameters == tuple(sizes[0] + sizes[1] * i // 3 for i in range(4))
    assert wrapped(parameters=(1, 2, 3, 4)).description.parameters == (1, 2, 3, 4)


def test_the_trial_leaves_no_hook_and_no_random_number_behind():
    module = Recurrent()
    state = torch.get_rng_state()
    model = wrapped(module)
    model.flops(5)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in module.modules())
    assert not module.training
    assert isinstance(model, DescribedModel)


def test_every_verb_takes_it(toys: Path):
    from probe.checkpoints import load

    task = {"task": "linear"}
    read_in, read_out = nn.Linear(2, WIDTH), nn.Linear(WIDTH, 1)
    module = Recurrent()
    module.read_in, module.read_out = read_in, read_out
    own = from_model(wrapped(module, inputs=2), "own", "linear", context=4, description={"seed": 3})
    record = probe.fit(ckpt=own, **task, prompts=64, score=32)
    assert set(record.table["model"]) == {"own"}
    assert record.table.query("head == 'linear'")["layer"].unique().tolist() == [0, 1, 2, 3]
    about = record.provenance["models"]["own"]
    assert (about["seed"], about["layout"], about["digest"]) == (3, "Recurrent", own.digest)
    theirs = load(str(toys / "m.pt"))
    assert len(probe.evaluate(ckpt=[own, theirs], **task, prompts=32).table)
    assert len(probe.compare(ckpt=[own, theirs], **task, prompts=64, score=32).table)


def test_a_digest_is_that_of_every_tensor_and_of_the_description():
    one, other = Recurrent(), Recurrent()
    digests = [from_model(wrapped(module), "a", context=4).digest for module in (one, other)]
    assert digests[0] == digests[1]
    with torch.no_grad():
        other.layers[1].weight_ih_l0[0, 0] += 1e-6
    changed = from_model(wrapped(other), "a", context=4)
    assert changed.digest != digests[0]
    assert (changed.dim, changed.task) == (DIM, "")
    assert from_model(wrapped(one), "a", context=4, dim=2, description={"seed": 1}).digest != digests[0]


@pytest.mark.parametrize(
    ("places", "options", "sentence"),
    [
        (["layers.0:inputs", "layers.0"], {}, "followed by :input or nothing"),
        (["layers.0:input", "layer.1"], {}, "Did you mean layers.1"),
        (["layers.0:input", "layers.9.cell"], {}, "Paths below layers: layers.0, layers.1, layers.2"),
        (["layers.0", "layers.1"], {}, "layer 0 is what the first block is given"),
        (["layers.0:input"], {}, "at least two are needed"),
        (["layers.0:input", "read_out"], {}, "8 wide at layers.0:input, but 2 at read_out"),
        (["layers.0:input", "layers.0"], {}, "What decode makes of the last place differs"),
        (["layers.0:input", "layers"], {}, "passed layers 0 times in one forward pass, not once"),
        (PATHS, {"inputs": 4}, "fails on tokens"),
        (PATHS, {"inputs": 0}, "either vectors or symbols"),
        (PATHS, {"symbols": 9}, "either vectors or symbols"),
        (PATHS, {"predictions": lambda output: output[0]}, "predictions \\[batch, time, outputs\\] were needed"),
    ],
)
def test_what_cannot_be_right_is_refused_in_a_sentence(places, options, sentence):
    with pytest.raises(ProbeError, match=sentence):
        wrapped(places=places, **options)


def test_modules_that_are_no_stream_are_refused_in_a_sentence():
    module = Recurrent()
    with pytest.raises(ProbeError, match="decode fails on the stream"):
        ModuleModel(module, PATHS, nn.Linear(5, 2), inputs=DIM)
    with pytest.raises(ProbeError, match=r"decode makes \[2, 3, 8\]"):
        ModuleModel(module, PATHS, module.norm, inputs=DIM)
    turned = [
        place if ":" in place else Place(place, module.get_submodule(place), "output", lambda out: out[1])
        for place in PATHS
    ]
    with pytest.raises(ProbeError, match=r"At layers.0 a tensor \[1, 2, 8\] passes"):
        wrapped(module, turned)
    whole = [Place("whole", module.layers[0], "input", lambda given: (given,)), *PATHS[1:]]
    with pytest.raises(ProbeError, match="At whole a tuple passes"):
        wrapped(module, whole)
    with pytest.raises(ProbeError, match="on the meta device"):
        wrapped(Recurrent().to("meta"))


def test_the_example_of_the_documentation_runs_word_for_word():
    """At toy size: with fewer prompts, which is the only thing changed."""
    page = (Path(__file__).parent.parent.parent / "docs" / "own-checkpoint.md").read_text()
    block = re.search(r"<!-- any module -->\n```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    assert block.group(1).rstrip().endswith('task="linear")')
    small = block.group(1).replace('task="linear")', 'task="linear", prompts=160, score=32)')
    names: dict = {}
    exec(small, names)
    table = names["result"].table
    assert table["model"].unique().tolist() == ["mine"]
    assert (table["prompts"] == 32).all()
    assert table.query("head == 'linear'")["layer"].nunique() == 3
