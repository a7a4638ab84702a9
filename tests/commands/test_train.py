"""Training learns, resumes as if it had never stopped, and refuses what cannot be trained."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints, records
from probe.commands import train
from probe.commands.train import make_plan, training_flops
from probe.config import TrainConfig
from probe.errors import ProbeError
from probe.training.presets import ARCHITECTURES
from probe.training.run import Run

TOY = TrainConfig(out="", task="linear", layout="M1AF", dim=2, width=8, context=3, batch=16, steps=60, warmup=5)


def _weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(str(path)).model.state_dict()


def _same(one: Path, other: Path) -> bool:
    return all(torch.equal(tensor, _weights(other)[name]) for name, tensor in _weights(one).items())


def test_a_small_model_learns_in_context(tmp_path: Path) -> None:
    """One dimension, eight examples: far better than predicting zero after a few hundred steps."""
    config = replace(TOY, out=str(tmp_path / "a.pt"), layout="M2", dim=1, width=16, context=8, steps=400, lr=5e-3)
    record = probe.train(config)
    assert record.provenance["errors"][8] < 0.3
    assert record.provenance["errors"][0] > 0.9


def test_resuming_after_an_interrupt_gives_exactly_the_weights_of_an_unstopped_run(tmp_path: Path) -> None:
    """With a curriculum, a warm-up and a cosine under way."""
    whole = replace(TOY, out=str(tmp_path / "whole.pt"), curriculum=True)
    probe.train(whole)

    def stop(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    parted = replace(whole, out=str(tmp_path / "parted.pt"))
    with pytest.raises(KeyboardInterrupt):
        probe.train(parted, report=stop)
    assert checkpoints.load(parted.out).description["step"] == 50
    resumed = probe.train(TrainConfig(out=parted.out, resume=True))
    assert _same(Path(whole.out), Path(parted.out))
    unstopped = records.load(tmp_path / "whole-training")
    assert resumed.table["loss"].tolist() == unstopped.table["loss"].tolist()


def test_a_report_spans_what_was_before_and_after_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unstopped = probe.train(replace(TOY, out=str(tmp_path / "whole.pt")))
    step = train.take_step

    def stop_at_30(run: Run, *rest: object) -> None:
        if run.step == 30:
            raise KeyboardInterrupt
        step(run, *rest)

    parted = replace(TOY, out=str(tmp_path / "parted.pt"))
    with monkeypatch.context() as patched:
        patched.setattr(train, "take_step", stop_at_30)
        with pytest.raises(KeyboardInterrupt):
            probe.train(parted)
    resumed = probe.train(TrainConfig(out=parted.out, resume=True))
    for column in ("loss", "error"):
        assert resumed.table[column].tolist() == unstopped.table[column].tolist()


def test_resuming_after_kill_9_gives_exactly_the_weights_of_an_unstopped_run(tmp_path: Path) -> None:
    flags = "--layout M1AF --task linear --dim 2 --width 8 --context 3 --batch 16 --steps 250 --threads 1".split()
    command = [sys.executable, "-m", "probe", "train", *flags, "--out"]
    running = subprocess.Popen([*command, str(tmp_path / "killed.pt"), "--save-seconds", "0.01"])
    state = tmp_path / "killed.pt.state"
    deadline = time.monotonic() + 120
    while not state.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    stopped_at = checkpoints.load_state(state)["step"]
    assert 0 < stopped_at < 250
    resume = [sys.executable, "-m", "probe", "train", "--resume", "--threads", "1", "--out"]
    subprocess.run([*resume, str(tmp_path / "killed.pt")], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*command, str(tmp_path / "whole.pt")], check=True, stdout=subprocess.DEVNULL)
    assert _same(tmp_path / "killed.pt", tmp_path / "whole.pt")


def test_the_seed_decides_weights_and_batches(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.pt", "again.pt", "other.pt"))
    for path, seed in ((first, 0), (again, 0), (other, 1)):
        probe.train(replace(TOY, out=str(path), steps=5, seed=seed))
    assert _same(first, again)
    assert not _same(first, other)


def test_training_leaves_the_global_generators_as_they_were(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    probe.train(replace(TOY, out=str(tmp_path / "a.pt"), steps=3))
    assert torch.equal(before, torch.get_rng_state())


def test_the_rate_rises_over_the_warm_up_and_follows_a_half_cosine_to_zero() -> None:
    plan = make_plan(replace(TOY, out="x", lr=1.0, warmup=10, steps=110, schedule="cosine"))
    assert plan.rate(0) == pytest.approx(0.1)
    assert plan.rate(9) == pytest.approx(1.0)
    assert plan.rate(60) == pytest.approx(0.5)
    assert plan.rate(109) < 1e-3
    assert make_plan(replace(TOY, out="x", lr=1.0, warmup=0, schedule="constant")).rate(59) == 1.0


def test_the_published_recipe_grows_dimensions_and_examples_over_30_000_steps() -> None:
    plan = make_plan(TrainConfig(out="x", task="skewed_linear", arch="mamba", preset="grazzi"))
    assert (plan.model.layout, plan.model.width, plan.model.dim) == ("M24", 256, 20)
    assert (plan.lr, plan.batch, plan.steps, plan.clip, plan.schedule) == (1e-4, 64, 500_001, 0.0, "cosine")
    assert plan.stage(0) == (5, 10)
    assert plan.stage(1999) == (5, 10)
    assert plan.stage(2000) == (6, 12)
    assert plan.stage(30_000) == (20, 40)


def test_training_flops_count_three_forward_passes_over_the_curriculum() -> None:
    from probe.models import ResidualModel

    plan = make_plan(replace(TOY, out="x", curriculum=False, steps=10))
    model = ResidualModel(plan.model)
    assert training_flops(model, plan, 10) == 10 * 3 * 16 * model.cumulative_flops(7)[-1]
    grown = make_plan(replace(TOY, out="x", curriculum=True, context=15, steps=3000))
    steps = sum(model.cumulative_flops(2 * grown.stage(step)[1] + 1)[-1] for step in range(3000))
    assert training_flops(model, grown, 3000) == 3 * 16 * steps


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": None}, "No task was given"),
        ({"task": "linaer"}, "Did you mean linear"),
        ({"layout": None}, "either --arch or --layout"),
        ({"arch": "mamba"}, "either --arch or --layout"),
        ({"layout": None, "arch": "mambo"}, "Did you mean mamba"),
        ({"layout": None, "arch": "transformer", "blocks": 3}, "multiple of 2"),
        ({"layout": "M("}, "The layout"),
        ({"steps": 0}, "--steps was given 0"),
        ({"lr": -1.0}, "--lr was given -1.0"),
        ({"width": 0}, "--width was given 0"),
        ({"width": 9, "attention_heads": 4}, "cannot be split"),
        ({"device": "abacus"}, "no such device"),
        ({"lr": 1e30, "clip": 0.0, "warmup": 0}, "not finite"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(tmp_path: Path, change: dict, sentence: str) -> None:
    with pytest.raises(ProbeError, match=sentence):
        probe.train(replace(TOY, out=str(tmp_path / "a.pt"), **change))
    assert not (tmp_path / "a.pt").exists()


def test_resuming_with_a_contradicting_flag_or_without_a_state_is_refused(tmp_path: Path) -> None:
    out = str(tmp_path / "a.pt")
    with pytest.raises(ProbeError, match="to resume from"):
        probe.train(TrainConfig(out=out, resume=True))
    probe.train(replace(TOY, out=out, steps=3))
    with pytest.raises(ProbeError, match="--lr"):
        probe.train(TrainConfig(out=out, resume=True, lr=0.5))
    (tmp_path / "a.pt.state").write_bytes(b"nothing")
    with pytest.raises(ProbeError, match=r"damaged or truncated|was not loaded"):
        probe.train(TrainConfig(out=out, resume=True))


def test_a_run_goes_on_as_it_was_run_and_what_is_changed_is_written_down(tmp_path: Path) -> None:
    def stop(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    config = replace(TOY, out=str(tmp_path / "a.pt"), kernel="reference", threads=2, save_seconds=30.0)
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt, match=r"saved at step 50; go on with: probe train --resume --out .*a\.pt$"):
        probe.train(config, report=stop)
    assert torch.get_num_threads() == before
    shutil.copy(tmp_path / "a.pt.state", tmp_path / "b.pt.state")
    same = probe.train(TrainConfig(out=config.out, resume=True)).provenance
    told = {name: same["settings"][name] for name in ("kernel", "threads", "device", "compile", "save_seconds")}
    assert told == {"kernel": "reference", "threads": 2, "device": "cpu", "compile": False, "save_seconds": 30.0}
    assert same["changes"] == []
    other = TrainConfig(out=str(tmp_path / "b.pt"), resume=True, kernel="auto", threads=1, precision="bfloat16")
    changed = probe.train(other).provenance
    assert changed["changes"] == [{"step": 50, "kernel": "auto", "threads": 1, "precision": "bfloat16"}]
    assert changed["plan"]["precision"] == "bfloat16"
    again = probe.train(TrainConfig(out=other.out, resume=True)).provenance
    assert again["settings"]["kernel"] == "auto" and again["changes"] == changed["changes"]


def test_the_default_of_a_flag_contradicts_what_the_state_says_too(tmp_path: Path) -> None:
    probe.train(replace(TOY, out=str(tmp_path / "a.pt"), steps=3, seed=3))
    with pytest.raises(ProbeError, match="--seed 0 was given"):
        probe.train(TrainConfig(out=str(tmp_path / "a.pt"), resume=True, seed=0))


def test_an_interrupt_within_a_step_saves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no handler notes it: then the weights are of one step and their count of another."""

    def torn(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("probe.training.step._last_error", torn)
    with pytest.raises(KeyboardInterrupt, match="the last saved state is kept"):
        probe.train(replace(TOY, out=str(tmp_path / "a.pt")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"threads": 0}, {"save_seconds": -1.0}])
def test_settings_out_of_range_are_refused(tmp_path: Path, change: dict) -> None:
    with pytest.raises(ProbeError, match="was given"):
        probe.train(replace(TOY, out=str(tmp_path / "a.pt"), **change))


def test_what_is_dropped_depends_on_the_seed_and_the_step_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with dropout, stopped and resumed under another state of torch's generator, ends at the same weights."""
    dropping = replace(TOY, dropout=0.3, steps=20)
    probe.train(replace(dropping, out=str(tmp_path / "whole.pt")))
    stopped = replace(dropping, out=str(tmp_path / "stopped.pt"), save_seconds=0.0)

    def interrupt(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("probe.commands.train.LOG_EVERY", 7)
    with pytest.raises(KeyboardInterrupt):
        probe.train(stopped, report=interrupt)
    torch.rand(5)
    probe.train(replace(stopped, resume=True))
    assert _same(tmp_path / "whole.pt", tmp_path / "stopped.pt")
    probe.train(replace(dropping, dropout=None, out=str(tmp_path / "kept.pt")))
    assert not _same(tmp_path / "whole.pt", tmp_path / "kept.pt")


@pytest.mark.parametrize("arch", [name for name in ARCHITECTURES if "hybrid" not in name and name != "mambaformer"])
def test_a_layout_text_is_built_like_the_named_architecture_of_its_blocks(arch: str, tmp_path: Path) -> None:
    """Hybrids are not: whether they have positions is what their names tell apart."""
    named = make_plan(TrainConfig(out=str(tmp_path / "a.pt"), task="linear", arch=arch.replace("_", "-"))).model
    written = TrainConfig(out=str(tmp_path / "b.pt"), task="linear", layout=named.layout, width=named.width)
    assert make_plan(written).model == named


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_products_in_half_precision_learn_alike(arch: str, tmp_path: Path) -> None:
    """The loss after some steps is that of float32 within a hundredth; the weights themselves stay float32."""
    blocks = ARCHITECTURES[arch].blocks_before + ARCHITECTURES[arch].blocks_per_repeat
    # a token that carries pairs in slots shares the width with them
    width = 32 if "unmasked" in arch else TOY.width
    short = replace(TOY, layout=None, arch=arch, blocks=blocks, steps=12, width=width)
    losses = {}
    for precision in ("float32", "bfloat16"):
        out = tmp_path / f"{precision}.pt"
        log = probe.train(replace(short, out=str(out), precision=precision))
        losses[precision] = log.table["loss"].iloc[-1]
        weights = checkpoints.load(str(out)).model.state_dict().values()
        assert {tensor.dtype for tensor in weights if tensor.is_floating_point()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.01)
    assert losses["bfloat16"] != losses["float32"]


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_model_learns_the_same(tmp_path: Path) -> None:
    """In a process of its own: the run-time checks of shapes that tests are under cannot be compiled."""
    train = [sys.executable, "-m", "probe", "train", "--arch", "transformer", "--blocks", "2", "--width", "8"]
    train += [
        "--task",
        "linear",
        "--dim",
        "2",
        "--context",
        "3",
        "--steps",
        "8",
        "--curriculum",
        "False",
        "--device",
        "cpu",
    ]
    losses = {}
    for name, flags in (("plain", []), ("compiled", ["--compile"])):
        out = tmp_path / f"{name}.pt"
        subprocess.run([*train, "--out", str(out), *flags], check=True, capture_output=True)
        losses[name] = records.load(tmp_path / f"{name}-training").table["loss"].tolist()
    assert losses["compiled"] == pytest.approx(losses["plain"], rel=1e-5)
    assert _weights(tmp_path / "compiled.pt").keys() == _weights(tmp_path / "plain.pt").keys()
