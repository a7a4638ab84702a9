"""Runs every verb once on small models, in the environment at hand, and says whether all of them ended well.

    python .ci/smoke.py FOLDER

The folder is where the files are written; the repository's own checkpoints are read, none of its files is changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SMALL = "--dim 2 --width 16 --context 4 --steps 20 --batch 8 --threads 1"
FEW = "--prompts 256 --score 64"


def commands(checkpoints: Path) -> Iterator[str]:
    """Yields the verbs with their flags, each of which reads what those before it wrote."""
    yield f"train --arch mamba --blocks 3 --task linear {SMALL} --out m.pt"
    yield f"train --arch transformer --blocks 4 --task linear {SMALL} --out t.pt"
    Path("table.csv").write_text("layout,task,dim,width,context,steps,batch,seed\nM2,linear,2,16,4,10,8,0|1\n")
    yield "sweep table.csv --out sweep"
    yield f"fit --ckpt m.pt t.pt --task linear --head linear normed lens {FEW} --out fit"
    yield f"fit --ckpt m.pt --task linear --head linear --target w {FEW} --out fit-w"
    yield "evaluate --ckpt m.pt --task linear --prompting standard isotropic --prompts 64 --out evaluate"
    yield f"compare --ckpt m.pt t.pt --task linear {FEW} --out compare"
    yield f"claim --ckpt m.pt --task linear {FEW} --asked 32 --skip known states influence causes nulls --out claim"
    yield "plot fit.csv --kind heatmap --out map.pdf"
    yield "plot m-training.csv --kind training --out training.svg"
    yield "view fit.csv evaluate.csv compare.csv claim.csv m-training.csv --out page.html"
    yield "check --ckpt m.pt"
    yield "convert --ckpt m.pt --out parts --part-megabytes 1"
    yield "check --ckpt parts"
    yield f"check --ckpt {checkpoints / 'mamba.pt'}"
    if Path("language").is_dir():
        yield "check --ckpt language"
    yield "list"


def main() -> int:
    """Runs all of them and returns 0, or 1 after the first that fails."""
    checkpoints = Path(__file__).resolve().parent.parent / "checkpoints"
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    from probe.cli import main as probe

    try:
        print(f"transformers {version('transformers')}")
        _language_model()
    except PackageNotFoundError:
        print("transformers is not installed: no language model is read")
    for command in commands(checkpoints):
        code = probe(command.split())
        if code != 0:
            print(f"probe {command} ended with {code}", file=sys.stderr)
            return 1
    print("every verb ended well")
    return 0


def _language_model() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=2, n_head=2)).save_pretrained(
        "language"
    )


if __name__ == "__main__":
    sys.exit(main())
