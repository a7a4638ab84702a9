"""Runs Grazzi et al.'s released probing script beside ours, on the same prompts and weights, and compares its numbers.

    python analyses/compare_protocol.py --grazzi FOLDER [--out FILE.md] [--fixture FOLDER]

FOLDER is a clone of automl/is_mamba_capable_of_icl. Its function `eval_icl_learning_curve` runs as it is, on the CPU,
and its numbers are read from the file of comma-separated values that it writes: scale, shift and mean squared error of
every prompt at every layer. From outside it is given what stands in it as the word 'path' (a run folder in their
format), the prompts (drawn beforehand by their samplers or by ours, the same for both), and the number of layers,
which it takes to be 12 or 24; what is not installed is replaced as in official_stand_ins.py. One GPT-2 is trained here
for a short time by their sampler and task, the other models have shaken weights, as in compare_official.py.

Ours reads the same run folder and runs `calibrate_prompts` with the released protocol. A difference is the largest of
a layer, divided by the largest number of that layer, and the worst layer is told; in float64 the two agree to the
last digits, so that what float32 shows is rounding: they fit the line in float32, we in float64. Where the prompts are
ours, `probe fit --head calibrated --protocol released` is run too, and its record's scale, shift and mse of every
layer are compared with the means of the script's numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import sklearn
import torch
import transformers
import yaml
from compare_official import STEP, Case, build, save
from official_stand_ins import official_probing
from torch import Tensor, nn

from probe import FitConfig, fit
from probe.heads.calibrated import PROTOCOLS, calibrate_prompts
from probe.probing.prepare import prepare
from probe.randomness import PromptSource
from probe.tasks.prompts import paired

RELEASED, EXAMPLES = PROTOCOLS["released"], 40
POINTS = EXAMPLES + RELEASED.tested
QUANTITIES = ("scale", "shift", "squared")
COLUMNS = {"scale": "scale", "shift": "shift", "squared": "mse"}  # as the record calls them
STEPS, BATCH, RATE = 400, 32, 3e-3
KEPT = 6  # prompts of the fixture

Numbers = dict[str, Tensor]
"""By quantity, [layer, prompt]."""


@dataclass(frozen=True)
class Comparison:
    """A model with the task it is probed on, by their names and by ours, and who draws the prompts."""

    case: Case
    data: str
    ours: str
    trained: bool = False
    by_us: bool = False

    @property
    def kind(self) -> str:
        """What their script calls the model."""
        return "transformer" if self.case.family == "gpt2" else "mamba"

    @property
    def options(self) -> dict[str, int]:
        """What their script gives the sampler of x."""
        return {"exp": 1} if self.data == "skewed_gaussian" else {}


def comparisons() -> list[Comparison]:
    """Returns what is compared: both kinds of models the script knows and the three tasks."""
    sizes = {"code": "grazzi", "points": EXAMPLES + 1, "positions": 2 * EXAMPLES + 3, "heads": 2}
    skewed = {"data": "skewed_gaussian", "data_kwargs": {"exp": 1}}
    linear = {"task": "linear_regression", "training": skewed, **sizes}
    relu = {"task": "relu_2nn_regression", "training": {"task_kwargs": {"hidden_layer_size": 100}}, **sizes}
    tree = {"task": "decision_tree", "training": {"task_kwargs": {"depth": 4}}, **sizes}
    make: Callable[..., Case] = Case
    small = make("gpt2-trained", family="gpt2", width=16, layers=3, dim=5, **linear)
    deep = make("gpt2", family="gpt2", width=16, layers=12, **relu)
    mamba = make("mamba", family="mamba", width=8, layers=3, dim=5, **tree)
    return [
        Comparison(small, "skewed_gaussian", "skewed_linear", trained=True, by_us=True),
        Comparison(small, "skewed_gaussian", "skewed_linear", trained=True),
        Comparison(deep, "gaussian", "relu_network"),
        Comparison(mamba, "gaussian", "decision_tree"),
    ]


def folder_of(script: ModuleType, one: Comparison, scratch: Path) -> Path:
    """Makes the run folder of a model, once."""
    folder = scratch / "runs" / one.case.name
    if not folder.exists():
        model = build(script_models(script), one.case)
        if one.trained:
            train(script, model, one)
            keep(model, one.case, folder)
        else:
            save(model, one.case, folder, fixture=False)
    return folder


def script_models(script: ModuleType) -> ModuleType:
    """Returns their module `models`, as the script's own loader sees it."""
    models: ModuleType = script.get_model_from_run.__globals__["models"]
    return models


def train(script: ModuleType, model: nn.Module, one: Comparison) -> None:
    """Trains for a short time with the mean squared error of all points, by their sampler and task."""
    torch.manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        x, y = theirs_drawn(script, one, one.case.points, BATCH)
        loss = (model(x, y) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()


def keep(model: nn.Module, case: Case, folder: Path) -> None:
    """Writes a run folder as their train.py does."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.dump(case.config(), default_flow_style=False))
    torch.save({"model_state_dict": model.state_dict(), "train_step": STEP}, folder / "state.pt")


def theirs_drawn(script: ModuleType, one: Comparison, points: int, prompts: int) -> tuple[Tensor, Tensor]:
    """Draws x and y by their samplers: all prompts of one call share one covariance."""
    x = script.get_data_sampler(one.data, n_dims=one.case.dim, **one.options).sample_xs(points, b_size=prompts)
    return x, script.get_task_sampler(one.case.task, one.case.dim, prompts)().evaluate(x)


def config_of(one: Comparison, folder: Path) -> FitConfig:
    """Returns the settings of `probe fit --head calibrated --protocol released` with their number of examples."""
    return FitConfig(
        ckpt=(str(folder),),
        task=one.ours,
        head=("calibrated",),
        context=str(EXAMPLES),
        score=32,  # prompts of the model's own error, which is not asked for here
        protocol="released",
        device="cpu",
    )


def drawn(script: ModuleType, one: Comparison, folder: Path) -> tuple[Tensor, Tensor]:
    """Returns x and y of 64 prompts: those `probe fit` draws, or theirs."""
    if not one.by_us:
        torch.manual_seed(2)
        return theirs_drawn(script, one, POINTS, RELEASED.prompts)
    config = config_of(one, folder)
    (experiment,) = prepare(config)
    prompts = experiment.task.draw(PromptSource(config.seed, "score", range(RELEASED.prompts)), POINTS - 1)
    return prompts.x, prompts.y


def theirs(script: ModuleType, one: Comparison, folder: Path, x: Tensor, y: Tensor, scratch: Path) -> Numbers:
    """Runs their script on given prompts, in the prompts' precision, and returns the numbers it writes."""
    names = ("get_model_from_run", "get_data_sampler", "get_task_sampler")
    before = {name: getattr(script, name) for name in names}

    def load(_: str) -> tuple[nn.Module, object]:
        model, settings = before["get_model_from_run"](folder)
        return model.to(x.dtype), settings

    def sample(points: int, b_size: int) -> Tensor:
        assert (b_size, points) == y.shape, "the script asks for as many prompts and points as were drawn"
        return x

    def layers(*bounds: int) -> range:
        return range(one.case.layers) if bounds in ((12,), (24,)) else range(*bounds)

    script.get_model_from_run = load
    script.get_data_sampler = lambda *_, **__: SimpleNamespace(sample_xs=sample)
    script.get_task_sampler = lambda *_, **__: lambda: SimpleNamespace(evaluate=lambda _: y)
    script.range = layers
    place = scratch / "written" / "src"
    place.mkdir(parents=True)
    try:
        with contextlib.chdir(place), contextlib.redirect_stdout(io.StringIO()):
            script.eval_icl_learning_curve(one.kind, True, one.data, one.case.task)
        (file,) = place.parent.rglob("*.csv")
        return numbers_in(file, one.case.layers)
    finally:
        for name in names:
            setattr(script, name, before[name])
        shutil.rmtree(place.parent)


def numbers_in(file: Path, layers: int) -> Numbers:
    """Reads what their script writes: a row for every layer and prompt."""
    table = pd.read_csv(file)
    values = {
        "scale": [json.loads(text)[0][0] for text in table["coef"]],
        "shift": [json.loads(text)[0] for text in table["intercept"]],
        "squared": table["mse"].tolist(),
    }
    return {name: torch.tensor(column, dtype=torch.float64).view(layers, -1) for name, column in values.items()}


def ours(one: Comparison, folder: Path, x: Tensor, y: Tensor) -> Numbers:
    """Returns our numbers on the same prompts, at the layers the script looks at: what leaves each whole layer."""
    (experiment,) = prepare(config_of(one, folder))
    experiment.checkpoint.model.to(x.dtype)
    found = calibrate_prompts(experiment, paired(x, y, {}), RELEASED, EXAMPLES)
    return {
        name: getattr(found, name)[whole_layers(experiment.checkpoint.stream.description.letters)]
        for name in QUANTITIES
    }


def whole_layers(letters: tuple[str, ...]) -> list[int]:
    """Returns our numbers of their layers: attention and feed-forward are two blocks of ours, of theirs one."""
    return [block + 1 for block, letter in enumerate(letters) if letter != "A"]


def differences(own: Numbers, official: Numbers) -> list[float]:
    """Returns for each quantity the worst layer's largest difference, of its largest number."""
    found = []
    for name in QUANTITIES:
        size = official[name].abs().amax(-1)
        found.append(float(((own[name] - official[name]).abs().amax(-1) / size).max()))
    return found


def recorded(one: Comparison, folder: Path) -> Numbers:
    """Runs `probe fit` itself and returns its record's means, [layer, 1]."""
    record = fit(config_of(one, folder))
    rows = record.table[record.table["head"] == "calibrated"].set_index("layer")
    (about,) = record.provenance["models"].values()
    chosen = rows.loc[whole_layers(tuple(about["letters"]))]
    return {name: torch.tensor(chosen[column].to_numpy())[:, None] for name, column in COLUMNS.items()}


def measure(script: ModuleType, one: Comparison, scratch: Path, fixture: Path | None) -> list[str]:
    """Compares one model's numbers, in both precisions, and returns its rows of the table."""
    folder = folder_of(script, one, scratch)
    x, y = drawn(script, one, folder)
    lines, seen = [], list[Numbers]()
    for dtype in (torch.float32, torch.float64):
        seen.append(theirs(script, one, folder, x.to(dtype), y.to(dtype), scratch))
        lines.append(line(one, str(dtype)[6:], differences(ours(one, folder, x.to(dtype), y.to(dtype)), seen[-1])))
    if one.by_us:
        means = {name: values.mean(-1, keepdim=True) for name, values in seen[0].items()}
        lines.append(line(one, "float32, the record", differences(recorded(one, folder), means)))
        if fixture is not None:
            write_fixture(fixture, folder, x, y, seen)
    return [*lines, *(layer_line(one, i, seen[0]) for i in range(one.case.layers) if one.by_us)]


def line(one: Comparison, precision: str, found: list[float]) -> str:
    """Returns a row of the table of differences."""
    shape = f"{one.case.layers} layers, width {one.case.width}"
    who = "ours" if one.by_us else "theirs"
    numbers = " | ".join(f"{number:.1e}" for number in found)
    return f"| {one.case.name} ({shape}) | {one.ours} | {who} | {precision} | {numbers} |"


def layer_line(one: Comparison, layer: int, official: Numbers) -> str:
    """Returns what their script finds at a layer on average."""
    means = " | ".join(f"{official[name][layer].mean():.4f}" for name in QUANTITIES)
    return f"{one.case.name}, layer {layer + 1} of theirs: {means}"


def write_fixture(fixture: Path, run: Path, x: Tensor, y: Tensor, seen: list[Numbers]) -> None:
    """Writes the run folder with the table of unused word vectors cut short, a few prompts and the official numbers."""
    fixture.mkdir(parents=True, exist_ok=True)
    shutil.copy(run / "config.yaml", fixture)
    state = torch.load(run / "state.pt", weights_only=True)
    weights = state["model_state_dict"]
    weights["_backbone.wte.weight"] = weights["_backbone.wte.weight"][:4].clone()
    torch.save(state, fixture / "state.pt")
    kept = [{name: values[:, :KEPT].clone() for name, values in numbers.items()} for numbers in seen]
    expected = {"x": x[:KEPT].clone(), "y": y[:KEPT].clone(), "float32": kept[0], "float64": kept[1]}
    torch.save(expected, fixture / "expected.pt")


HEAD = """| model | task | prompts drawn by | precision | scale | shift | error |
|---|---|---|---|---|---|---|"""


def page(folder: Path, lines: list[str]) -> str:
    """Returns the tables with what they were made by."""
    commit = subprocess.check_output(["git", "-C", str(folder), "rev-parse", "HEAD"], text=True).strip()
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "scikit-learn": sklearn.__version__,
    }
    rows = [row for row in lines if row.startswith("|")]
    layers = [f"| {row.replace(': ', ' | ')} |" for row in lines if not row.startswith("|")]
    parts = [
        "# The released protocol of the calibrated lens beside the released script",
        "    python analyses/compare_protocol.py --grazzi FOLDER --out FILE.md",
        (__doc__ or "").split("--fixture FOLDER]", 1)[1].strip(),
        f"- automl/is_mamba_capable_of_icl (Grazzi et al., 2024), {commit}",
        f"Python {platform.python_version()}, {', '.join(map(' '.join, versions.items()))}, on the CPU.",
        "Largest relative differences:",
        "\n".join(rows),
        "What their script finds on the prompts that we draw, means over 64 prompts in float32:",
        "\n".join(["| layer | scale | shift | mean squared error |", "|---|---|---|---|", *layers]),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Prints, and writes where asked, the differences; makes the fixture where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grazzi", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fixture", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    lines = [HEAD]
    print(HEAD)
    with tempfile.TemporaryDirectory() as scratch, official_probing(asked.grazzi.resolve()) as script:
        for one in comparisons():
            found = measure(script, one, Path(scratch), asked.fixture and asked.fixture.resolve())
            print(*found, sep="\n", flush=True)
            lines += found
    if asked.out:
        asked.out.write_text(page(asked.grazzi, "\n".join(lines).split("\n")))


if __name__ == "__main__":
    main()
