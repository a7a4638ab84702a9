"""Many processes: how work is divided among them, and how their parts are merged into one result.

`torchrun --nproc-per-node N -m probe fit|evaluate|train ...` starts N processes that each run the same command. Whole
batches of prompts are dealt out by number, batch k to process k mod N, so that every stream comes out of the same pass
as with one process. What each has gathered goes to process 0 in a tree of pairs whose shape N alone decides, is merged
there and sent back to all: every process then holds the same result to the bit, the same in every run, and within
rounding (1e-10) of one process. An all-reduce is not used for this, since means and centred moments do not add and its
order of summation is not fixed; the gradients of a training do add, and are all-reduced. Process 0 alone prints and
writes.

torch.distributed is imported only in processes that torchrun has started.
"""

from probe.processes.launch import joined
from probe.processes.shutdown import EndedError, ToldError
from probe.processes.signals import StoppedError, ending, noted
from probe.processes.single import ALONE, Processes, merge_each, only_one

__all__ = [
    "ALONE",
    "EndedError",
    "Processes",
    "StoppedError",
    "ToldError",
    "ending",
    "joined",
    "merge_each",
    "noted",
    "only_one",
]
