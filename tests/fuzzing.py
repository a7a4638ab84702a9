"""Whatever becomes of a file, its reader reads it or refuses it in one sentence: the harness that tries it."""

import os
import random
import resource
import signal
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path

from probe.errors import ProbeError

MUTANTS = int(os.environ.get("PROBE_MUTANTS", "6"))
SECONDS = 20
MEGABYTES = 400
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect")
watched = {"on": False, "seen": []}


def _audit(event, arguments):
    if watched["on"] and event.startswith(FORBIDDEN):
        watched["seen"].append(event)


sys.addaudithook(_audit)


class Late(BaseException):
    """Raised where a reader takes too long."""


def _late(number, frame):
    raise Late


def tally(make, spoils, read, folder):
    """Returns how many mutants were read and refused, and what else happened, by kind."""
    found, faults = Counter(), {}
    signal.signal(signal.SIGALRM, _late)
    for number in range(MUTANTS):
        draw = random.Random(f"{number}")
        name, spoil = draw.choice(sorted(spoils.items()))
        place = folder / f"mutant-{number % 2}"
        path = make(place)
        spoil(place, draw)
        before, fault = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ""
        watched.update(on=True, seen=[])
        signal.alarm(SECONDS)
        try:
            read(path)
            found["read"] += 1
        except ProbeError as error:
            found["refused"] += 1
            text = str(error)
            if "\n" in text or not text.endswith(".") or len(text) > 500:
                fault = f"{name}: no sentence: {text[:300]!r} ({len(text)})"
        except BaseException as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if "/probe/" in f.filename]
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
            fault = f"{name}: {type(error).__name__} at {where}: {str(error)[:200]!r}"
        finally:
            signal.alarm(0)
            watched["on"] = False
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        if grown > MEGABYTES:
            fault += f" {name}: {grown} MB more"
        if watched["seen"]:
            fault += f" {name}: {watched['seen']}"
        if fault:
            faults.setdefault(fault.split(": ")[1][:60] + name, f"mutant {number}: {fault}")
            found["faults"] += 1
    return found, faults


def sound(make, spoils, read, folder, few=MUTANTS // 4 + 1):
    """The good file is read, more than a few mutants are refused, and nothing else happens."""
    with warnings.catch_warnings():
        # what libraries say of odd tensors and settings is no fault of the reader's
        warnings.simplefilter("ignore")
        read(make(folder / "good"))
        found, faults = tally(make, spoils, read, folder)
    print(f"{MUTANTS} mutants: {dict(found)}")
    assert not faults, "\n".join(faults.values())
    assert found["refused"] >= few


def written(files):
    """Returns what writes files, by name, into a folder, which is emptied first, and returns the path to be read."""

    def make(folder):
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder

    return make
