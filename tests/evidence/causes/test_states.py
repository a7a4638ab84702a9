"""Claims: with all states of another prompt the answer is that prompt's; of one block, what running by hand gives."""

import pytest
import torch

from probe.errors import ProbeError
from probe.evidence.causes.pairs import pairs
from probe.evidence.causes.states import exchange_states
from probe.evidence.causes.table import about


@pytest.mark.parametrize("layout", ["M3", "D2", "U2"])
def test_all_states_together_are_the_donors_answer(random_experiment, layout):
    experiment, pass_, heads = random_experiment(layout)
    found = exchange_states(experiment, heads, pass_)
    blocks = experiment.layers - 1
    assert found.layers["state"] == list(range(1, blocks + 1))
    assert found.donor["state"].reached().value[-1].item() == pytest.approx(1, abs=1e-6)
    assert found.donor["state"].slope().value[-1].item() == pytest.approx(1, abs=1e-4)
    assert found.donor["state"].kept().value[-1].item() == pytest.approx(0, abs=1e-3)
    # after the last block there is only the decoder
    assert found.predicted["state", "lens"].r2().value[-1].item() == pytest.approx(1, abs=1e-4)
    assert ("state:h" in found.donor) == layout.startswith("M")


def test_one_blocks_state_moves_the_answer_as_by_hand(random_experiment):
    """The last block's scan goes on from the donor's h; its convolution still sees the own last tokens."""
    experiment, pass_, heads = random_experiment("M2")
    found, model = exchange_states(experiment, heads, pass_), experiment.model.model
    sums = torch.zeros(2, dtype=torch.float64)
    for pair in pairs(experiment, pass_):
        with torch.no_grad():
            own, donor = (model.blocks[0](model.embed(inputs)) for inputs in (pair.own, pair.donor))
            block = model.blocks[1]
            mine, theirs = block.mixer.inside(block.norm(own)), block.mixer.inside(block.norm(donor))
            last = {name: getattr(mine, name)[:, -1] for name in ("delta", "convolution", "B", "C", "gate")}
            h = torch.exp(last["delta"][..., None] * mine.rates) * theirs.states[:, -2]
            h = h + (last["delta"] * last["convolution"])[..., None] * last["B"][:, None]
            y = (h * last["C"][:, None]).sum(-1) + block.mixer.D * last["convolution"]
            answers = model.decode(own[:, -1] + block.mixer.out_proj(y * last["gate"]))[:, 0].double()
            first, whole = (model(inputs)[:, -1, 0].double() for inputs in (pair.own, pair.donor))
        sums += torch.stack([((answers - first) * (whole - first)).sum(), (whole - first).square().sum()])
    torch.testing.assert_close(found.donor["state:h"].slope().value[1], sums[0] / sums[1], rtol=1e-3, atol=1e-5)
    assert (sums[0] / sums[1]).abs() > 0.01


def test_a_hybrids_attention_keeps_the_own_examples(random_experiment):
    experiment, pass_, heads = random_experiment("MAM")
    found = exchange_states(experiment, heads, pass_)
    assert found.layers == {"state": [1, 3], "state:h": [1, 3]}
    assert found.donor["state"].reached().value[-1] < 0.999
    rows = found.rows(about(experiment, pass_))
    assert {row["metric"] for row in rows} == {"share", "donor_r2", "own_r2", "r2"}
    assert [row["layer"] for row in rows if row["site"] == "state" and row["metric"] == "share"] == [1, 3, None]


def test_a_transformer_has_no_state(random_experiment):
    experiment, pass_, heads = random_experiment("(AF)1")
    with pytest.raises(ProbeError, match="mixers with a state"):
        exchange_states(experiment, heads, pass_)
