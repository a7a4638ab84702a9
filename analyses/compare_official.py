"""Builds every official model beside ours on the same weights and compares outputs and every layer's stream.

    python analyses/compare_official.py --garg FOLDER --grazzi FOLDER --park FOLDER [--out FILE.md] [--fixtures FOLDER]

The folders are clones of dtsip/in-context-learning, automl/is_mamba_capable_of_icl and krafton-ai/mambaformer-icl.
Their model classes run as they are, on the CPU; what needs CUDA or is not installed is replaced by the stand-ins in
official_stand_ins.py: the fused scan by a plain loop, the fused RMSNorm by its formula, the fused convolution by their
own fallback. Every model takes one step of Adam, every trained parameter is shaken (zeros and ones would hide a key
that is exchanged), the run folder is saved as train.py saves it, read by `probe`, and both models see the same tokens,
in float32 and in float64. A difference is the largest of a layer, divided by the largest number of that layer; where
layers enlarge rounding, as 24 of the RNN do, float64 shows that the functions are the same. With --fixtures the small
models are written there without the step of Adam, with the numbers that the official code gives.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import transformers
import yaml
from official_stand_ins import SOURCES, official_models
from torch import Tensor, nn

from probe import NativeModel, load_checkpoint
from probe.capture import capture

BATCH = 2


@dataclass(frozen=True)
class Case:
    """One official model: what stands in its config.yaml, of which code base, and how many points it is shown."""

    name: str
    code: str
    family: str
    width: int
    layers: int
    task: str
    points: int
    positions: int
    dim: int = 20
    heads: int = 8
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    kept: bool = False

    def config(self) -> dict[str, Any]:
        """Returns the resolved configuration, as the code base's schema completes it."""
        model = {
            "family": self.family,
            "n_positions": self.positions,
            "n_dims": self.dim,
            "n_embd": self.width,
            "n_layer": self.layers,
            "n_head": self.heads,
            **OWN_KEYS[self.code],
            **self.model,
        }
        points = {"start": 2, "end": self.points, "inc": 2, "interval": 2000}
        training = {
            "task": self.task,
            "task_kwargs": {},
            "data": "gaussian",
            "batch_size": 64,
            "learning_rate": 1e-4,
            "train_steps": 500001,
            "num_tasks": None,
            "num_training_examples": None,
            "curriculum": {"dims": {"start": 1, "end": self.dim, "inc": 1, "interval": 2000}, "points": points},
            **self.training,
        }
        return {"model": model, "training": training, "out_dir": "../models", "test_run": False, "wandb": {}}


OWN_KEYS: dict[str, dict[str, Any]] = {
    "garg": {},
    "grazzi": {"remove_pos_embedding": True},
    "park": {"interleave": True, "vocab_size": -1, "mixed_attn": None},
}
STEP = 400_000


def cases(width: int, layers: int, dim: int, points: int, heads: int, state: int) -> list[Case]:
    """Returns every official family at a size; hybrids have two blocks a layer, and Mamba too, as published."""
    sizes = {"width": width, "dim": dim, "points": points, "positions": 2 * points + 1}
    one, two = {"layers": layers, "heads": heads, **sizes}, {"layers": 2 * layers, **sizes}
    skewed = {"data": "skewed_gaussian", "data_kwargs": {"exp": 1}, "seed": 1}
    ortho = {"data": "filter", "data_sampler_kwargs": {"prob": 0.5}}
    retrieval: dict[str, Any] = {"model": {"interleave": False}, "training": {"data": "gaussian_for_retrieval"}}
    symbols: dict[str, Any] = {
        "model": {"interleave": False, "vocab_size": 2 * points},
        "training": {"data": "unique_key_tokens_fixed_query", "task_kwargs": {"chain_depth": 1}},
    }
    sparse, wide = {"task_kwargs": {"sparsity": 2}}, {"task_kwargs": {"hidden_layer_size": 100}}
    deep, parity = {"task_kwargs": {"depth": 4}}, {"task_kwargs": {"k": 2}, "data": "sparse_parity_sampler"}
    make: Callable[..., Case] = Case
    return [
        make("garg-gpt2", "garg", "gpt2", task="sparse_linear_regression", training=sparse, **one),
        make("grazzi-gpt2", "grazzi", "gpt2", task="linear_regression", training=skewed, **one),
        make("grazzi-mamba", "grazzi", "mamba", task="relu_2nn_regression", training=wide, kept=True, **two),
        make("grazzi-s4", "grazzi", "s4", task="decision_tree", training=deep, **{**two, "width": state}),
        make("park-gpt2", "park", "gpt2", task="sparse_parity", training=parity, **one),
        make("park-gpt2-retrieval", "park", "gpt2", task="retrieval", **one, **retrieval),
        make("park-gpt2-symbols", "park", "gpt2", task="token_induction_head", **one, **symbols),
        make("park-mamba", "park", "mamba", task="linear_regression", **two),
        make("park-standard", "park", "tf-mamba", task="linear_regression", model={"mixed_attn": "standard"}, **two),
        make(
            "park-mambaformer",
            "park",
            "tf-mamba",
            task="filter_ortho_linear_regression",
            model={"mixed_attn": "mambaformer"},
            training=ortho,
            **two,
        ),
        make("park-hybrid", "park", "tf-mamba", task="linear_regression", model={"mixed_attn": "plain"}, **two),
        make("park-s4d", "park", "s4d", task="linear_regression", **two),
        make("park-s4-mamba", "park", "s4-mamba", task="linear_regression", **two),
        make("park-rnn", "park", "rnn", task="linear_regression", kept=True, **two),
    ]


SMALL = cases(width=8, layers=1, dim=3, points=4, heads=2, state=6)
PAPER = cases(width=256, layers=12, dim=20, points=41, heads=8, state=435)


def build(models: ModuleType, case: Case) -> nn.Module:
    """Returns an official model after one step of Adam, with every trained parameter shaken."""
    torch.manual_seed(0)
    model = models.build_model(SimpleNamespace(**case.config()["model"]))
    for module in model.modules():
        if hasattr(module, "use_fast_path"):
            module.use_fast_path = False
    return model


def save(model: nn.Module, case: Case, folder: Path, fixture: bool) -> Path:
    """Saves a run as train.py does and returns the path to read; in a fixture the unused table is cut short."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    if not fixture:
        run(model, tokens_for(case)).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                # by the inputs of a matrix, so that deep stacks stay as stable as they start
                spread = 0.1 if parameter.ndim == 1 else 0.1 / parameter.shape[-1] ** 0.5
                parameter.add_(spread * torch.randn_like(parameter))
    weights = dict(model.state_dict())
    if fixture and "_backbone.wte.weight" in weights:
        weights["_backbone.wte.weight"] = weights["_backbone.wte.weight"][:4].clone()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.dump(case.config(), default_flow_style=False))
    state = {"model_state_dict": weights, "optimizer_state_dict": optimiser.state_dict(), "train_step": STEP}
    if not case.kept:
        torch.save(state, folder / "state.pt")
        return folder
    # Garg et al. and Grazzi et al. keep the weights alone, Park et al. the whole state
    kept = folder / f"model_{STEP}.pt"
    torch.save(state if case.code == "park" else weights, kept)
    return kept


def tokens_for(case: Case) -> Tensor:
    """Returns a batch of tokens: pairs x, y with y in the first coordinate, vectors, or symbols."""
    source = torch.Generator().manual_seed(1)
    if case.model.get("vocab_size", -1) > 0:
        return torch.randint(case.model["vocab_size"], (BATCH, 2 * case.points + 1), generator=source)
    if not case.model.get("interleave", True):
        return torch.randn(BATCH, 2 * case.points + 1, case.dim, generator=source)
    tokens = torch.randn(BATCH, 2 * case.points, case.dim, generator=source)
    tokens[:, 1::2, 1:] = 0
    return tokens


def run(model: nn.Module, tokens: Tensor) -> Tensor:
    """Runs an official model: its predictions at every x, or at the last token of other sequences."""
    if not getattr(model, "interleave", True):
        return model(tokens, None)
    ys = tokens[:, 1::2]
    return model(tokens[:, ::2], ys if hasattr(model, "interleave") else ys[..., 0])


def streams(model: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Returns an official model's stream at every layer, [layer, batch, time, width], and its output."""
    seen: list[Tensor] = []
    with ExitStack() as hooks:
        for module, read in places(model):
            if read is None:
                handle = module.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
            else:
                handle = module.register_forward_hook(lambda module, given, got, read=read: seen.append(read(got)))
            hooks.callback(handle.remove)
        with torch.no_grad():
            output = run(model, tokens)
    return torch.stack(seen), output


def places(model: nn.Module) -> list[tuple[nn.Module, Callable[[Any], Tensor] | None]]:
    """Returns where an official model's stream passes: a module and how its output is read, None for its input."""
    if hasattr(model, "s4_layers"):
        return [(model.encoder, torch.clone), *((norm, torch.clone) for norm in model.norms)]
    if hasattr(model, "rnn_layers"):
        return [(model._read_in, torch.clone), *((norm, torch.clone) for norm in model.ln_layers)]
    if hasattr(model._backbone, "h"):
        norms = [norm for layer in model._backbone.h for norm in (layer.ln_1, layer.ln_2)]
        return [(norm, None) for norm in (*norms, model._backbone.ln_f)]
    layers = getattr(model._backbone, "backbone", model._backbone).layers
    return [(layers[0], None), *((layer, sum) for layer in layers)]


def compare(model: nn.Module, ours: NativeModel, tokens: Tensor, last: bool) -> tuple[Tensor, Tensor, float, float]:
    """Returns the official stream and output, and the largest differences of ours, of each layer's largest number."""
    assert len(ours.places) == len(places(model)), "both have the same layers"
    stream, output = streams(model, tokens)
    captured = capture(ours, tokens, torch.arange(tokens.shape[1]))
    own = captured.output[:, -1] if last else captured.output[:, ::2, 0]
    size = stream.abs().amax(dim=(1, 2, 3))
    layers = (captured.stream - stream).abs().amax(dim=(1, 2, 3)) / size
    return stream, output, float(layers.max()), float((own - output).abs().max() / output.abs().max())


def measure(models: ModuleType, case: Case, folder: Path, fixture: bool = False) -> str:
    """Compares one official model with ours and returns its row of the table."""
    model, tokens = build(models, case), tokens_for(case)
    read = load_checkpoint(str(save(model, case, folder, fixture)))
    last = not getattr(model.eval(), "interleave", True)
    stream, output, *single = compare(model, read.stream, tokens, last)
    if fixture:
        torch.save({"tokens": tokens, "stream": stream, "output": output}, folder / "expected.pt")
    wide = tokens if tokens.dtype == torch.long else tokens.double()
    read.model.double()
    _, _, *double = compare(model.double(), read.stream, wide, last)
    layout, width = read.stream.description.layout, read.stream.width
    numbers = " | ".join(f"{number:.1e}" for number in (*single, *double))
    dropped = sorted({key.split(".")[-2] for key in read.description["source"]["left_out"]})
    return f"| {case.name} | `{layout}` | {width} | {read.task} | {', '.join(dropped) or '-'} | {numbers} |"


HEAD = """| model | layout | width | task | left out | stream, float32 | output | stream, float64 | output |
|---|---|---|---|---|---|---|---|---|"""


REPOSITORIES = {
    "garg": "dtsip/in-context-learning (Garg et al., 2022)",
    "grazzi": "automl/is_mamba_capable_of_icl (Grazzi et al., 2024)",
    "park": "krafton-ai/mambaformer-icl (Park et al., 2024)",
}


def page(folders: dict[str, Path], lines: list[str]) -> str:
    """Returns the table with what it was made by: commits, versions, command."""
    commits = []
    for code, folder in folders.items():
        asked = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        commits.append(f"- {code}: {REPOSITORIES[code]}, {subprocess.check_output(asked, text=True).strip()}")
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    command = "python analyses/compare_official.py --garg FOLDER --grazzi FOLDER --park FOLDER --out FILE.md"
    about = (__doc__ or "").split("--fixtures FOLDER]", 1)[1].strip()
    parts = [
        "# Official models beside ours, on the same weights",
        f"    {command}",
        about,
        "\n".join(commits),
        f"{versions}, on the CPU.",
        "\n".join(lines),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Prints, and writes where asked, the table of largest differences; makes the fixtures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for code in SOURCES:
        parser.add_argument(f"--{code}", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fixtures", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    lines = [HEAD]
    with tempfile.TemporaryDirectory() as scratch:
        for code in SOURCES:
            with official_models(code, getattr(asked, code).resolve()) as models:
                for size, chosen in (("small", SMALL), ("paper", PAPER)):
                    for case in (case for case in chosen if case.code == code):
                        keep = asked.fixtures if size == "small" else None
                        folder = Path(keep or scratch) / case.name
                        lines.append(measure(models, case, folder, fixture=keep is not None))
                        print(lines[-1], flush=True)
    if asked.out:
        asked.out.write_text(page({code: getattr(asked, code) for code in SOURCES}, lines))


if __name__ == "__main__":
    main()
