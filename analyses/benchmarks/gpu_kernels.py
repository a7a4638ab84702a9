"""Times the Triton kernels on a GPU against what moving their bytes would take, and against their peers.

    python analyses/benchmarks/gpu_kernels.py [--dtype float32|bfloat16] [--repeats N] [--expected TB_PER_S]

The selective scan stands beside mamba-ssm, RWKV-4's WKV beside its form of matrices (at the lengths that this is for).
First checks every kernel against its float64 reference, and stops if one is off. Then prints a table in markdown:
median microseconds of a forward pass and of a forward and backward pass, each call from a cold second-level cache. The
floor is the time in which a plain copy would move the same bytes: every activation read and every result written once.
``back_to_back_us`` is the time a call takes with nothing between calls, launches included: where it exceeds the
kernel's own time, the launches are what costs.

``--expected`` prints the floors alone, at a bandwidth that is given, and needs no GPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from report import markdown
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels import selective_scan, wkv4
from probe.kernels.backends import load

COLUMNS = ["operation", "batch", "tokens", "channels", "pass", "kernel"]
COLUMNS += ["floor_us", "median_us", "times_floor", "back_to_back_us"]
STATES = 16
# batch, tokens, channels: the study's model first, then longer and longer prompts
SHAPES = ((64, 82, 512), (64, 22, 128), (64, 512, 512), (16, 2048, 512), (64, 2048, 512), (4, 8192, 512))
CHECKED = (4, 82, 512)
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2**-7}
# larger than the second-level cache of any present GPU
FLUSHED_BYTES = 2**28

Shape = tuple[int, int, int]
Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Operation:
    """One operation: its kernels, how its inputs are drawn, and what must pass through memory.

    Args:
        longest: the longest prompt a kernel is timed on.
        channels_wide: tensors of [batch, tokens, channels] read and written in a forward, and with a backward pass.
        states_wide: tensors of [batch, tokens, states], likewise.
    """

    backends: Mapping[str, str]
    longest: Mapping[str, int | None]
    draw: Callable[[Shape, torch.dtype, str], Inputs]
    channels_wide: tuple[int, int]
    states_wide: tuple[int, int]

    def moved_bytes(self, shape: Shape, dtype: torch.dtype, backward: bool) -> int:
        """Returns the bytes of every activation read once and every result written once."""
        batch, tokens, channels = shape
        passes = 2 if backward else 1
        numbers = sum(self.channels_wide[:passes]) * channels + sum(self.states_wide[:passes]) * STATES
        return batch * tokens * numbers * dtype.itemsize


def draw_scan(shape: Shape, dtype: torch.dtype, kernel: str) -> Inputs:
    """Draws inputs as a Mamba block would hand them over: float32 parameters, step sizes about 0.01."""
    draw = activations(shape, dtype)
    inputs = {name: draw(shape[2]) for name in ("u", "delta", "z")} | {name: draw(STATES) for name in ("B", "C")}
    if kernel == "mamba_ssm":
        # it reads time as the last dimension: it is timed on tensors that lie so
        inputs = {name: x.transpose(1, 2).contiguous().transpose(1, 2) for name, x in inputs.items()}
    inputs["A"] = -torch.arange(1.0, STATES + 1, device="cuda").repeat(shape[2], 1)
    inputs["D"] = torch.ones(shape[2], device="cuda")
    inputs["delta_bias"] = torch.full((shape[2],), -4.6, device="cuda")
    return inputs


def draw_wkv4(shape: Shape, dtype: torch.dtype, kernel: str) -> Inputs:
    """Draws inputs as RWKV-4's time mix would hand them over, in float32 to the form of matrices."""
    draw = activations(shape, torch.float32 if kernel == "parallel" else dtype)
    inputs = {"key": draw(shape[2]), "value": draw(shape[2])}
    inputs["decay"] = torch.linspace(-5, 3, shape[2], device="cuda")
    inputs["first"] = torch.full((shape[2],), -1.2, device="cuda")
    return inputs


def activations(shape: Shape, dtype: torch.dtype) -> Callable[[int], Tensor]:
    """Returns what draws one tensor of a width, the same ones in the same order each time."""
    generator = torch.Generator("cuda").manual_seed(0)
    return lambda width: torch.randn(*shape[:2], width, generator=generator, device="cuda").to(dtype)


OPERATIONS = {
    "selective_scan": Operation(
        selective_scan.BACKENDS,
        {"triton": None, "mamba_ssm": None},
        draw_scan,
        # u, delta, z in, y out; going back u, delta, z and y's gradient in, three gradients out; B and C likewise
        (4, 7),
        (2, 4),
    ),
    "wkv4": Operation(
        wkv4.BACKENDS,
        {"triton": None, "parallel": wkv4.LONGEST_PARALLEL},
        draw_wkv4,
        # key, value in, mean out; going back both and the mean's gradient in, two gradients out
        (3, 5),
        (0, 0),
    ),
}


def main() -> int:
    """Runs the check and the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of the activations")
    parser.add_argument("--repeats", type=int, default=50, help="timed calls a median is taken over")
    parser.add_argument("--expected", type=float, metavar="TB_PER_S", help="only the floors at this bandwidth")
    arguments = parser.parse_args()
    dtype: torch.dtype = getattr(torch, arguments.dtype)
    if arguments.expected:
        print_expected(dtype, arguments.dtype, arguments.expected)
        return 0
    if not torch.cuda.is_available():
        print("This benchmark found no GPU and needs one: run it on a machine with CUDA.", file=sys.stderr)
        return 2
    kernels = {name: available(name, operation) for name, operation in OPERATIONS.items()}
    for name, found in kernels.items():
        for kernel, run in found.items():
            worst, tensor = disagreement(name, kernel, run, dtype)
            print(
                f"{name}, {kernel}: largest error {worst:.1e} of the largest number, in {tensor} (float64 reference)\n"
            )
            if not worst < TOLERANCE[dtype]:
                print(f"{kernel} disagrees with the reference; nothing was timed.", file=sys.stderr)
                return 1
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, {arguments.dtype}, copies at {bandwidth / 1e12:.2f} TB/s\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name, found in kernels.items():
        print_rows(name, found, dtype, bandwidth, arguments.repeats)
    return 0


def print_expected(dtype: torch.dtype, called: str, terabytes: float) -> None:
    """Prints what moving the bytes of each shape takes."""
    print(f"{called}, {terabytes:g} TB/s: floors, nothing measured\n")
    rows = []
    for name, operation in OPERATIONS.items():
        for shape in SHAPES:
            for backward, what in ((False, "forward"), (True, "forward + backward")):
                moved = operation.moved_bytes(shape, dtype, backward)
                floor = moved / terabytes / 1e6
                rows.append([name, *map(str, shape), what, f"{moved / 2**20:.0f}", f"{floor:.1f}"])
    print(markdown([*COLUMNS[:5], "MiB", "floor_us"], rows))


def available(name: str, operation: Operation) -> dict[str, Callable[..., Tensor]]:
    """Returns an operation's kernels that can be imported, and says of the others why not."""
    kernels = {}
    for kernel in operation.longest:
        try:
            kernels[kernel] = load(name, operation.backends, kernel, takes_half=True)
        except ProbeError as error:
            print(f"{kernel} is left out: {error}\n")
    return kernels


def print_rows(
    name: str, kernels: dict[str, Callable[..., Tensor]], dtype: torch.dtype, bandwidth: float, repeats: int
) -> None:
    """Prints one row a shape, pass and kernel."""
    operation = OPERATIONS[name]
    for shape in SHAPES:
        for backward in (False, True):
            floor = 1e6 * operation.moved_bytes(shape, dtype, backward) / bandwidth
            for kernel, run in kernels.items():
                longest = operation.longest[kernel]
                if longest is not None and shape[1] > longest:
                    continue
                inputs = operation.draw(shape, dtype, kernel)
                call = forward_and_backward(run, inputs) if backward else forward(run, inputs)
                median, steady = cold(call, repeats), back_to_back(call, repeats)
                what = "forward + backward" if backward else "forward"
                print(
                    f"| {name} | {' | '.join(map(str, shape))} | {what} | {kernel} | {floor:.1f} | {median:.0f} "
                    f"| {median / floor:.1f} | {steady:.0f} |",
                    flush=True,
                )
                del inputs, call
                torch.cuda.empty_cache()


def forward(kernel: Callable[..., Tensor], inputs: Inputs) -> Callable[[], object]:
    """Returns a call of the kernel that records nothing."""

    def call() -> Tensor:
        with torch.no_grad():
            return kernel(**inputs)

    return call


def forward_and_backward(kernel: Callable[..., Tensor], inputs: Inputs) -> Callable[[], dict[str, Tensor]]:
    """Returns a call that gives y and the gradient of sum(weights * y) by every tensor."""
    arguments = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items()}
    like = next(iter(inputs.values()))
    weights = torch.randn(like.shape, generator=torch.Generator(like.device).manual_seed(1), device=like.device)

    def call() -> dict[str, Tensor]:
        y = kernel(**arguments)
        gradients = torch.autograd.grad(y, list(arguments.values()), weights.to(y.dtype))
        return {"y": y.detach()} | dict(zip(arguments, gradients, strict=True))

    return call


def disagreement(name: str, kernel: str, run: Callable[..., Tensor], dtype: torch.dtype) -> tuple[float, str]:
    """Returns the largest error of y and all gradients, over the tensor's largest number, and which it is."""
    operation = OPERATIONS[name]
    inputs = operation.draw(CHECKED, dtype, kernel)
    got = forward_and_backward(run, inputs)()
    reference = load(name, operation.backends, "reference", takes_half=True)
    want = forward_and_backward(reference, {key: tensor.double() for key, tensor in inputs.items()})()
    errors = {key: float((got[key].double() - want[key]).abs().max() / want[key].abs().max()) for key in want}
    # NaN first: it compares as larger than nothing
    worst = max(errors, key=lambda key: float("inf") if errors[key] != errors[key] else errors[key])
    return errors[worst], worst


def copy_bandwidth() -> float:
    """Returns the bytes a second that a large copy moves, read and written."""
    source = torch.zeros(2**28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / (cold(lambda: target.copy_(source), 20) * 1e-6)


def cold(call: Callable[[], object], repeats: int) -> float:
    """Returns the median microseconds of a call on the GPU, its second-level cache flushed before each."""
    flushed = torch.empty(FLUSHED_BYTES, dtype=torch.uint8, device="cuda")
    for _ in range(5):
        call()
    times = []
    for _ in range(repeats):
        flushed.zero_()
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        call()
        stop.record()
        torch.cuda.synchronize()
        times.append(1e3 * float(start.elapsed_time(stop)))
    return statistics.median(times)


def back_to_back(call: Callable[[], object], repeats: int) -> float:
    """Returns the microseconds of wall clock that one of many calls in a row takes."""
    call()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return 1e6 * (time.perf_counter() - started) / repeats


if __name__ == "__main__":
    sys.exit(main())
