"""Claims: the skeleton has the published sizes, sees no later token, and counts what it uses layer by layer."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import LETTERS, ResidualModel

MAMBA = ModelConfig(layout="M2", dim=3, width=16)
TRANSFORMER = ModelConfig(
    layout="(AF)2", dim=3, width=16, norm="layer", positions="learned", slots=9, attention_heads=4
)
HYBRID = ModelConfig(layout="M(AF)1A[heads=2]M", dim=3, width=16, outputs=2, attention_heads=4)
ALL = pytest.mark.parametrize("config", [MAMBA, TRANSFORMER, HYBRID], ids=["mamba", "transformer", "hybrid"])


def build(config):
    torch.manual_seed(0)
    return ResidualModel(config).eval()


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def skeleton(config):
    """A model without memory for its weights, for counting."""
    with torch.device("meta"):
        return ResidualModel(config)


def test_the_published_mamba_has_its_published_size():
    """10,518,273 parameters at width 256 for 20 dimensions: 24 blocks of 438,016, RMSNorm included."""
    model = skeleton(ModelConfig(layout="M24", dim=20, width=256))
    assert size(model) == 10_518_273
    assert {size(block) for block in model.blocks} == {438_016}


def test_the_published_transformer_has_its_published_size():
    """9,483,265 without positions, whose table was zeros; with 81 learned ones, 81 * 256 more."""
    config = ModelConfig(layout="(AF)12", dim=20, width=256, norm="layer")
    assert size(skeleton(config)) == 9_483_265
    assert size(skeleton(replace(config, positions="learned", slots=81))) == 9_483_265 + 81 * 256


@ALL
def test_no_prediction_depends_on_a_later_token(config):
    """Bit for bit; and each depends on its own token and on the first."""
    model, inputs = build(config), draw(2, 9, 3)
    with torch.no_grad():
        before = model(inputs)
        assert before.shape == (2, 9, config.outputs)
        for token in range(9):
            changed = inputs.clone()
            changed[:, token] += 1
            moved = (model(changed) != before).any(-1).any(0)
            assert not moved[:token].any()
            assert moved[token]
            assert moved[-1]


@ALL
def test_predictions_do_not_depend_on_the_rest_of_the_batch(config):
    model, inputs = build(config), draw(4, 9, 3)
    with torch.no_grad():
        torch.testing.assert_close(model(inputs)[1:2], model(inputs[1:2]), rtol=1e-5, atol=1e-6)


@ALL
def test_a_model_is_read_in_blocks_and_decode(config):
    """Pre-norm: each block adds what its mixer makes of the normed stream."""
    model, inputs = build(config), draw(2, 9, 3)
    with torch.no_grad():
        stream = model.embed(inputs)
        for block in model.blocks:
            stream = stream + block.mixer(block.norm(stream))
        assert torch.equal(model.read_out(model.norm_f(stream)), model(inputs))
        assert torch.equal(model.decode(stream), model(inputs))


def test_the_stream_is_decoded_wherever_it_stands():
    model, stream = build(MAMBA), draw(3, 2, 9, 16)
    with torch.no_grad():
        assert model.decode(stream).shape == (3, 2, 9, 1)
        torch.testing.assert_close(model.decode(stream)[1, 1, 4], model.decode(stream[1, 1, 4]))


def test_learned_positions_tell_equal_tokens_apart():
    """Without positions attention over equal tokens gives equal predictions."""
    inputs = draw(1, 1, 3).expand(1, 9, 3)
    with torch.no_grad():
        learned, none = (
            build(config)(inputs)[0, :, 0] for config in (TRANSFORMER, replace(TRANSFORMER, positions="none"))
        )
    assert len(learned.unique()) == 9
    torch.testing.assert_close(none, none[:1].expand(9))


def test_learned_positions_refuse_a_longer_prompt():
    """Nine slots hold four examples and the query's x."""
    model = build(TRANSFORMER)
    assert model(draw(1, 9, 3)).shape == (1, 9, 1)
    with pytest.raises(ProbeError) as raised:
        model(draw(1, 11, 3))
    assert str(raised.value) == (
        "A prompt of 11 tokens was given, but the model has learned positions for 9 tokens. "
        "Ask for a shorter context or train with a longer one."
    )


@ALL
def test_cumulative_parameters_rise_to_all_but_the_decoders(config):
    model = build(config)
    totals = model.cumulative_parameters()
    assert len(totals) == len(model.blocks) + 1
    positions = 9 * 16 if config.positions == "learned" else 0
    assert totals[0] == 3 * 16 + 16 + positions
    assert [late - early for early, late in pairwise(totals)] == [size(b) for b in model.blocks]
    assert totals[-1] == size(model) - size(model.norm_f) - size(model.read_out)


@ALL
def test_cumulative_flops_rise_to_the_sum_over_blocks(config):
    """Twice a linear map's weights a token, and more with more tokens."""
    model = build(config)
    totals = model.cumulative_flops(9)
    assert totals[0] == 2 * 9 * 3 * 16
    assert all(late > early for early, late in pairwise(totals))
    assert totals[-1] == totals[0] + sum(block.mixer.flops(9) for block in model.blocks)
    assert model.cumulative_flops(18)[-1] >= 2 * totals[-1]


def test_flops_of_each_mixer_are_those_written_down():
    """One token and width 16: GPT-2's maps are 4 + 8 width², Mamba's 2 * (6 width² + ...) and 9 a state."""
    model = build(replace(HYBRID, layout="AFM"))
    attention, feed_forward, mamba = (block.mixer.flops(1) for block in model.blocks)
    assert attention == 2 * 4 * 16**2 + 2 * 2 * 16
    assert feed_forward == 2 * 8 * 16**2
    linear = 16 * 64 + 32 * (1 + 32) + 1 * 32 + 32 * 16
    assert mamba == 2 * linear + 2 * 32 * 4 + 9 * 32 * 16


def test_a_setting_overrides_the_models_attention_heads():
    model = build(HYBRID)
    assert [block.mixer.heads for block in model.blocks if hasattr(block.mixer, "heads")] == [4, 2]
    assert model.letters == "MAFAM"


def test_one_kernel_is_used_everywhere():
    """And the reference's predictions are the fused kernel's within float32 rounding."""
    model, inputs = build(HYBRID), draw(2, 9, 3)
    with torch.no_grad():
        fused = model(inputs)
        model.use_kernel("reference")
        torch.testing.assert_close(model(inputs), fused, rtol=1e-4, atol=1e-5)
    model.use_kernel("nothing")
    with pytest.raises(ProbeError, match="No kernel is called 'nothing'"):
        model(inputs)


LETTERS_SENTENCE = f"Letters: {', '.join(f'{letter} {mixer.title}' for letter, mixer in LETTERS.items())}."


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        ("MXM", f"No mixer has the letter 'X' of the layout 'MXM'. {LETTERS_SENTENCE}"),
        ("X[a=1]", f"No mixer has the letter 'X' of the layout 'X[a=1]'. {LETTERS_SENTENCE}"),
        (
            "M[k=2]",
            "The layout letter M was given the setting 'k', which it does not have. "
            "Its settings: delta, B, C, conv, gate, residual.",
        ),
        (
            "F[residual=gone]",
            "The layout setting residual=gone was given, but it needs pre, post, none. Write F[residual=post].",
        ),
        (
            "A[k=2]",
            "The layout letter A was given the setting 'k', which it does not have. "
            "Its settings: heads, dropout, init, residual.",
        ),
        ("A[heads=two]", "The option A[heads] was given 'two', but it needs a whole number. Correct the value."),
    ],
)
def test_a_block_that_cannot_be_built_is_named(layout, sentence):
    with pytest.raises(ProbeError) as raised:
        build(replace(MAMBA, layout=layout))
    assert str(raised.value) == sentence


def test_every_letter_has_a_mixer():
    assert build(replace(MAMBA, layout="".join(LETTERS))).letters == "".join(LETTERS)


@pytest.mark.parametrize(
    ("residual", "expected"),
    [
        ("pre", lambda block, x: x + block.mixer(block.norm(x))),
        ("post", lambda block, x: block.norm(x + block.mixer(x))),
        ("none", lambda block, x: block.norm(block.mixer(x))),
    ],
)
def test_a_block_treats_the_stream_as_its_layout_says(residual, expected):
    """Where the last block norms what it returns, nothing norms it again."""
    model = build(replace(MAMBA, layout=f"F[residual={residual}]2"))
    stream = draw(2, 3, MAMBA.width)
    assert torch.equal(model.blocks[0](stream), expected(model.blocks[0], stream))
    assert model.residuals == [residual] * 2
    assert torch.equal(model.normalise(stream), stream) == (residual != "pre")


def test_recurrent_layers_have_no_residual_unless_asked_for():
    assert build(replace(MAMBA, layout="UN")).residuals == ["none", "none"]
    assert build(replace(MAMBA, layout="U[residual=pre]")).residuals == ["pre"]


def test_symbols_are_embedded_and_fixed_positions_know_no_longest_prompt():
    model = build(replace(MAMBA, symbols=7, outputs=7, positions="sinusoidal"))
    tokens = torch.randint(0, 7, (2, 50))
    assert model(tokens).shape == (2, 50, 7)
    moved = model.embed(tokens)[:, 1:] - model.embed(tokens.roll(-1, 1))[:, :-1]
    assert moved.abs().max() > 0.1, "the same symbol looks different at another place"


def test_dropout_falls_on_training_alone():
    model = build(replace(TRANSFORMER, dropout=0.5))
    inputs = draw(2, 5, 3)
    assert not torch.equal(model.train()(inputs), model(inputs))
    assert torch.equal(model.eval()(inputs), model(inputs))
    assert not torch.equal(model(inputs), model.train()(inputs))


def test_torchs_own_first_weights_are_larger_than_gpt_2s():
    for layout, weight in (("A", "c_attn.weight"), ("F", "c_fc.weight")):
        first, second = (
            build(replace(TRANSFORMER, layout=layout, init=init)).blocks[0].mixer.get_parameter(weight).std()
            for init in ("own", "torch")
        )
        assert second > 2 * first


def test_weights_depend_on_the_seed_alone():
    first, second = build(HYBRID).state_dict(), build(HYBRID).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    torch.manual_seed(1)
    assert not torch.equal(ResidualModel(HYBRID).read_in.weight, first["read_in.weight"])
