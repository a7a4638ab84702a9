"""Claims: the command supports the claim for a stack of gradient steps and rejects three impostors, with noise too."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

import probe
from probe import checkpoints, records
from probe.cli import main
from probe.commands.claim import STAGES
from probe.config import ClaimConfig, ModelConfig
from probe.models import ResidualModel
from probe.models.controls import planted_model
from probe.pages import view_page
from probe.pages.evidence import PICTURES

CONTEXT = 12
REST = ("known", "states", "influence", "causes", "loop", "map", "online", "spectral")
QUICK = ["--skip", "known", "states", "influence", "causes", "map", "online", "spectral"]
SMALL = ["--prompts", "512", "--score", "256", "--asked", "64", *QUICK]
MANY = ["--prompts", "2048", "--score", "256", "--asked", "128", *QUICK]


def planted(folder: Path, algorithm: str, dim: int = 3, blocks: int = 6, width: int | None = None) -> str:
    path = folder / f"{algorithm}.pt"
    about = {"task": "linear", "arch": algorithm, "dim": dim, "context": CONTEXT, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, planted_model(algorithm, dim, blocks, width), about)  # type: ignore[arg-type]
    return str(path)


def verdict(path: str, task: str, capsys) -> dict:
    """Returns what the command says; where targets are noise for the most part, heads need more prompts."""
    stem, size = Path(path).with_suffix(""), MANY if task.endswith("noise=1") else SMALL
    assert main(["claim", "--ckpt", path, "--task", task, "--out", str(stem), "--json", *size]) == 0
    return json.loads(capsys.readouterr().out)


def outcomes(found: dict) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in found["criteria"]}


@pytest.mark.parametrize(
    ("task", "dim", "width"),
    [("linear", 3, None), ("noisy_linear:noise=0.5", 3, 40), ("linear", 5, None)],
)
def test_a_stack_of_gradient_steps_supports_the_claim(task, dim, width, tmp_path, capsys):
    found = verdict(planted(tmp_path, "gradient", dim, 6, width), task, capsys)
    assert found["supported"], found["verdict"]
    seen = next(one["seen"] for one in found["criteria"] if one["name"] == "a named family")
    assert "gd_per_block" in re.split("[ ,;:]+", seen), "it is the closest, or not told apart from the closest"
    assert seen.endswith("1.0 steps a layer: 1 2 3 4 5 6")


def test_where_one_step_brings_nearly_all_that_may_be_one_step_is_undecided(tmp_path, capsys):
    """With noise as large as the signal the first step brings 0.7 of the fall, and 0.75 lies within its band."""
    found = verdict(planted(tmp_path, "gradient"), "noisy_linear:noise=1", capsys)
    assert not found["supported"]
    assert outcomes(found)["gradual fall"] == "undecided"
    assert found["outcome"] == "undecided"


@pytest.mark.parametrize("task", ["linear", "noisy_linear:noise=0.5"])
@pytest.mark.parametrize("algorithm", ["solve", "gather"])
def test_a_solver_in_one_block_is_rejected(algorithm, task, tmp_path, capsys):
    found = verdict(planted(tmp_path, algorithm), task, capsys)
    assert not found["supported"]
    failed = {name for name, outcome in outcomes(found).items() if outcome == "fails"}
    assert failed >= {"closed loop", "a named family"}


@pytest.mark.parametrize(("task", "dim"), [("linear", 3), ("noisy_linear:noise=0.5", 3), ("noisy_linear:noise=1", 5)])
def test_one_coordinate_a_block_is_rejected_by_what_its_layers_answer(task, dim, tmp_path, capsys):
    """Its error falls step by step, but no block reads what the last one wrote, nor is an algorithm's step like it."""
    found = verdict(planted(tmp_path, "coordinate", dim), task, capsys)
    assert not found["supported"]
    assert outcomes(found)["closed loop"] == outcomes(found)["a named family"] == "fails"


@pytest.mark.parametrize("algorithm", ["open_loop", "reveal"])
def test_an_answer_that_falls_step_by_step_without_being_read_is_rejected(algorithm, tmp_path, capsys):
    """Everything else is as in a stack of gradient steps."""
    found = verdict(planted(tmp_path, algorithm), "linear", capsys)
    assert found["outcome"] == "not supported"
    assert found["rung"] == "used"
    claimed = {name: outcome for name, outcome in outcomes(found).items() if outcome == "fails"}
    assert set(claimed) >= {"closed loop"}
    assert outcomes(found)["gradual fall"] == outcomes(found)["used by later blocks"] == "holds"
    assert found["against"].startswith("closed loop fails: ")


@pytest.mark.parametrize("algorithm", ["gradient", "solve", "coordinate", "gather"])
def test_the_controls_that_are_shipped_are_told_apart(algorithm, tmp_path, capsys):
    stem = str(tmp_path / algorithm)
    shipped = Path(__file__).parents[2] / "checkpoints" / f"control-{algorithm}.pt"
    arguments = ["claim", "--ckpt", str(shipped), "--task", "linear", "--out", stem, "--json", *SMALL]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["supported"] == (algorithm == "gradient")


def test_a_report_is_one_file_with_its_record_beside_it(tmp_path, capsys):
    path = planted(tmp_path, "gradient")
    assert main(["claim", "--ckpt", path, "--task", "linear", "--out", str(tmp_path / "out"), *SMALL]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Supported: ")
    assert re.search(r"^holds +a named family  ", printed, re.MULTILINE)
    page = re.sub("<script.*?</script>", "", (tmp_path / "out.html").read_text(), flags=re.DOTALL)
    assert page.count("<img") >= 1
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    for word in ("gradual fall", "a named family", "Not tested", "--control"):
        assert word in page
    record = records.load(tmp_path / "out")
    assert record.provenance["supported"] is True
    assert set(record.table["evidence"]) >= {"curve", "trend", "transfer", "matching", "nulls"}
    assert record.provenance["not_tested"]["states"] == "It was left out by --skip."
    assert main(["plot", str(tmp_path / "out.csv"), "--kind", "claim", "--out", str(tmp_path / "again.png")]) == 0


@pytest.mark.parametrize("kept", ["curve", "trend", "matching", "nulls", None])
def test_a_report_is_drawn_of_whatever_evidence_there_is(kept, tmp_path, capsys):
    skipped = [name for name in STAGES if name != kept]
    arguments = ["--prompts", "256", "--score", "64", "--asked", "32", "--skip", *skipped]
    path = planted(tmp_path, "gradient")
    assert main(["claim", "--ckpt", path, "--task", "linear", "--out", str(tmp_path / "out"), *arguments]) == 0
    assert "<h1" in (tmp_path / "out.html").read_text()


def test_a_model_of_one_function_is_a_null(tmp_path, capsys):
    """A control that answers nothing lies far above; its own criterion is then tested."""
    control = planted(tmp_path, "solve")
    config = ClaimConfig(
        planted(tmp_path, "gradient"), "linear", control=control, prompts=512, score=256, asked=64, context=8, skip=REST
    )
    criteria = {one["name"]: one["outcome"] for one in probe.claim(config).provenance["criteria"]}
    assert criteria["beyond one fixed function"] == "fails", "the solver knows fresh w as well"


def test_a_task_that_is_not_linear_is_examined_without_algorithms(tmp_path):
    config = ClaimConfig(planted(tmp_path, "gradient"), "relu_network", prompts=512, score=256, asked=64, skip=REST)
    record = probe.claim(config)
    assert not record.provenance["supported"]
    assert "relu_network" in record.provenance["not_tested"]["matching"]


def test_algorithms_are_compared_on_what_a_polynomial_is_linear_in(tmp_path):
    config = ClaimConfig(planted(tmp_path, "gradient"), "cubic", prompts=512, score=256, asked=64, skip=REST)
    record = probe.claim(config)
    assert "matching" not in record.provenance["not_tested"]
    assert (record.table["evidence"] == "matching").any()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--task", "language"], "tasks of pairs"),
        (["--task", "linear", "--asked", "5"], "--asked 5"),
        (["--task", "linear", "--control", "nowhere.pt"], "nowhere.pt"),
        (["--task", "linear", "--skip", "luck"], "No evidence is called 'luck'"),
        (["--task", "linear", "--out", "/dev/null/all"], "/dev/null"),
    ],
)
def test_what_does_not_fit_is_one_sentence_before_any_work(flags, sentence, tmp_path, capsys):
    assert main(["claim", "--ckpt", planted(tmp_path, "gradient"), *flags]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_shallow_model_has_no_way_step_by_step(tmp_path):
    path = planted(tmp_path, "gradient", blocks=2)
    record = probe.claim(ClaimConfig(path, "linear", prompts=512, score=256, asked=64, skip=REST))
    assert view_page([record]).save(tmp_path / "shallow.html").is_file()
    assert "2 blocks" in record.provenance["not_tested"]["trend"]
    assert record.provenance["outcome"] == "not supported"
    fall = record.provenance["criteria"][0]
    assert (fall["name"], fall["outcome"]) == ("gradual fall", "fails")
    assert fall["seen"] == "the model has 2 of the 3 blocks that as many steps need"


@pytest.mark.parametrize(("control", "own"), [("delta-rule", "online_gd"), ("linear-attention", "gradient")])
def test_a_state_is_found_to_be_its_known_iterate(control, own, tmp_path):
    shipped = Path(__file__).parents[2] / "checkpoints" / f"control-{control}.pt"
    skipped = ("trend", "matching", "nulls", "known", "influence", "causes", "loop", "map", "online", "spectral")
    record = probe.claim(ClaimConfig(str(shipped), "linear", prompts=1024, score=256, skip=skipped))
    table = record.table
    rows = table[(table["site"] == "state at y") & (table["head"] == "linear")]
    errors = rows[rows["metric"].str.startswith("error of ")].set_index("metric")["value"]
    assert errors.pop(f"error of {own}") < 1e-6
    assert errors.min() > 1e-2


def test_a_trained_kind_of_model_is_examined_whole_and_fails_where_it_knows_nothing(tmp_path):
    """An untrained Mamba goes through every kind of evidence; its states, causes and nulls are all in the report."""
    path = tmp_path / "fresh.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ResidualModel(ModelConfig(layout="M3", dim=2, width=16)).eval()
    about = {"task": "linear", "arch": "mamba", "dim": 2, "context": 6, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, model, about)
    record = probe.claim(ClaimConfig(str(path), "linear", prompts=512, score=64, asked=32))
    # of blocks that write next to nothing no step tells anything
    assert set(record.table["evidence"]) | {"map"} == {*STAGES, "transfer"}
    assert not record.provenance["supported"]
    outcomes = {one["name"]: one["outcome"] for one in record.provenance["criteria"]}
    assert outcomes["gradual fall"] == outcomes["a named family"] == "fails"
    page = re.sub("<script.*?</script>", "", view_page([record]).content.decode(), flags=re.DOTALL)
    told = set(record.table["evidence"])
    # a picture of an answer that is exchanged needs a layer that holds one
    kinds = [picture.evidence for picture in PICTURES if picture.evidence in told]
    assert len(set(kinds)) <= page.count("<img") <= len(kinds)


def test_where_nothing_is_trained_the_untrained_model_does_not_count(tmp_path):
    skipped = tuple(name for name in STAGES if name not in ("curve", "nulls"))
    config = ClaimConfig(planted(tmp_path, "gradient"), "linear", prompts=256, score=64, asked=32, skip=skipped)
    told = probe.claim(config).provenance
    found = {one["name"]: one for one in told["criteria"]}
    assert not found["beyond an untrained model"]["tested"]
    assert found["no leak between prompts"]["tested"]
    assert "gradient has blocks without parameters" in told["not_tested"]["untrained"]


def test_a_model_of_others_is_measured_against_itself_with_shuffled_weights():
    """A trained Mamba whose layout is not known knows more than the same weights in random order."""
    own = checkpoints.load("mamba.pt")
    places = ["blocks.0:input", *(f"blocks.{i}" for i in range(8))]
    module = nn.ModuleDict({"whole": own.model})
    module.forward = own.model.forward
    stream = probe.ModuleModel(module, [f"whole.{place}" for place in places], own.model.decode, inputs=5)
    theirs = checkpoints.from_model(stream, "theirs", "linear", context=own.context)
    skipped = tuple(name for name in STAGES if name != "nulls")
    told = probe.claim(ckpt=theirs, task="linear", prompts=512, score=128, asked=32, skip=skipped).provenance
    found = {one["name"]: one for one in told["criteria"]}["beyond an untrained model"]
    assert found["outcome"] == "holds", found["seen"]
    assert any("random order" in note for note in told["notes"])


def test_several_checkpoints_are_judged_one_by_one_and_shown_on_one_page(tmp_path, capsys):
    paths = [planted(tmp_path, algorithm) for algorithm in ("gradient", "solve")]
    skipped = ["--skip", *(name for name in STAGES if name not in ("curve", "trend", "loop"))]
    size = ["--prompts", "256", "--score", "128", "--asked", "32", *skipped]
    assert main(["claim", "--ckpt", *paths, "--task", "linear", "--out", str(tmp_path / "both"), *size]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "On these checkpoints the claim is: gradient supported (closed loop), solve not supported"
    )
    result = probe.load(tmp_path / "both")
    assert set(result.table["model"]) == set(result.verdicts) == {"gradient", "solve"}
    assert not result.supported
    alone = probe.claim(ClaimConfig(paths[1], "linear", prompts=256, score=128, asked=32, skip=tuple(skipped[1:])))
    assert alone.verdicts == {"solve": result.verdicts["solve"]}
    pd.testing.assert_frame_equal(result.table[result.table["model"] == "solve"].reset_index(drop=True), alone.table)
    page = (tmp_path / "both.html").read_text()
    for place, name in enumerate(("gradient", "solve"), start=1):
        assert f'<a href="#model-{place}">{name}</a>' in page
        assert f'<section id="model-{place}">' in page
