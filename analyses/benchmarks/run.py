"""Runs every benchmark, one after another, and writes each one's table beside its script.

    python analyses/benchmarks/run.py [NAME ...] [--quick] [--folder FOLDER]

Takes about an hour and a half on two cores, on which nothing else should run; a name or several run those alone.
`--quick` runs all at toy sizes in minutes, to see that they work: its tables say nothing and go to a folder of
their own, which must be given. Peers that are not installed are left out by the benchmark that would ask them:
`pip install himalaya mambapy` adds those that no extra of this project brings.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE.parent.parent / "figures"
QUICK: dict[str, list[str]] = {
    "startup": ["--repeats", "1"],
    "capture": ["--batch", "4", "--width", "32", "--blocks", "2", "--repeats", "2"],
    "heads": [
        "--prompts",
        "256",
        "--layers",
        "2",
        "--contexts",
        "2",
        "--width",
        "16",
        "--cells",
        "2",
        "--repeats",
        "1",
    ],
    "fit_overhead": ["--width", "16", "--dim", "3", "--context", "4", "--prompts", "512", "--repeats", "1"],
    "fit_memory": ["--prompts", "256", "512", "--blocks", "1", "--width", "8", "--score", "64", "--repeats", "1"],
    "state_memory": [
        "--tokens",
        "256",
        "--naive",
        "64",
        "--width",
        "64",
        "--blocks",
        "2",
        "--symbols",
        "100",
    ],
    "fit_against_script": ["--prompts", "1024", "--repeats", "1"],
    "mamba_block": ["--sizes", "16x22", "--batch", "4", "--repeats", "2", "--reference-repeats", "1"],
    "sequence_mixers": ["--lengths", "16", "--tokens", "64", "--width", "16"],
    "fused": ["--sizes", "2x9x2x16", "--repeats", "1"],
    "one_thread": ["--channels", "16", "--tokens", "9", "--width", "16", "--repeats", "1"],
    "claim_time": [
        "--prompts",
        "256",
        "--score",
        "64",
        "--asked",
        "32",
        "--skip",
        "known",
        "states",
        "causes",
        "online",
    ],
    "training_step": [
        "--layers",
        "1",
        "--mamba-blocks",
        "1",
        "--repeats",
        "1",
        "--until",
        "1.5",
        "--until-width",
        "32",
    ],
    "step_parts": ["--repeats", "1"],
    "command_time": ["--prompts", "256", "--repeats", "1"],
    "beside_others": ["--prompts", "256", "--steps", "2", "--repeats", "1"],
    "data_memory": ["--prompts", "300"],
    "training_memory": ["--sizes", "M1:16x9", "--batch", "4", "--repeats", "1"],
    "sampling": ["--repeats", "1"],
    "pages": ["--rows", "1000", "--repeats", "1"],
    "growth": ["--most", "1", "--axes", "prompts"],
}
"""Every benchmark that needs no GPU, and the flags by which it is over soon."""


def main() -> int:
    """Runs them and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(QUICK)}; all unless given")
    parser.add_argument("--quick", action="store_true", help="at toy sizes")
    parser.add_argument("--folder", type=Path, help="where the tables go")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in QUICK]
    if unknown:
        parser.error(f"{unknown[0]} is no benchmark. Choose of {', '.join(QUICK)}.")
    if arguments.quick and arguments.folder is None:
        parser.error("--quick was given without --folder, and its tables must not replace real ones. Give a folder.")
    folder = arguments.folder or HERE
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in arguments.names or QUICK:
        began = time.perf_counter()
        command = [sys.executable, str(HERE / f"{name}.py"), *(QUICK[name] if arguments.quick else [])]
        command += (
            [
                "--picture",
                str(folder / "benchmark-growth.png" if arguments.folder else FIGURES / "benchmark-growth.png"),
            ]
            if name == "growth"
            else []
        )
        code = subprocess.run([*command, "--out", str(folder / f"{name}.md")], check=False).returncode
        print(f"{name}: exit code {code} after {time.perf_counter() - began:.0f} s\n", file=sys.stderr, flush=True)
        failed += [name] if code else []
    if failed:
        print(f"{', '.join(failed)} did not end well: see above.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
