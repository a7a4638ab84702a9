"""Commands that are run on a Slurm or a Kubernetes cluster, by Parsl (Babuji et al., 2019, arXiv:1905.02158).

Why Parsl: one pure-Python engine with a provider for Slurm and one for Kubernetes, released every few weeks, that needs
no server of its own and runs any shell command; a block (a Slurm job, a pod) that is lost has its commands run again,
which here go on from their states. Others looked at: submitit and dask-jobqueue know no Kubernetes; TorchX's Slurm
scheduler fails with the output of current versions (its issue 1101); Snakemake removes the outputs of interrupted jobs,
which is what a training resumes from; Ray, SkyPilot and Prefect need a service.
"""

from __future__ import annotations

import inspect
import json
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any

from probe.errors import ProbeError, suggest
from probe.processes.jobs import Done, Job
from probe.processes.signals import ASKING, ending

RETRIES = 20  # of a training whose block was lost, by its time limit for example; each goes on from the last state
BEAT, LOST = 10, 60  # seconds between signs of life of a block, and without one until it counts as lost
# codes of a command that a signal ended: told by its shell, or by its parent where it took its shell's place
ENDED = {code for name in ASKING for code in (128 + getattr(signal, name), -getattr(signal, name))}
USUAL: dict[str, dict[str, Any]] = {"slurm": {"exclusive": False, "walltime": "04:00:00"}, "kubernetes": {}}
OURS = ("nodes_per_block", "init_blocks", "min_blocks", "max_blocks", "parallelism", "launcher")


def run_on(engine: str, settings: Sequence[str], folder: Path, jobs: Sequence[Job], at_once: int, done: Done) -> None:
    """Runs all jobs on a cluster, so many at a time, each alone in its block.

    Args:
        engine: slurm or kubernetes.
        settings: of Parsl's provider, as NAME=VALUE.
        folder: where Parsl keeps its own files.

    Raises:
        ProbeError: if Parsl is missing or knows no such setting, or the cluster cannot be reached.
    """
    try:
        import parsl
        from parsl.executors import HighThroughputExecutor
    except ImportError as error:
        raise ProbeError(
            f"--engine {engine} was given, but it needs the extra cluster. "
            'Install it with pip install "layerprobe[cluster]".'
        ) from error
    blocks = min(at_once, len(jobs))
    provider = _provider(engine, settings, blocks)
    # a pod has the python of its image, a node of Slurm that of the shared file system
    python = "python" if engine == "kubernetes" else sys.executable
    home = "parsl.executors.high_throughput"
    executor = HighThroughputExecutor(
        label="probe",
        provider=provider,
        max_workers_per_node=1,
        cores_per_worker=1e-3,
        heartbeat_period=BEAT,
        heartbeat_threshold=LOST,
        # Parsl's own scripts are found only where an environment is activated
        interchange_launch_cmd=[sys.executable, "-m", f"{home}.interchange"],
    )
    pool = f"{python} -m {home}.process_worker_pool"
    executor.launch_cmd = executor.launch_cmd.replace("process_worker_pool.py", pool, 1)
    config = parsl.Config(
        executors=[executor],
        run_dir=str(folder),
        retries=RETRIES,
        retry_handler=_cost,
        initialize_logging=False,
    )
    with ending(), parsl.load(config):  # which ends its blocks, and they their trainings
        app = parsl.bash_app(_line)
        begun: dict[Future[int], Job] = {
            app(job.line(python), stdout=(str(job.log), "a"), stderr=(str(job.log), "a")): job for job in jobs
        }
        for future in as_completed(begun):
            done(begun[future], _code(future))


def _line(line: str, stdout: object = None, stderr: object = None) -> str:
    return line


def _cost(error: Exception, task: object) -> float:
    """Returns how many of its retries a failure costs: all where the training has failed, one where it was ended.

    A cancelled block asks its training to end too, which may be told before the block is known to be lost.
    """
    code = getattr(error, "exitcode", None)
    return 1 if code is None or code in ENDED else RETRIES + 1


def _code(future: Future[int]) -> int:
    error = future.exception()
    return 0 if error is None else int(getattr(error, "exitcode", 1))


def _provider(engine: str, settings: Sequence[str], blocks: int) -> Any:
    from parsl.errors import OptionalModuleMissing
    from parsl.providers import KubernetesProvider, SlurmProvider

    kind = {"slurm": SlurmProvider, "kubernetes": KubernetesProvider}[engine]
    known = inspect.signature(kind.__init__).parameters
    chosen: dict[str, Any] = {"init_blocks": blocks, "max_blocks": blocks, **USUAL[engine]}
    for setting in settings:
        name, equals, value = setting.partition("=")
        free = [each for each in known if each not in ("self", *OURS)]
        if not equals or name not in free:
            raise ProbeError(
                f"--setting {setting} was given, but settings of {engine} are written NAME=VALUE. "
                f"{suggest(name, free)}Names: {', '.join(free)}."
            )
        chosen[name] = _typed(value, str(known[name].annotation))
    try:
        return kind(**chosen)
    except OptionalModuleMissing as error:
        raise ProbeError(
            "Kubernetes was asked for, but its Python client is missing. Install it with "
            'pip install "layerprobe[cluster]".'
        ) from error
    except TypeError as error:
        raise ProbeError(f"{engine} lacks a setting ({error}). Add --setting NAME=VALUE.") from error
    except Exception as error:  # of the client's own kind, which is there only where the client is
        raise ProbeError(f"{engine} cannot be used ({error}). Check its configuration on this machine.") from error


def _typed(value: str, annotation: str) -> Any:
    """Returns a setting as the provider wants it: text, a number, or JSON for anything else."""
    if "str" in annotation and "[Tuple" not in annotation and "Dict" not in annotation:
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ProbeError(
            f"The setting {value} was given, but {annotation} is needed. Write numbers, true, false or JSON."
        ) from error
