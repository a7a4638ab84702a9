"""Claims: probe fit reads heads at a site, says which, and measures how it fares beyond the trained length."""

import pytest
import torch

import probe
from probe.capture import NativeModel
from probe.capture.sites import half_memory, influences
from probe.cli import main
from probe.config import ModelConfig
from probe.models import ResidualModel
from probe.plots import KINDS

SMALL = {"task": "linear", "prompts": 128, "score": 32, "widest": 16}


def test_heads_at_the_state_are_those_fitted_by_hand_on_the_captured_states():
    """The same states, projected alike, give scikit-learn's ridge what the record calls the error."""
    from probe.capture.sites import capture_site
    from probe.checkpoints import load
    from probe.randomness import PromptSource
    from probe.tasks import make

    result = probe.fit(ckpt="mamba.pt", site="state", target="w", context=6, **SMALL)
    heads = result.heads["linear"]
    assert heads.origin.head == "linear at state" and heads.origin.layers == tuple(range(1, 9))
    found = load("mamba.pt")
    prompts = make("linear", found.dim).draw(PromptSource(0, "score", range(32)), 6)
    states = capture_site(found.stream, prompts.inputs, [12], "state", widest=16).values
    wrong = (heads.predict(states)[:, :, 0] - prompts.parameters["w"]).square().sum((1, 2))
    errors = wrong / prompts.parameters["w"].double().square().sum()
    rows = result.table[(result.table["head"] == "linear") & (result.table["target"] == "w")]
    torch.testing.assert_close(errors, torch.tensor(rows["error"].to_numpy()), rtol=1e-4, atol=1e-6)


def test_the_record_says_what_was_read_and_through_what():
    told = probe.fit(ckpt="mamba.pt", site="state", context=3, **SMALL).provenance["sites"]["mamba"]
    assert told["numbers"] == [2048] * 8
    assert told["features"] == 16 and told["projection"] == "Gaussian, of seed 0"


def test_every_attention_head_has_heads_of_its_own():
    table = probe.fit(ckpt="transformer.pt", site="attention-head", context=3, **SMALL).table
    named = set(table.loc[table["layer"].eq(11).fillna(False), "head"])
    assert named == {f"linear, head {head}" for head in range(4)}


def test_health_at_the_trained_length_is_what_fit_says_there_and_refitted_heads_are_no_worse_far_beyond():
    health = probe.fit(ckpt="mamba.pt", site="state", target="w", lengths=[15, 30], **SMALL)
    table = health.table
    assert set(table["metric"]) == {"norm", "memory", "frozen", "refitted", "answer"}
    at = {metric: table[(table["metric"] == metric) & (table["context"] == 15)]["value"].to_list() for metric in
          ("frozen", "refitted")}  # fmt: skip
    assert at["frozen"] == at["refitted"]
    plain = probe.fit(ckpt="mamba.pt", site="state", target="w", context=15, **SMALL).table
    assert len(at["frozen"]) == len(plain[(plain["head"] == "linear") & (plain["target"] == "w")]) == 8
    beyond = table[table["context"] == 30].groupby("metric")["value"].mean()
    assert beyond["refitted"] < beyond["frozen"]
    assert KINDS["health"]([health], probe.plots.View()).axes


def test_a_state_that_halves_at_every_token_remembers_half_a_token_of_squares_and_a_sum_remembers_half_of_all():
    """Squares fall by a quarter a token, so that the last token alone holds three quarters of them."""
    halved = 0.25 ** torch.arange(20, dtype=torch.float64).flip(0)
    found = half_memory(torch.stack([halved, torch.ones(20, dtype=torch.float64)]))
    torch.testing.assert_close(found, torch.tensor([2 / 3, 10.0], dtype=torch.float64), rtol=1e-3, atol=1e-3)


def test_linear_attention_without_decay_weighs_all_tokens_alike_in_number_and_no_later_token_counts():
    torch.manual_seed(0)
    layout = "L[conv=off,feature=none,norm=off]"
    model = NativeModel(ResidualModel(ModelConfig(layout=layout, dim=3, width=16, attention_heads=2)).eval())
    inputs = torch.ones(2, 40, 3)
    (found,) = influences(model, inputs, [39]).values()
    torch.testing.assert_close(half_memory(found[0]), torch.full((2,), 20.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--ckpt", "transformer.pt", "--site", "state"], "needs blocks with a recurrent state"),
        (["--ckpt", "mamba.pt", "--site", "staet"], "Did you mean state?"),
        (["--ckpt", "mamba.pt", "--site", "state", "--head", "lens"], "linear heads alone are fitted"),
        (["--ckpt", "mamba.pt", "--site", "state", "--prompts", "100"], "needs at least 514"),
        (["--ckpt", "mamba.pt", "--lengths", "auto"], "Add --site state"),
        (["--ckpt", "mamba.pt", "--site", "state", "--lengths", "30", "--context", "5"], "Drop --context"),
        (
            ["--ckpt", "mamba.pt", "--site", "state", "--widest", "0", "--context", "0,1,2,3,4,5", "--prompts", "9000"],
            "GiB are free",
        ),
        (["--ckpt", "mamba.pt", "--batch", "500000"], "batches of 500000 prompts"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_code_2(flags, said, capsys, monkeypatch):
    monkeypatch.setattr("probe.probing.memory.free_memory", lambda: 2**30)
    assert main(["fit", "--task", "linear", *flags]) == 2
    told = capsys.readouterr().err
    assert said in told and told.startswith("probe: ") and "Traceback" not in told
