"""Claims: data give the numbers that a task gives on the same prompts, are split by group, and are checked first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import probe
from probe.data import CategoricalData, RealData
from probe.randomness import PromptSource

ROOT = Path(__file__).parent.parent.parent
MAMBA, TRANSFORMER = (ROOT / "checkpoints" / f"{name}.pt" for name in ("mamba", "transformer"))
SIZES = {"fit": 160, "select": 40, "score": 64}


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Prompts of the linear task in five dimensions, those of each purpose, as arrays."""
    task = probe.make_task("linear", dim=5)
    parts = [task.draw(PromptSource(0, purpose, range(count)), 15) for purpose, count in SIZES.items()]
    return {
        "inputs": torch.cat([part.inputs for part in parts]).numpy(),
        "y": torch.cat([part.targets for part in parts]).numpy(),
        "w": torch.cat([part.parameters["w"] for part in parts]).numpy(),
        "positions": parts[0].queries.numpy(),
        "split": np.repeat(list(SIZES), list(SIZES.values())),
    }


def same(found, other, head: str) -> bool:
    """Whether two records have the same numbers for a head, to the bit."""
    first, second = (one.table[one.table["head"] == head] for one in (found, other))
    columns = ["error", "low", "high", "mse", "prompts"]
    return len(first) > 0 and first[columns].to_numpy().tolist() == second[columns].to_numpy().tolist()


@pytest.mark.parametrize("given", ["arrays", "batches"])
def test_data_give_the_bits_that_the_task_gives_on_the_same_prompts(drawn, given):
    """Heads, the model's own errors, the lens, chance and all bands."""
    positions = drawn["positions"]
    if given == "arrays":
        data = probe.Data(drawn["inputs"], drawn["y"], split=drawn["split"], positions=positions)
    else:
        cuts = [slice(first, first + 37) for first in range(0, 264, 37)]
        batches = [
            {"inputs": drawn["inputs"][cut], "targets": drawn["y"][cut], "split": drawn["split"][cut]} for cut in cuts
        ]
        data = probe.Data(batches=batches, positions=positions)
    own = probe.fit(ckpt=MAMBA, data=data, prompts=160, score=64, context="0,10,30")
    task = probe.fit(ckpt=MAMBA, task="linear", prompts=160, score=64, context="0,5,15")
    for head in ("model", "linear", "lens", "chance"):
        assert same(own, task, head), head
    assert own.table["context"].unique().tolist() == [0, 10, 30]


def test_a_named_target_gives_the_bits_of_the_drawn_parameter(drawn):
    data = probe.Data(drawn["inputs"], {"w": drawn["w"]}, split=drawn["split"], positions=drawn["positions"])
    own = probe.fit(ckpt=MAMBA, data=data, prompts=160, score=64, context="0,10,30")
    task = probe.fit(ckpt=MAMBA, task="linear", target="w", prompts=160, score=64, context="0,5,15")
    assert same(own, task, "linear")
    assert own.table["target"].unique().tolist() == ["w"]
    assert own.heads["linear"].origin.target == "w"
    assert set(own.table["head"]) == {"linear", "chance"}
    assert "lens are left out" in own.provenance["notes"][0]


def test_evaluate_and_compare_take_data(drawn):
    data = probe.Data(drawn["inputs"], drawn["y"], split=drawn["split"], positions=drawn["positions"])
    own = probe.evaluate(ckpt=MAMBA, data=data, prompts=64)
    task = probe.evaluate(ckpt=MAMBA, task="linear", prompts=64)
    assert same(own, task, "model")
    both = [MAMBA, TRANSFORMER]
    compared = probe.compare(ckpt=both, data=data, prompts=160, score=64, context=30)
    assert compared.verdict[0].startswith("The checkpoint")


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    """Vectors of which a module's first layer holds all, and targets that are functions of the last token."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((600, 3, 2)).astype(np.float32)
    return {"inputs": inputs, "sum": inputs[:, -1].sum(-1, keepdims=True), "groups": np.arange(600) // 3}


@pytest.fixture(scope="module")
def module() -> probe.Checkpoint:
    """A plain module of three layers on vectors of two coordinates."""
    torch.manual_seed(0)
    mine = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 6), nn.Linear(6, 1))
    return probe.from_model(probe.ModuleModel(mine, ["1:input", "1", "2"], decode=mine[3], inputs=2), "mine", context=0)


def test_a_number_that_the_stream_holds_is_read_and_words_are_categories(rows, module):
    """Rows of R2 near 1 for the sum, of a balanced accuracy near 1 for its sign, at the last token alone."""
    words = np.where(rows["sum"][:, 0] > 0, "up", "down")
    data = probe.Data(rows["inputs"], {"sum": rows["sum"], "word": words}, groups=rows["groups"])
    real = probe.fit(ckpt=module, data=data, target="sum").table
    last = real[(real["head"] == "linear") & (real["layer"] == 0)].set_index("context")["r2"]
    assert last[2] > 0.999
    assert last[0] < 0.1
    found = probe.fit(ckpt=module, data=data, target="word", head=("linear", "logistic"))
    for head in ("linear", "logistic"):
        table = found.table[(found.table["head"] == head) & (found.table["layer"] == 0)].set_index("context")
        assert table["balanced_accuracy"][2] > 0.9
        assert table["balanced_accuracy_low"][2] <= table["balanced_accuracy"][2] <= table["balanced_accuracy_high"][2]
    assert found.provenance["data"]["categories"] == ["down", "up"]


def test_a_group_stands_on_one_side_and_bands_resample_groups(rows):
    """Copies of a prompt in one group leave the band as wide as that of the prompt alone."""
    task = probe.Data(rows["inputs"], rows["sum"], groups=rows["groups"]).task()
    sides = {purpose: set(units.tolist()) for purpose, units in task.survey.units.items()}
    assert not (sides["fit"] & sides["score"] or sides["fit"] & sides["select"] or sides["select"] & sides["score"])
    assert sum(map(len, sides.values())) == 200
    assert task.units("score", range(6)) == sorted(sides["score"])[:2][:1] * 3 + sorted(sides["score"])[1:2] * 3


def test_bands_of_copies_are_those_of_what_was_copied(rows, module):
    single = slice(None, None, 3)
    split = np.where(np.arange(200) < 100, "fit", np.where(np.arange(200) < 130, "select", "score"))
    one = probe.Data(rows["inputs"][single], rows["sum"][single], split=split, groups=np.arange(200))
    three = probe.Data(
        rows["inputs"][single].repeat(3, 0), rows["sum"][single].repeat(3, 0), split=split.repeat(3),
        groups=np.arange(200).repeat(3),
    )  # fmt: skip
    first, second = (probe.fit(ckpt=module, data=each, head="linear").table for each in (one, three))
    column = first["head"].eq("linear") & first["context"].eq(2)
    assert second[column]["low"].tolist() == pytest.approx(first[column]["low"].tolist(), rel=1e-4)


def test_a_weight_of_two_is_two_copies(rows, module):
    """Of fit, choice of penalty and errors: to what rounding of the stream in float32 allows."""
    split = np.where(np.arange(600) < 400, "fit", np.where(np.arange(600) < 480, "select", "score"))
    weights = 1 + (np.arange(600) % 2)
    twice = np.repeat(np.arange(600), weights)
    weighted = probe.Data(rows["inputs"], rows["sum"], split=split, weights=weights, groups=np.arange(600))
    copied = probe.Data(rows["inputs"][twice], rows["sum"][twice], split=split[twice], groups=twice)
    first, second = (probe.fit(ckpt=module, data=each, head="linear") for each in (weighted, copied))
    for name in ("error", "mse", "r2", "low"):
        own, other = (one.table[one.table["head"] == "linear"][name].to_numpy() for one in (first, second))
        assert own == pytest.approx(other, rel=1e-4, abs=1e-6), name


def test_masked_tokens_count_nowhere_and_the_last_that_counts_may_be_asked(rows, module):
    """What stands under the mask changes no number."""
    mask = np.ones((600, 3), dtype=bool)
    mask[::2, 2] = False
    target = np.where(mask[:, 2:], rows["sum"], rows["inputs"][:, 1].sum(-1, keepdims=True))
    spoilt = rows["inputs"].copy()
    spoilt[::2, 2] = 1e6
    clean, other = (
        probe.fit(ckpt=module, data=probe.Data(one, target, mask=mask, positions="last"), head="linear").table
        for one in (rows["inputs"], spoilt)
    )
    assert clean["error"].tolist() == other["error"].tolist()
    assert clean["context"].unique().tolist() == [-1]
    assert clean[clean["head"] == "linear"]["r2"].iloc[0] > 0.999


def test_an_even_deal_is_by_the_seed_alone(rows):
    split = [
        probe.Data(rows["inputs"], rows["sum"]).task(seed=seed).survey.rows["score"].tolist() for seed in (0, 0, 1)
    ]
    assert split[0] == split[1] != split[2]
    assert 90 < len(split[0]) < 150


def test_a_target_of_floats_is_of_numbers_and_one_of_whole_numbers_a_category(rows):
    whole = (rows["sum"][:, 0] > 0).astype(int)
    assert isinstance(probe.Data(rows["inputs"], rows["sum"]).task(), RealData)
    assert isinstance(probe.Data(rows["inputs"], whole).task(), CategoricalData)


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str) -> list[int]:
        """Returns a number a letter."""
        return [ord(letter) - ord("a") for letter in text]

    def decode(self, tokens) -> str:
        """Returns the letters."""
        return "".join(chr(one + ord("a")) for one in tokens)


def test_text_is_read_by_the_tokenizer_and_asked_at_its_last_token():
    """A model that embeds letters holds the last one at the last place, wherever that is."""
    torch.manual_seed(0)
    mine = nn.Sequential(nn.Embedding(4, 8), nn.Linear(8, 8), nn.Linear(8, 4))
    found = probe.from_model(probe.ModuleModel(mine, ["1:input", "1"], decode=mine[2], symbols=4), "letters", context=0)
    rng = np.random.default_rng(0)
    texts = ["".join("abcd"[one] for one in rng.integers(0, 4, rng.integers(1, 6))) for _ in range(300)]
    data = probe.Data(text=texts, targets={"last": [text[-1] for text in texts]})
    table = probe.fit(ckpt=found, data=data, tokenizer=Letters()).table
    assert table[table["head"] == "linear"]["accuracy"].tolist() == [1.0, 1.0]
