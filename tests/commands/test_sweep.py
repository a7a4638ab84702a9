"""Claims: a table becomes its trainings, those done are passed over, stopped ones go on, a bad one harms no other."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints, records
from probe.cli import main
from probe.commands.sweep import read_table
from probe.config import SweepConfig
from probe.errors import ProbeError
from probe.files import owned
from probe.processes import cluster
from probe.processes.jobs import Job

HEAD = "layout,task,dim,width,context,steps,batch,lr,seed,curriculum\n"
GOOD = HEAD + "AF,linear,2,8,3,5,4,1e-3,0|1,false\n"
FAILING = GOOD + "AF,linear,2,8,3,5,4,1e30,0,False\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(FAILING)
    return path


def test_a_cell_with_alternatives_is_a_row_with_each_and_an_empty_one_no_flag(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arch,task,seed,--lr,attention-heads\nmamba|transformer,linear,0|1|2,1e-3 | 2e-3,\n")
    rows = read_table(str(path))
    assert len(rows) == 12
    assert rows[0] == {"arch": "mamba", "task": "linear", "seed": "0", "lr": "1e-3"}
    assert {row["lr"] for row in rows} == {"1e-3", "2e-3"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "asks for no training"),
        ("arch,task\n", "asks for no training"),
        ("arhc,task\nmamba,linear\n", "Did you mean arch"),
        ("arch,task,out\nmamba,linear,x.pt\n", "column 'out'"),
        ("arch,task\nmamba\n", "Line 2.* cells, but its head has"),
        ("arch,task\nmamba,linear,3\n", "Line 2.* cells, but its head has"),
        ("arch,task\nmamba,linear\nmambo,linear\n", "Line 3.*Did you mean mamba"),
        ("arch,task,seed\nmamba,linear,x\n", "Line 2.*whole number"),
        ("arch,task,seed\nmamba,linear,0|1\nmamba,linear,1\n", "Line 3.*already"),
    ],
)
def test_a_table_that_is_none_is_refused_before_any_work(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ProbeError, match=sentence):
        probe.sweep(SweepConfig(table=str(path), out=str(tmp_path / "runs")))
    assert not (tmp_path / "runs").exists()


def test_a_missing_table_and_settings_without_a_cluster_are_refused(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ProbeError, match="cannot be read"):
        probe.sweep(SweepConfig(table=str(tmp_path / "none.csv"), out=str(tmp_path)))
    with pytest.raises(ProbeError, match="local engine has none"):
        probe.sweep(SweepConfig(table=str(table), out=str(tmp_path), setting=("partition=gpu",)))
    with pytest.raises(ProbeError, match="--jobs was given 0"):
        probe.sweep(SweepConfig(table=str(table), out=str(tmp_path), jobs=0))


def test_done_trainings_are_passed_over_stopped_ones_go_on_and_one_that_fails_harms_no_other(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    name = "AF-linear-dim2-width8-context3-steps5-batch4-lr1e-3-seed{}-curriculumfalse"
    runs.mkdir()
    flags = "--layout AF --task linear --dim 2 --width 8 --context 3 --batch 4 --lr 1e-3 --curriculum False".split()
    done, stopped = (str(runs / f"{name.format(seed)}.pt") for seed in (0, 1))
    assert main(["train", *flags, "--steps", "5", "--out", done]) == 0
    assert main(["train", *flags, "--steps", "5", "--seed", "1", "--out", stopped]) == 0
    whole = checkpoints.load(stopped).digest
    _stop_at_the_start(Path(stopped))
    written = Path(done).stat().st_mtime_ns
    capsys.readouterr()
    assert main(["sweep", str(table), "--out", str(runs), "--jobs", "2", "--json"]) == 2
    said = capsys.readouterr()
    assert "1 of 3 trainings did not end well" in said.err
    outcomes = {one["model"]: one["outcome"] for one in json.loads(said.out)["trainings"]}
    assert [outcomes[name.format(seed)] for seed in (0, 1)] == ["done", "done"]
    assert [told for told in outcomes.values() if "not finite" in told]
    assert Path(done).stat().st_mtime_ns == written
    again = checkpoints.load(stopped)
    assert again.description["step"] == 5
    assert again.digest != whole or again.description["errors"]
    saved = records.load(runs / "sweep").table
    assert saved["error"].notna().tolist() == [True, True, False]


# a shell lets what it starts in the background ignore interrupts, and the tests may have been started so
HEEDING = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
LONG = (
    "layout,task,dim,width,context,steps,batch,lr,seed,kernel,threads,save_seconds\n"
    "M1AF,linear,2,8,3,{},8,1e-3,0|1,reference,1,0.2\n"
)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_sweep_that_is_told_to_end_ends_its_trainings_says_which_and_goes_on(tmp_path: Path, name: str) -> None:
    steps = 100_000 if name == "SIGINT" else 300
    (tmp_path / "table.csv").write_text(LONG.format(steps))
    runs = tmp_path / "runs"
    command = ["sweep", str(tmp_path / "table.csv"), "--out", str(runs), "--jobs", "2"]
    sweep = subprocess.Popen(
        [sys.executable, "-c", f"{HEEDING}; from probe.cli import main; sys.exit(main({command!r}))"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while len(list(runs.glob("*.state"))) < 2 and sweep.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    sweep.send_signal(getattr(signal, name))
    said = sweep.communicate(timeout=200)[1]
    names = [path.name.removesuffix(".pt.state") for path in sorted(runs.glob("*.state"))]
    assert sweep.returncode == 128 + getattr(signal, name), said
    assert "told to save: " in said and said.endswith(f"; go on with: {shlex.join(['probe', *command])}\n")
    for each in names:
        with owned(runs / f"{each}.pt"):  # nobody writes it any more
            told = (runs / f"{each}.log").read_text()
        assert each not in said or "; saved at step " in told
    assert len(names) == 2 and any(each in said for each in names)
    assert set(records.load(runs / "sweep").table["model"]) == set(names)
    if name == "SIGINT":
        return
    assert main(command) == 0
    flags = "--layout M1AF --task linear --dim 2 --width 8 --context 3 --steps 300 --batch 8 --lr 1e-3 --seed 1".split()
    whole = str(tmp_path / "whole.pt")
    assert main(["train", *flags, "--kernel", "reference", "--threads", "1", "--out", whole]) == 0
    weights, found = (checkpoints.load(path).model.state_dict() for path in (whole, str(runs / f"{names[1]}.pt")))
    assert all(torch.equal(weights[key], found[key]) for key in weights)


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path, table: Path) -> None:
    with owned(tmp_path / "runs" / "sweep.csv"), pytest.raises(ProbeError, match="is being written by"):
        probe.sweep(SweepConfig(table=str(table), out=str(tmp_path / "runs")))


def _stop_at_the_start(out: Path) -> None:
    """Leaves what a training leaves that was killed before its end."""
    record = out.with_name(f"{out.stem}-training.json")
    told = json.loads(record.read_text())
    del told["errors"]
    record.write_text(json.dumps(told))


def test_a_line_of_shell_continues_where_there_is_a_state(tmp_path: Path) -> None:
    job = Job("a b", ("train", "--out", "a b"), ("train", "--resume"), tmp_path / "a b.state", tmp_path / "log")
    line = job.line("python")
    assert f"test -f '{job.state}'" in line
    assert "train --resume; else python -m probe train --out 'a b'; fi" in line
    assert job.arguments() == job.start
    job.state.touch()
    assert job.arguments() == job.resume


def test_a_cluster_without_its_extra_or_with_unknown_settings_is_refused(tmp_path: Path) -> None:
    def run(engine: str, *settings: str) -> None:
        cluster.run_on(engine, settings, tmp_path, [], 1, lambda job, code: None)

    try:
        import parsl  # noqa: F401
    except ImportError:
        with pytest.raises(ProbeError, match="extra cluster"):
            run("slurm")
        return
    with pytest.raises(ProbeError, match="Did you mean partition"):
        run("slurm", "partitoin=gpu")
    with pytest.raises(ProbeError, match="Write numbers"):
        run("slurm", "gpus_per_node=many")


SBATCH = """#!/bin/bash
setsid bash "${@: -1}" > /dev/null 2>&1 &
echo "Submitted batch job $!"
"""
SQUEUE = """#!/bin/bash
for job in $(echo "${@: -1}" | tr , ' '); do kill -0 "$job" 2> /dev/null && echo "$job R"; done
exit 0
"""
SCANCEL = """#!/bin/bash
for job in "$@"; do kill -- "-$job"; done 2> /dev/null
exit 0
"""


@pytest.mark.filterwarnings("default")
def test_slurm_runs_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster is three scripts that do here what Slurm does elsewhere."""
    pytest.importorskip("parsl", reason="Parsl, the extra cluster, drives Slurm")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", root)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "t.csv"
    path.write_text(GOOD)
    config = SweepConfig(str(path), "runs", jobs=1, engine="slurm", setting=("partition=none", "walltime=00:05:00"))
    assert probe.sweep(config).table["outcome"].tolist() == ["done", "done"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layout,task,task\nM2,linear,linear\n", "two columns task"),
        ("layout,task\nM2\n", "has 1 cells, but its head has 2"),
        ("layout,task\nM2,linear,5\n", "has 3 cells"),
        ("layout,task,seed\nM2,linear," + "|".join(map(str, range(20_000))) + "\n", "more than 10,000 trainings"),
        ("layout,task\n" + "M2,linear\n" * 600_000, "more than 4,194,304 bytes"),
    ],
)
def test_a_table_that_says_more_or_less_than_its_head_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ProbeError) as raised:
        probe.sweep(SweepConfig(table=str(tmp_path / "t.csv"), out=str(tmp_path / "runs")))
    assert sentence in str(raised.value)
