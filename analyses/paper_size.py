"""Trains at the papers' size on a GPU in a given time, ships and probes the models, and draws figure 3d beside ours.

    python analyses/paper_size.py [--arch mamba transformer] [--task skewed_linear] [--minutes 25]

For each architecture: times a few hundred steps of the largest prompts, chooses as many steps as the minutes allow
(never more than the published 500,001), trains by `probe train --preset grazzi --compile --precision bfloat16` with the
whole schedule fitted to them, and converts the result to checkpoints/paper-ARCH, a folder of files of 15 MB. Then the
calibrated lens by the published protocol, its record and picture in figures/. A run that was cut short is resumed by
the same command.

Expected on an H100, and not measured: Mamba's products are 0.33 TFLOP a step (6 x parameters x tokens), and about 10 GB
pass through memory (24 blocks, 40 tensors of 64 x 82 x 512 float32 each): 1 and 3 ms at the card's peaks, so that 25
minutes hold at most 370,000 steps. Some 3,000 kernels launched one by one, 5 us each, would take 15 ms: 100,000 steps.

With --toy it does the same to tiny models on the CPU, to see that every command works.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
from curves import by_layer
from published import layers

from probe import load_record
from probe.plots import Panels, curve_panels, save_figure

ROOT = Path(__file__).parent.parent
PUBLISHED_STEPS = 500_001
WANTED_STEPS = 100_000
TIMED = 300
FAST = ["--compile", "--precision", "bfloat16", "--device", "cuda"]
TOY = ["--blocks", "2", "--width", "16", "--dim", "20", "--context", "12", "--batch", "4", "--device", "cpu"]
NAMES = {"mamba": "Mamba", "transformer": "Transformer"}


def main() -> int:
    """Trains, converts, probes and draws."""
    arguments = parse()
    arguments.work.mkdir(parents=True, exist_ok=True)
    steps = {arch: train(arch, arguments) for arch in arguments.arch}
    for arch in arguments.arch:
        trained, shipped = arguments.work / f"paper-{arch}.pt", arguments.checkpoints / f"paper-{arch}"
        probe("convert", "--ckpt", trained, "--out", shipped, "--part-megabytes", 15, "--overwrite")
    record = arguments.figures / f"paper-size-{arguments.task}"
    size = (
        ["--protocol", "released", "--context", 12] if arguments.toy else ["--protocol", "published", "--context", 40]
    )
    ckpt = [arguments.checkpoints / f"paper-{arch}" for arch in arguments.arch]
    probe("fit", "--ckpt", *ckpt, "--task", arguments.task, "--head", "calibrated", *size, "--out", record)
    draw(record, steps, arguments)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", choices=list(NAMES), default=list(NAMES), help="what to train")
    parser.add_argument("--task", default="skewed_linear", help="on what")
    parser.add_argument("--minutes", type=float, default=25.0, help="of training for each")
    parser.add_argument("--work", type=Path, default=ROOT / ".runs" / "paper", help="where states are kept")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints", help="where models go")
    parser.add_argument("--figures", type=Path, default=ROOT / "figures", help="where record and picture go")
    parser.add_argument("--toy", action="store_true", help="a tiny model on the CPU")
    return parser.parse_args()


def train(arch: str, arguments: argparse.Namespace) -> int:
    """Trains one architecture, or goes on with it; returns its steps."""
    out = arguments.work / f"paper-{arch}.pt"
    common = ["--arch", arch, "--task", arguments.task, "--preset", "grazzi", *(TOY if arguments.toy else FAST)]
    state = out.with_name(out.name + ".state")
    if state.is_file():
        probe("train", "--resume", "--out", out)
    else:
        seconds = seconds_a_step(arch, common, arguments)
        steps = 40 if arguments.toy else min(PUBLISHED_STEPS, int(60 * arguments.minutes / seconds))
        if steps < WANTED_STEPS:
            print(
                f"{arch}: {1e3 * seconds:.1f} ms a step allow {steps:,} steps, fewer than {WANTED_STEPS:,}.", flush=True
            )
        probe("train", *common, "--steps", steps, "--out", out)
    return int(load_record(out.with_name(f"{out.stem}-training")).table["step"].max())


def seconds_a_step(arch: str, common: list[str], arguments: argparse.Namespace) -> float:
    """Returns what a step of the largest prompts takes, after the first hundred, which compile."""
    trial = arguments.work / f"trial-{arch}.pt"
    probe("train", *common, "--curriculum", "False", "--steps", TIMED, "--out", trial, "--overwrite")
    log = load_record(trial.with_name(f"{trial.stem}-training")).table
    later = log[log["step"] >= TIMED // 3]
    return float(
        (later["seconds"].iloc[-1] - later["seconds"].iloc[0]) / (later["step"].iloc[-1] - later["step"].iloc[0])
    )


def draw(record: Path, steps: dict[str, int], arguments: argparse.Namespace) -> None:
    """Draws the published curves of figure 3d behind ours."""
    measured = load_record(record)
    names = {f"paper-{arch}": NAMES[arch] for arch in arguments.arch}
    printed = layers(["3d"])
    curves = pd.concat([printed[printed["series"].isin(names.values())], by_layer(measured, "3d", names, "calibrated")])
    told = ", ".join(f"{NAMES[arch]} {count:,}" for arch, count in steps.items())
    panels = Panels(
        titles={"3d": "3d  skewed linear regression, 20 dimensions"},
        x_label="depth (share of blocks)",
        y_label="normalised error",
        sources={
            "measured": f"here, steps: {told}",
            "published": f"Grazzi et al., fig. 3, {PUBLISHED_STEPS:,} steps",
        },
        colours={name: place for place, name in enumerate(NAMES.values())},
        levels={"3d": 1.0},
    )
    save_figure(curve_panels(curves, panels), record.with_suffix(".png"))


def probe(*words: object) -> None:
    """Runs a command of probe that must succeed."""
    subprocess.run([sys.executable, "-m", "probe", *map(str, words)], check=True)


if __name__ == "__main__":
    sys.exit(main())
