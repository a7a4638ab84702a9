"""Times whole training steps, and training to a given error, against the papers' own training loop.

    python analyses/benchmarks/training_step.py [--layers 12] [--mamba-blocks 2] [--repeats 3] [--out FILE.md]

The loop of Garg et al. (2022), which both papers trained with, is written out here as their code has it: inputs and
weights from `torch.randn`, answers padded and interleaved with inputs, a model of `transformers` between two linear
maps, the mean squared error at every input, Adam. Its GPT-2 is the papers' own; their Mamba needs a GPU, so
that on a CPU `transformers`' Mamba stands in for it, as it would for any user. Ours is the step of `probe train`,
with its sampling, losses and log. Before anything is timed both must give the same outputs on the same weights
and prompts.

* A step at the papers' sizes: width 256, 20 dimensions, 40 examples and a query, batch 64, GPT-2 of 12 layers; of
  Mamba's 24 blocks `--mamba-blocks`, since one step of all takes the peer minutes. The floor of ours are the products
  of its matrices, forward and backward, alone.
* Time to an error: small models (`--until-width`, 3 dimensions, 7 examples) from the same weights, each on prompts of
  its own, until the last query's mean error of 50 steps is `--until` of predicting zero.

Peers take turns; times are medians; ratios come first.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from report import machine, markdown
from torch import Tensor, nn

from probe import ResidualModel, TrainConfig
from probe.tasks import make
from probe.training.parts import in_parts
from probe.training.plan import RunSettings, TrainPlan, make_plan
from probe.training.run import start
from probe.training.step import take_step

AGREE = 1e-4  # of the largest output, float32 through all layers
BATCH, AVERAGED = 64, 50
MOST_STEPS = 20_000


@dataclass(frozen=True)
class Size:
    """What both are built as."""

    arch: str
    blocks: int
    width: int
    dim: int
    context: int
    lr: float


class Official(nn.Module):
    """A backbone of transformers between two linear maps."""

    def __init__(self, backbone: nn.Module, size: Size) -> None:
        super().__init__()
        self.read_in = nn.Linear(size.dim, size.width)
        self.backbone = backbone
        self.read_out = nn.Linear(size.width, 1)

    def forward(self, xs: Tensor, ys: Tensor) -> Tensor:
        """Returns the answer at every input, [batch, point]."""
        batch, points, dim = xs.shape
        wide = torch.cat([ys[..., None], ys.new_zeros(batch, points, dim - 1)], dim=-1)
        tokens = torch.stack([xs, wide], dim=2).view(batch, 2 * points, dim)
        hidden = self.backbone(inputs_embeds=self.read_in(tokens)).last_hidden_state
        answers: Tensor = self.read_out(hidden)[:, ::2, 0]
        return answers


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    steps, ends = [], []
    sizes = (
        Size("transformer", 2 * arguments.layers, 256, 20, 40, 1e-4),
        Size("mamba", arguments.mamba_blocks, 256, 20, 40, 1e-4),
    )
    small = tuple(Size(arch, 6, arguments.until_width, 3, 7, 1e-3) for arch in ("transformer", "mamba"))
    for size in sizes:
        plan, model, official = built(size)
        if not (off := disagreement(model, official, plan)) < AGREE:
            print(f"The outputs of {size.arch} differ by {off:.1e}; nothing was timed.", file=sys.stderr)
            return 1
        steps.append(a_step(size, plan, official, arguments.repeats))
        print(f"{size.arch}: step timed", file=sys.stderr, flush=True)
    for size in small:
        ends.append(to_an_error(size, arguments.until))
        print(f"{size.arch}: trained to {arguments.until:g}", file=sys.stderr, flush=True)
    text = f"{machine(arguments.threads)}, float32, batch {BATCH}; a training step\n\n"
    text += markdown(["theirs / ours", "ours / floor", "model", "ours s", "theirs s", "floor s"], steps)
    text += f"\n\nTraining until the last query's error is {arguments.until:g} of predicting zero\n\n"
    text += markdown(["theirs / ours", "model", "ours s", "theirs s", "our steps", "their steps"], ends) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--layers", type=int, default=12, help="of the transformer at the papers' size")
    parser.add_argument("--mamba-blocks", type=int, default=2, help="of the Mamba at the papers' size")
    parser.add_argument("--repeats", type=int, default=3, help="steps a median is taken over")
    parser.add_argument("--until", type=float, default=0.5, help="the error to train to")
    parser.add_argument("--until-width", type=int, default=32, help="of the models trained to it")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    return parser.parse_args()


def built(size: Size) -> tuple[TrainPlan, ResidualModel, Official]:
    """Returns a plan of ours, its model, and the official one with the same weights."""
    plan = make_plan(
        TrainConfig(
            out="unused.pt",
            task="linear",
            arch=size.arch,
            blocks=size.blocks,
            width=size.width,
            dim=size.dim,
            context=size.context,
            attention_heads=None if size.arch == "mamba" else max(1, size.width // 32),
            batch=BATCH,
            lr=size.lr,
            schedule="constant",
            warmup=0,
            clip=0.0,
            curriculum=False,
        )
    )
    model = start(plan, torch.device("cpu"), RunSettings(), "").model
    official = Official(BACKBONES[size.arch](model, size), size)
    official.read_in.load_state_dict(model.read_in.state_dict())
    official.read_out.load_state_dict(model.read_out.state_dict())
    return plan, model, official


def gpt2(model: ResidualModel, size: Size) -> nn.Module:
    """Returns a GPT-2 with our weights, which stand transposed there."""
    from transformers import GPT2Config, GPT2Model

    backbone = GPT2Model(
        GPT2Config(
            vocab_size=1,
            bos_token_id=0,
            eos_token_id=0,
            n_positions=2 * (size.context + 1),
            n_embd=size.width,
            n_layer=size.blocks // 2,
            n_head=max(1, size.width // 32),
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
        )
    )
    weights = {"wte.weight": backbone.wte.weight, "wpe.weight": backbone.wpe.weight.detach().clone()}
    # ours has no place for the last answer, which nobody reads beyond
    weights["wpe.weight"][:-1] = model.positions.weight.detach()
    for place, block in enumerate(model.blocks):
        layer, second = divmod(place, 2)
        norm, mixer = ("ln_2", "mlp") if second else ("ln_1", "attn")
        weights |= {f"h.{layer}.{norm}.{name}": value for name, value in block.norm.state_dict().items()}
        for name, value in block.mixer.state_dict().items():
            weights[f"h.{layer}.{mixer}.{name}"] = value.T if value.ndim == 2 else value
    weights |= {f"ln_f.{name}": value for name, value in model.norm_f.state_dict().items()}
    backbone.load_state_dict({name: value.contiguous() for name, value in weights.items()})
    return backbone


def mamba(model: ResidualModel, size: Size) -> nn.Module:
    """Returns transformers' Mamba with our weights, by the same names."""
    from transformers import MambaConfig, MambaModel

    config = MambaConfig(vocab_size=1, hidden_size=size.width, num_hidden_layers=size.blocks, use_cache=False)
    backbone = MambaModel(config)
    for layer, block in zip(backbone.layers, model.blocks, strict=True):
        layer.load_state_dict(block.state_dict())
    backbone.norm_f.load_state_dict(model.norm_f.state_dict())
    return backbone


BACKBONES: dict[str, Callable[[ResidualModel, Size], nn.Module]] = {"transformer": gpt2, "mamba": mamba}


@torch.no_grad()
def disagreement(model: ResidualModel, official: Official, plan: TrainPlan) -> float:
    """Returns the largest difference of answers on the same prompts, of the largest answer."""
    xs, ys = official_prompts(plan)
    tokens = torch.stack([xs, torch.cat([ys[..., None], xs.new_zeros(*xs.shape[:2], plan.dim - 1)], -1)], 2).flatten(
        1, 2
    )
    ours, theirs = model(tokens[:, :-1])[:, ::2, 0], official(xs, ys)
    return float((ours - theirs).abs().max() / ours.abs().max())


def official_prompts(plan: TrainPlan) -> tuple[Tensor, Tensor]:
    """Draws a batch as the official samplers do."""
    xs = torch.randn(BATCH, plan.context + 1, plan.dim)
    return xs, (xs @ torch.randn(BATCH, plan.dim, 1))[:, :, 0]


def official_steps(official: Official, plan: TrainPlan) -> Iterator[float]:
    """Trains, yielding the last input's squared error of each step, of the mean squared answer."""
    optimiser = torch.optim.Adam(official.parameters(), lr=plan.lr)
    while True:
        xs, ys = official_prompts(plan)
        optimiser.zero_grad()
        output = official(xs, ys)
        loss = (ys - output).square().mean()
        loss.backward()
        optimiser.step()
        loss.detach().item()
        # what the official loop computes for its log
        pointwise = (ys - output.detach()).square().mean(dim=0)
        yield float(pointwise[-1] / plan.dim)


def our_steps(plan: TrainPlan) -> Iterator[float]:
    """Trains by the step of `probe train`, yielding the last query's error of each step."""
    settings = RunSettings(device="cpu", threads=torch.get_num_threads())
    run = start(plan, torch.device("cpu"), settings, "")
    task = make(plan.task, plan.dim)
    with in_parts(plan, settings) as parts:
        while True:
            take_step(run, plan, task, parts)
            _, _, squared, zero = run.sums.tolist()
            run.sums.zero_()
            yield squared / zero


def a_step(size: Size, plan: TrainPlan, official: Official, repeats: int) -> list[str]:
    """Times steps in turns and returns a row of the first table."""
    floor = products(size)
    peers: dict[str, Callable[[], object]] = {
        "ours": our_steps(plan).__next__,
        "theirs": official_steps(official, plan).__next__,
        "floor": floor,
    }
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for round_ in range(repeats + 1):
        for name, step in peers.items():
            seconds = timed(step)
            if round_:
                spent[name].append(seconds)
    ours, theirs, least = (statistics.median(seconds) for seconds in spent.values())
    called = f"{size.arch}, {size.blocks} blocks, width {size.width}, {2 * size.context + 1} tokens"
    ratios = [f"{theirs / ours:.1f}", f"{ours / least:.2f}"]
    return [*ratios, called, f"{ours:.3f}", f"{theirs:.3f}", f"{least:.3f}"]


def products(size: Size) -> Callable[[], None]:
    """Returns what multiplies every matrix of the blocks forward, and twice backward, and nothing else."""
    _, model, _ = built(size)
    rows = BATCH * (2 * size.context + 1)
    matrices = [part for name, part in model.blocks.named_parameters() if part.ndim == 2 and "A_log" not in name]
    pairs = []
    for matrix in matrices:
        linear = matrix.detach()
        pairs.append((linear, torch.randn(rows, linear.shape[1]), torch.randn(rows, linear.shape[0])))

    def run() -> None:
        for matrix, given, gradient in pairs:
            given @ matrix.T
            gradient @ matrix
            gradient.T @ given

    return run


def to_an_error(size: Size, until: float) -> list[str]:
    """Trains both to an error and returns a row of the second table."""
    plan, _, official = built(size)
    torch.manual_seed(0)
    ours, our_count = trained(our_steps(plan), until)
    theirs, their_count = trained(official_steps(official, plan), until)
    called = f"{size.arch}, {size.blocks} blocks, width {size.width}, {2 * size.context + 1} tokens"
    return [f"{theirs / ours:.1f}", called, f"{ours:.1f}", f"{theirs:.1f}", f"{our_count:,}", f"{their_count:,}"]


def trained(steps: Iterator[float], until: float) -> tuple[float, int]:
    """Takes steps until the mean of the last errors is small; returns the seconds and the steps."""
    last: deque[float] = deque(maxlen=AVERAGED)
    began = time.perf_counter()
    for count, error in enumerate(steps, start=1):
        last.append(error)
        if (count >= AVERAGED and statistics.fmean(last) <= until) or count == MOST_STEPS:
            break
    return time.perf_counter() - began, count


def timed(call: Callable[[], object]) -> float:
    """Returns the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
