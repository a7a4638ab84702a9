"""Claims: steps probed while training hold what `probe fit` says of them, and a training is not changed by it."""

import json
from pathlib import Path

import pytest

from probe import checkpoints, records
from probe.cli import main
from probe.training import probed

TRAIN = "train --layout AF --task linear --dim 2 --width 8 --context 3 --batch 8 --threads 1 --warmup 2".split()


def test_the_steps_that_are_probed_begin_with_none_and_end_with_the_last() -> None:
    for every, steps in ((4, [0, 4, 8, 10]), (5, [0, 5, 10]), (0, [])):
        assert [step for step in range(11) if probed.is_probed(step, every, 10)] == steps


def test_probing_while_training_says_what_a_fit_of_each_step_says_and_changes_no_weight(tmp_path: Path) -> None:
    out = tmp_path / "m.pt"
    assert main([*TRAIN, "--steps", "6", "--probe-every", "4", "--out", str(out)]) == 0
    record = records.load(tmp_path / "m-probing")
    names = [f"m-step-{step:06}" for step in (0, 4, 6)]
    assert list(dict.fromkeys(record.table["model"])) == names == list(record.provenance["models"])
    steps = [str(tmp_path / "m-steps" / f"{name}.pt") for name in names]
    settings = ["--head", "linear", "--prompts", "1024", "--score", "512"]
    stem = str(tmp_path / "again")
    assert main(["fit", "--ckpt", *steps, "--task", "linear", *settings, "--out", stem]) == 0
    again = records.load(stem).table
    assert again["error"].tolist() == pytest.approx(record.table["error"].tolist(), rel=1e-9, nan_ok=True)
    assert main(["plot", f"{tmp_path / 'm-probing'}.csv", "--kind", "steps", "--out", str(tmp_path / "s.png")]) == 0
    assert main([*TRAIN, "--steps", "6", "--out", str(tmp_path / "plain.pt")]) == 0
    plain, seen = (checkpoints.load(str(path)).model.state_dict() for path in (tmp_path / "plain.pt", out))
    assert all(bool((plain[name] == seen[name]).all()) for name in plain)


def test_steps_of_another_training_do_not_stay_in_the_record(tmp_path: Path) -> None:
    out = str(tmp_path / "m.pt")
    assert main([*TRAIN, "--steps", "6", "--probe-every", "3", "--out", out]) == 0
    first = json.loads((tmp_path / "m-probing.json").read_text())["models"]
    assert main([*TRAIN, "--steps", "6", "--probe-every", "4", "--seed", "1", "--overwrite", "--out", out]) == 0
    models = json.loads((tmp_path / "m-probing.json").read_text())["models"]
    assert list(models) == ["m-step-000000", "m-step-000004", "m-step-000006"]
    assert models["m-step-000006"]["digest"] != first["m-step-000006"]["digest"]


def test_a_number_of_steps_below_zero_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--steps", "6", "--probe-every", "-1", "--out", str(tmp_path / "m.pt")]) == 2
    assert "--probe-every" in capsys.readouterr().err
