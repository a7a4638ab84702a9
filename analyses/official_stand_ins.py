"""The official model classes on a CPU: what needs CUDA or is not installed is replaced by the stand-ins here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

THEIRS = ("models", "base_models", "mamba_ssm", "mamba_mod", "s4_mod", "causal_conv1d", "xgboost")
# what the probing script of Grazzi et al. asks for beside them: its own modules, and what only plots or logs
SCRIPT = ("eval_icl_learning_curves", "eval", "nethook", "samplers", "tasks")
UNUSED = ("munch", "scienceplots", "seaborn", "tqdm", "wandb")
SOURCES = {"garg": ["src"], "grazzi": ["", "simple_functions/src"], "park": ["src"]}


def selective_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, **unused):
    """Scans [batch, channels, time] step by step (Gu and Dao, 2023, arXiv:2312.00752, algorithm 2)."""
    step = delta if delta_bias is None else delta + delta_bias[:, None]
    step = F.softplus(step) if delta_softplus else step
    state, outputs = u.new_zeros(*u.shape[:2], A.shape[1]), []
    for at in range(u.shape[2]):
        decay = torch.exp(step[:, :, at, None] * A)
        state = decay * state + (step[:, :, at] * u[:, :, at])[..., None] * B[:, None, :, at]
        outputs.append((state * C[:, None, :, at]).sum(-1))
    y = torch.stack(outputs, dim=2)
    y = y if D is None else y + D[:, None] * u
    return y if z is None else y * F.silu(z)


def mamba_inner(
    xz, conv_weight, conv_bias, in_weight, step_weight, out_weight, out_bias, A, B, C, D, delta_bias, delta_softplus
):
    """Does what the fused kernel does between the two projections of a block (the same paper, section 3.4)."""
    assert B is None and C is None, "B and C depend on the input"
    x, z = xz.chunk(2, dim=1)
    time, width, rank = xz.shape[2], conv_weight.shape[-1], step_weight.shape[1]
    x = F.silu(F.conv1d(x, conv_weight, conv_bias, padding=width - 1, groups=len(conv_weight))[..., :time])
    step, B, C = torch.einsum("ed,bdt->bet", in_weight, x).split([rank, A.shape[1], A.shape[1]], dim=1)
    step = torch.einsum("dr,brt->bdt", step_weight, step)
    y = selective_scan(x, step, A, B, C, D, z, delta_bias, delta_softplus)
    return F.linear(y.transpose(1, 2), out_weight, out_bias)


class PlainRMSNorm(nn.Module):
    """An RMSNorm whose weights lie where the fused one's do."""

    def __init__(self, width: int, eps: float = 1e-5, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.eps, self.bias = eps, None
        self.weight = nn.Parameter(torch.ones(width))


def rms_norm(x, weight, bias, residual=None, prenorm=False, residual_in_fp32=False, eps=1e-6):
    """Adds the residual and norms the sum, as the fused kernel does; both are returned where `prenorm` asks so."""
    total = x if residual is None else x + residual
    normed = total * torch.rsqrt(total.square().mean(-1, keepdim=True) + eps) * weight
    return (normed, total) if prenorm else normed


def stand_ins(code: str, folder: Path) -> dict[str, ModuleType | None]:
    """Returns the modules that a code base is given instead of those that cannot run here."""
    found: dict[str, ModuleType | None] = {
        "xgboost": ModuleType("xgboost"),
        "causal_conv1d": _module("causal_conv1d", causal_conv1d_fn=None, causal_conv1d_update=None),
    }
    package = _module("mamba_ssm")
    # krafton-ai carries the package itself; its __init__ would ask for the compiled kernels
    package.__path__ = [str(folder / "mamba" / "mamba_ssm")] if code == "park" else []
    found["mamba_ssm"] = package
    if code == "grazzi":
        for name in ("models", "utils", "ops", "ops.triton"):
            found[f"mamba_ssm.{name}"] = _module(f"mamba_ssm.{name}", __path__=[])
        found["mamba_ssm.models.config_mamba"] = _module("config_mamba", MambaConfig=object)
    norms = _module("layernorm", RMSNorm=PlainRMSNorm, layer_norm_fn=F.layer_norm, rms_norm_fn=rms_norm)
    scans = _module("interface", selective_scan_fn=selective_scan, mamba_inner_fn=mamba_inner)
    return found | {
        "mamba_ssm.utils.generation": _module("generation", GenerationMixin=object),
        "mamba_ssm.utils.hf": _module("hf", load_config_hf=None, load_state_dict_hf=None),
        "mamba_ssm.ops.selective_scan_interface": scans,
        "mamba_ssm.ops.triton.layernorm": norms,
        "mamba_ssm.ops.triton.selective_state_update": None,
    }


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    return module


@contextmanager
def official_models(code: str, folder: Path) -> Iterator[ModuleType]:
    """Yields a code base's module `models`, and then forgets every module of it: the next one has the same names."""
    path = list(sys.path)
    sys.path[:0] = [str(folder / source) for source in SOURCES[code]]
    sys.modules.update(stand_ins(code, folder))  # type: ignore[arg-type]
    try:
        yield importlib.import_module("models")
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.split(".")[0] in THEIRS]:
            del sys.modules[name]


class Namespaced:
    """Reads nested settings as attributes, as Munch does."""

    @classmethod
    def fromDict(cls, settings: Any) -> Any:  # noqa: N802
        """Returns the settings with their names as attributes."""
        if not isinstance(settings, dict):
            return settings
        return SimpleNamespace(**{name: cls.fromDict(value) for name, value in settings.items()})


def silent(steps: Iterable[Any], **unused: Any) -> Iterable[Any]:
    """Stands in for a progress bar."""
    return steps


@contextmanager
def official_probing(folder: Path) -> Iterator[ModuleType]:
    """Yields Grazzi et al.'s probing script as a module; its blocks' outputs come as tuples, as GPT-2's once did."""
    with official_models("grazzi", folder):
        replaced = {name: sys.modules.pop(name) for name in UNUSED if name in sys.modules}
        given = {"munch": {"Munch": Namespaced}, "tqdm": {"tqdm": silent}}
        sys.modules.update({name: _module(name, **given.get(name, {})) for name in UNUSED})
        try:
            script = importlib.import_module("eval_icl_learning_curves")
            script.TraceDict = _tupled(script.TraceDict)
            yield script
        finally:
            for name in (*SCRIPT, *UNUSED):
                sys.modules.pop(name, None)
            sys.modules.update(replaced)


def _tupled(traces: type) -> type:
    """Returns their recorder of outputs, which gives a lone tensor as a tuple of one.

    transformers 4.36, which they name, returned tuples from GPT-2's blocks; where a block returns the tensor, their
    ``output[0]`` would be the first prompt of the batch.
    """

    class Tupled(traces):  # type: ignore[misc, valid-type]
        def items(self) -> Any:
            for trace in self.values():
                if isinstance(getattr(trace, "output", None), torch.Tensor):
                    trace.output = (trace.output,)
            return super().items()

    return Tupled
