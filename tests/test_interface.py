"""Claims: a command is a function, names are listed once, objects stand for names, results show and save themselves."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import stub
import torch
from matplotlib.figure import Figure

import probe
from probe.arguments import flags_of
from probe.cli import COMMANDS
from probe.errors import ProbeError
from probe.heads import FittedHeads
from probe.records import record_paths
from probe.tasks import Linear

SMALL = {"prompts": 64, "score": 32, "batch": 32}


@pytest.fixture(scope="module")
def fitted(toys: Path) -> probe.FitResult:
    return probe.fit(ckpt=toys / "m.pt", task="linear", **SMALL)


def test_the_stub_says_of_every_command_what_its_configuration_holds() -> None:
    kept = stub.STUB.read_text().partition(stub.MARK)[2]
    assert ast.dump(ast.parse(kept)) == ast.dump(ast.parse(stub.text())), "run python tests/stub.py"


NAMES = {"capture": "keep_streams"}
"""Commands that Python calls otherwise."""


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "list"])
def test_a_signature_shows_the_fields_of_the_configuration(command: str) -> None:
    shown = inspect.signature(getattr(probe, NAMES.get(command, command))).parameters
    assert shown["config"].kind is inspect.Parameter.POSITIONAL_ONLY
    fields = {field.name: field.default for field in dataclasses.fields(COMMANDS[command])}
    of_the_shell = {flag.name for flag in flags_of(COMMANDS[command]) if flag.delivery}
    assert "json" in of_the_shell
    assert not of_the_shell & set(shown)
    for name in set(fields) - of_the_shell:
        needed = fields[name] is dataclasses.MISSING
        assert shown[name].default is (inspect.Parameter.empty if needed else fields[name])


def test_every_public_name_is_there_and_completed() -> None:
    assert set(probe.__all__) <= set(dir(probe))
    for name in probe.__all__:
        assert getattr(probe, name) is not None
    assert {"fit", "load", "tasks", "heads", "ProbeError", "from_model"} <= set(probe.__all__)
    with pytest.raises(AttributeError, match="Did you mean evaluate"):
        probe.evalute  # noqa: B018
    with pytest.raises(AttributeError):
        probe.__wrapped__  # noqa: B018


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys, probe; dir(probe); print(sorted({'torch', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_keywords_are_a_configuration_and_may_stand_beside_one(toys: Path, fitted: probe.FitResult) -> None:
    config = probe.FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", **SMALL)
    assert probe.fit(config).table.equals(fitted.table)
    other = probe.fit(config, seed=1)
    assert other.provenance["config"]["seed"] == 1
    assert not other.table.equals(fitted.table)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ckpt": "m.pt", "tsak": "linear"}, "probe.fit has no keyword 'tsak'. Did you mean task"),
        ({"checkpoint": "m.pt", "task": "linear"}, "Did you mean ckpt"),
        ({"ckpt": "m.pt"}, "No task was given"),
        ({"ckpt": "m.pt", "task": "linear", "out": "a"}, "returns its result"),
        ({"ckpt": "m.pt", "task": "linaer"}, "Did you mean linear"),
        (
            {"ckpt": object(), "task": "linear"},
            "--ckpt was given <object object .* but it needs a path, a probe.Checkpoint or",
        ),
        ({"ckpt": torch.nn.Linear(2, 2), "task": "linear"}, "Wrap it with probe.ModuleModel"),
        ({"ckpt": "m.pt", "task": "antonyms", "tokenizer": 3}, "--tokenizer was given 3, but it needs a tokenizer"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(given: dict, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        probe.fit(**given)


def test_what_is_given_without_a_keyword_is_a_configuration_or_the_models(toys: Path, fitted: probe.FitResult) -> None:
    """A configuration of another command is refused, and so is a model where a command takes none."""
    found = probe.load_checkpoint(str(toys / "m.pt"))
    for models in (toys / "m.pt", found, [found]):
        assert probe.fit(models, task="linear", **SMALL).table.equals(fitted.table)
    with pytest.raises(ProbeError, match=r"given a EvaluateConfig .* Write for instance probe\.fit\(ckpt="):
        probe.fit(probe.EvaluateConfig(ckpt=(str(toys / "m.pt"),), task="linear"))
    with pytest.raises(ProbeError, match="without a keyword"):
        probe.fit(found, ckpt="m.pt", task="linear")
    with pytest.raises(ProbeError, match="without a keyword, but it takes a TrainConfig"):
        probe.train(found)


def test_models_tasks_and_learners_may_be_objects_and_are_recorded_as_text(toys: Path, fitted: probe.FitResult) -> None:
    found = probe.load_checkpoint(str(toys / "m.pt"))
    result = probe.fit(ckpt=found, task=Linear(dim=2), **SMALL)
    assert result.table.equals(fitted.table)
    config = result.provenance["config"]
    assert (config["ckpt"], config["task"]) == (("m",), "linear")
    assert {type(config["ckpt"][0]), type(config["task"])} == {str}

    @dataclass(frozen=True)
    class Zero:
        """Predicts nothing."""

        def predict(self, examples: object, query: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(query))

    class Plain(probe.learners.Learner):
        def predict(self, examples: object, query: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(query))

    shown = probe.evaluate(ckpt=[found, toys / "t.pt"], task="linear", learner=[Zero(), Plain()], prompts=32)
    rows = shown.table.query("head in ['Zero', 'Plain']")
    assert set(rows["head"]) == {"Zero", "Plain"}
    assert rows["error"].to_numpy() == pytest.approx(1.0)
    assert set(shown.table["model"]) == {"m", "t"}


def test_a_bare_model_is_taken_with_a_context_and_keeps_its_layout_as_name(toys: Path) -> None:
    model = probe.load_checkpoint(str(toys / "m.pt")).model
    with pytest.raises(ProbeError, match="Add --context"):
        probe.fit(ckpt=model, task="linear", **SMALL)
    result = probe.fit(ckpt=model, task="linear", context=[0, 4], **SMALL)
    assert set(result.table["model"]) == {"M2"}
    assert probe.check(ckpt=model, seed=1).held


def test_heads_are_those_that_were_measured(toys: Path, fitted: probe.FitResult) -> None:
    assert set(fitted.heads) == {"linear"}
    assert fitted.heads["linear"].weight.shape[:2] == (3, 5)
    penalties = fitted.table.query("head == 'linear'")["penalty"]
    assert fitted.heads["linear"].penalty.flatten().tolist() == penalties.tolist()
    both = probe.fit(ckpt=[toys / "m.pt", toys / "t.pt"], task="linear", head=["linear", "normed"], **SMALL)
    assert set(both.heads) == {"m", "t"}
    assert set(both.heads["m"]) == {"linear", "normed"}
    assert torch.equal(both.heads["m"]["linear"].weight, fitted.heads["linear"].weight)
    with pytest.raises(KeyError, match="Did you mean linear"):
        fitted.heads["linaer"]


def test_a_saved_result_is_read_again_with_its_heads(tmp_path: Path, fitted: probe.FitResult) -> None:
    written = fitted.save(tmp_path / "mine")
    names = ["mine.csv", "mine.json", "mine.png", "mine.heads.safetensors", "mine.heads.json"]
    assert [path.name for path in written] == names
    again = probe.load(tmp_path / "mine.csv")
    assert isinstance(again, probe.FitResult)
    assert again.table.equals(probe.load_record(tmp_path / "mine").table)
    assert torch.equal(again.heads["linear"].weight, fitted.heads["linear"].weight)
    with pytest.raises(ProbeError, match="is there already"):
        fitted.save(tmp_path / "mine")
    again.save(tmp_path / "other.pdf")
    assert (tmp_path / "other.pdf").read_bytes().startswith(b"%PDF")
    assert set(probe.load(tmp_path / "other").heads) == {"linear"}
    twice = fitted.heads["linear"]
    FittedHeads({"linear": twice, "again": twice}).save(tmp_path / "alien")
    (tmp_path / "mine.heads.safetensors").write_bytes(b"damaged")
    with pytest.raises(ProbeError, match="holds no heads that can be read"):
        probe.load(tmp_path / "mine").heads  # noqa: B018
    for ending in ("safetensors", "json"):
        shutil.copy(tmp_path / f"alien.{ending}", tmp_path / f"mine.heads.{ending}")
    with pytest.raises(ProbeError, match="holds other heads than"):
        probe.load(tmp_path / "mine").heads  # noqa: B018
    (tmp_path / "mine.heads.json").unlink()
    with pytest.raises(ProbeError):
        probe.load(tmp_path / "mine").heads  # noqa: B018
    fitted.without_heads().save(tmp_path / "bare")
    with pytest.raises(ProbeError, match="--save-heads"):
        probe.load(tmp_path / "bare").heads  # noqa: B018


def test_the_command_line_saves_heads_when_asked(
    toys: Path, tmp_path: Path, fitted: probe.FitResult, capsys: pytest.CaptureFixture[str]
) -> None:
    from probe.cli import main

    flags = ["fit", "--ckpt", str(toys / "m.pt"), "--task", "linear", "--prompts", "64", "--score", "32"]
    assert main([*flags, "--batch", "32", "--out", str(tmp_path / "a"), "--save-heads"]) == 0
    assert "a.heads.safetensors" in capsys.readouterr().out
    assert torch.equal(probe.load(tmp_path / "a").heads["linear"].weight, fitted.heads["linear"].weight)


def test_a_result_shows_itself(fitted: probe.FitResult) -> None:
    assert repr(fitted).startswith("FitResult(m on linear, ")
    page = fitted._repr_html_()
    assert page.count("<table") == 1
    assert 'src="data:image/png;base64,' in page
    assert "<tr>" in page
    bare = dataclasses.replace(fitted, table=fitted.table[fitted.table["layer"].isna()])
    assert "No picture: The record has no head at any layer" in bare._repr_html_()


def test_the_help_of_a_function_explains_every_keyword() -> None:
    text = inspect.getdoc(probe.fit) or ""
    for name, words in (("ckpt", "Checkpoints: files of probe train"), ("protocol", "How the calibrated head is")):
        assert f"    {name}: {words}" in text
    assert "report: called as the work goes on" in text
    assert "save_heads" not in text
    assert inspect.signature(probe.fit).return_annotation == "FitResult"


@pytest.mark.parametrize("kind", ["layers", "contexts", "heatmap"])
def test_a_picture_is_drawn_into_given_axes_and_returns_them(fitted: probe.FitResult, kind: str) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert fitted.plot(ax=left, kind=kind, title="mine") is left
    assert left.has_data()
    assert not right.has_data()
    assert left.get_title() == "mine" or kind != "contexts"
    figure.canvas.draw()


def test_a_picture_is_drawn_into_a_subfigure_or_on_a_page_that_a_notebook_shows(fitted: probe.FitResult) -> None:
    figure = Figure(layout="constrained")
    above, below = figure.subfigures(2)
    assert fitted.plot(ax=above) is above
    assert len(above.axes) == 1
    assert not below.axes
    figure.canvas.draw()
    page = fitted.plot(kind="heatmap", target="y")
    assert page._repr_png_().startswith(b"\x89PNG")


def test_several_panels_do_not_go_into_one_axes(toys: Path) -> None:
    several = probe.evaluate(ckpt=toys / "m.pt", task="linear", prompting=["standard", "skewed"], prompts=32)
    with pytest.raises(ProbeError, match=r"has 2 panels\. Give a figure or subfigure as ax"):
        several.plot(ax=Figure().subplots())
    one = probe.evaluate(ckpt=toys / "m.pt", task="linear", prompts=32)
    axes = Figure().subplots()
    assert one.plot(ax=axes) is axes
    assert axes.has_data()


def test_every_other_command_returns_its_result(toys: Path, tmp_path: Path) -> None:
    pair = [toys / "m.pt", toys / "t.pt"]
    compared = probe.compare(ckpt=pair, task="linear", **SMALL)
    assert len(compared.verdict) == 4
    with pytest.raises(ProbeError, match="this picture has 3 panels"):
        compared.plot(ax=Figure().subplots())
    compared.save(tmp_path / "compared")
    assert probe.load(tmp_path / "compared").verdict == compared.verdict

    checked = probe.check(ckpt=toys / "m.pt")
    assert checked.held
    assert len(checked.findings) == len(checked.table) > 6
    checked.save(tmp_path / "checked")
    assert probe.load(tmp_path / "checked").findings == checked.findings

    done = probe.convert(ckpt=toys / "m.pt", out=tmp_path / "again.pt")
    assert done.checkpoint.digest == done.digest
    assert "again" in repr(done)
    done.save(tmp_path / "done")
    assert probe.load(tmp_path / "done").digest == done.digest


def test_a_training_returns_its_log_and_its_checkpoint(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    out = tmp_path / "a.pt"
    result = probe.train(
        out=out, layout="F1", task="linear", dim=2, width=8, context=3, steps=60, batch=8, lr=1e-3,
        report=lambda *now: said.append(now),
    )  # fmt: skip
    assert [(step, steps) for _, step, steps in said] == [(50, 60), (60, 60)]
    assert said[0][0].startswith("loss ")
    assert result.checkpoint.digest == result.provenance["digest"]
    assert result.model.config.layout == "F1"
    again = probe.load(record_paths(tmp_path / "a-training")[0])
    assert again.checkpoint.digest == result.checkpoint.digest
    axes = Figure().subplots()
    assert again.plot(ax=axes) is axes
    assert "loss" in axes.get_ylabel()
    probe.train(out=out, layout="F1", task="linear", dim=2, width=8, context=3, steps=3, overwrite=True)
    result.save(tmp_path / "log")
    with pytest.raises(ProbeError, match="does not lie beside"):
        probe.load(tmp_path / "log").checkpoint  # noqa: B018


def test_records_are_drawn_over_one_another_from_files_or_objects(tmp_path: Path, fitted: probe.FitResult) -> None:
    fitted.save(tmp_path / "a")
    drawn = probe.plot([tmp_path / "a.csv", fitted], out=tmp_path / "both.png")
    assert drawn.path == tmp_path / "both.png"
    assert drawn.path.read_bytes().startswith(b"\x89PNG")
    assert drawn.kind == "layers"
    axes = Figure().subplots()
    assert probe.plot(fitted, ax=axes).figure is axes.figure
    with pytest.raises(ProbeError, match="already"):
        drawn.save(tmp_path / "both.png")
    assert "base64" in drawn._repr_html_()
    with pytest.raises(ProbeError, match=r"--records was given 3, but it needs the name of a \.csv or a result"):
        probe.plot(records=3)


def test_a_claim_is_saved_with_its_report(toys: Path, tmp_path: Path) -> None:
    skipped = (
        "known",
        "states",
        "influence",
        "causes",
        "loop",
        "map",
        "online",
        "spectral",
        "trend",
        "matching",
        "nulls",
    )
    result = probe.claim(ckpt=toys / "m.pt", task="linear", asked=32, skip=skipped, **SMALL)
    assert not result.supported
    assert [path.suffix for path in result.save(tmp_path / "claim")] == [".csv", ".json", ".html"]
    again = probe.load(tmp_path / "claim")
    assert again.criteria == result.criteria
    assert again.verdict == result.verdict


def test_a_saved_result_is_read_and_drawn_without_torch(tmp_path: Path, fitted: probe.FitResult) -> None:
    fitted.save(tmp_path / "a")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import probe\n"
        f"print(len(probe.load({str(tmp_path / 'a')!r})._repr_html_()))\n"
        f"print(probe.plot({str(tmp_path / 'a.csv')!r}).kind)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(shown[0]) > 10_000
    assert shown[1] == "layers"


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(given: str | None, found: str) -> None:
    """The variable is read when torch is loaded, so that it is set before that."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    told = "import probe, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", told],
        env=environment | ({"OMP_WAIT_POLICY": given} if given else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [found, "False"]
