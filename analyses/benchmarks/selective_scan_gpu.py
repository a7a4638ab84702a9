"""Times the Triton selective scan on a GPU against what moving its bytes would take, and against mamba-ssm.

    python analyses/benchmarks/selective_scan_gpu.py [--dtype float32|bfloat16] [--repeats N] [--expected TB_PER_S]

First checks both kernels against the float64 reference, and stops if one is off. Then prints a table in
markdown: median microseconds of a forward pass and of a forward and backward pass, each call from a cold
second-level cache. The floor is the time in which a plain copy would move the same bytes: every activation
read once and every result written once. ``back_to_back_us`` is the time a call takes with nothing between
calls, launches included: where it exceeds the kernel's own time, the launches are what costs.

``--expected`` prints the floors alone, at a bandwidth that is given, and needs no GPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from report import markdown
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels.backends import load
from probe.kernels.selective_scan import BACKENDS

# batch, tokens, channels, states: the study's model first, then longer and longer prompts
SHAPES = (
    (64, 82, 512, 16),
    (64, 22, 128, 16),
    (64, 512, 512, 16),
    (16, 2048, 512, 16),
    (64, 2048, 512, 16),
    (4, 8192, 512, 16),
    (32, 8192, 512, 16),
)
COLUMNS = ["batch", "tokens", "channels", "states", "pass", "kernel"]
COLUMNS += ["floor_us", "median_us", "times_floor", "back_to_back_us"]
CHECKED = (4, 82, 512, 16)
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2**-7}
# larger than the second-level cache of any present GPU
FLUSHED_BYTES = 2**28

Inputs = dict[str, Tensor]


def main() -> int:
    """Runs the check and the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of the activations")
    parser.add_argument("--repeats", type=int, default=50, help="timed calls a median is taken over")
    parser.add_argument("--expected", type=float, metavar="TB_PER_S", help="only the floors at this bandwidth")
    arguments = parser.parse_args()
    if arguments.expected:
        print_expected(getattr(torch, arguments.dtype), arguments.dtype, arguments.expected)
        return 0
    if not torch.cuda.is_available():
        print("This benchmark found no GPU and needs one: run it on a machine with CUDA.", file=sys.stderr)
        return 2
    dtype: torch.dtype = getattr(torch, arguments.dtype)
    kernels = available(["triton", "mamba_ssm"])
    for name, scan in kernels.items():
        worst, tensor = disagreement(scan, dtype)
        print(f"{name}: largest error {worst:.1e} of the largest number, in {tensor} (float64 reference)\n")
        if not worst < TOLERANCE[dtype]:
            print(f"{name} disagrees with the reference; nothing was timed.", file=sys.stderr)
            return 1
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, {arguments.dtype}, copies at {bandwidth / 1e12:.2f} TB/s\n")
    print_table(kernels, dtype, bandwidth, arguments.repeats)
    return 0


def print_expected(dtype: torch.dtype, called: str, terabytes: float) -> None:
    """Prints what moving the bytes of each shape takes."""
    print(f"{called}, {terabytes:g} TB/s: floors, nothing measured\n")
    rows = []
    for shape in SHAPES:
        for backward, what in ((False, "forward"), (True, "forward + backward")):
            moved = moved_bytes(shape, dtype, backward)
            rows.append([*map(str, shape), what, f"{moved / 2**20:.0f}", f"{moved / terabytes / 1e6:.0f}"])
    print(markdown([*COLUMNS[:5], "MiB", "floor_us"], rows))


def available(names: list[str]) -> dict[str, Callable[..., Tensor]]:
    """Returns the kernels that can be imported, and says of the others why not."""
    kernels = {}
    for name in names:
        try:
            kernels[name] = load("selective_scan", BACKENDS, name, takes_half=True)
        except ProbeError as error:
            print(f"{name} is left out: {error}\n")
    return kernels


def print_table(kernels: dict[str, Callable[..., Tensor]], dtype: torch.dtype, bandwidth: float, repeats: int) -> None:
    """Prints one row a shape, pass and kernel."""
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for shape in SHAPES:
        for backward in (False, True):
            floor = 1e6 * moved_bytes(shape, dtype, backward) / bandwidth
            for name, scan in kernels.items():
                # the official kernel reads time as the last dimension: it is timed on tensors that lie so
                inputs = draw(shape, dtype, time_last=name == "mamba_ssm")
                call = forward_and_backward(scan, inputs) if backward else forward(scan, inputs)
                median, steady = cold(call, repeats), back_to_back(call, repeats)
                what = "forward + backward" if backward else "forward"
                print(
                    f"| {' | '.join(map(str, shape))} | {what} | {name} | {floor:.0f} | {median:.0f} "
                    f"| {median / floor:.1f} | {steady:.0f} |",
                    flush=True,
                )
                del inputs, call
                torch.cuda.empty_cache()


def draw(shape: tuple[int, int, int, int], dtype: torch.dtype, *, time_last: bool) -> Inputs:
    """Draws inputs as a Mamba block would hand them over: float32 parameters, step sizes about 0.01."""
    batch, tokens, channels, states = shape
    generator = torch.Generator("cuda").manual_seed(0)

    def activation(width: int) -> Tensor:
        x = torch.randn(batch, tokens, width, generator=generator, device="cuda").to(dtype)
        return x.transpose(1, 2).contiguous().transpose(1, 2) if time_last else x

    inputs = {name: activation(channels) for name in ("u", "delta", "z", "weights")}
    inputs |= {name: activation(states) for name in ("B", "C")}
    inputs["A"] = -torch.arange(1.0, states + 1, device="cuda").repeat(channels, 1)
    inputs["D"] = torch.ones(channels, device="cuda")
    inputs["delta_bias"] = torch.full((channels,), -4.6, device="cuda")
    return inputs


def forward(scan: Callable[..., Tensor], inputs: Inputs) -> Callable[[], object]:
    """Returns a call of the scan that records nothing."""
    arguments = {name: tensor for name, tensor in inputs.items() if name != "weights"}

    def call() -> Tensor:
        with torch.no_grad():
            return scan(**arguments)

    return call


def forward_and_backward(scan: Callable[..., Tensor], inputs: Inputs) -> Callable[[], dict[str, Tensor]]:
    """Returns a call that gives y and the gradient of sum(weights * y) by every tensor."""
    arguments = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items() if name != "weights"}

    def call() -> dict[str, Tensor]:
        y = scan(**arguments)
        gradients = torch.autograd.grad(y, list(arguments.values()), inputs["weights"].to(y.dtype))
        return {"y": y.detach()} | dict(zip(arguments, gradients, strict=True))

    return call


def disagreement(scan: Callable[..., Tensor], dtype: torch.dtype) -> tuple[float, str]:
    """Returns the largest error of y and all gradients, over the tensor's largest number, and which it is."""
    inputs = draw(CHECKED, dtype, time_last=False)
    got = forward_and_backward(scan, inputs)()
    want = forward_and_backward(
        load("selective_scan", BACKENDS, "reference"), {name: tensor.double() for name, tensor in inputs.items()}
    )()
    errors = {name: float((got[name].double() - want[name]).abs().max() / want[name].abs().max()) for name in want}
    # NaN first: it compares as larger than nothing
    worst = max(errors, key=lambda name: float("inf") if errors[name] != errors[name] else errors[name])
    return errors[worst], worst


def moved_bytes(shape: tuple[int, int, int, int], dtype: torch.dtype, backward: bool) -> int:
    """Returns the bytes of every activation read once and every result written once."""
    batch, tokens, channels, states = shape
    # u, delta, z in, y out; going back u, delta, z and y's gradient in, three gradients out
    wide, narrow = (4 + 7, 2 + 4) if backward else (4, 2)
    return batch * tokens * (wide * channels + narrow * states) * dtype.itemsize


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
