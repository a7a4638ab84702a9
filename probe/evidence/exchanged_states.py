"""Whether later blocks correct an answer that a recurrent block draws from a state that is partly another prompt's.

A quarter of what one block remembers of the examples is exchanged for what it remembers of a donor's. What the block
then writes at the query moves; the states of all other blocks are the prompt's own. Of a Mamba the scan's state is
exchanged alone: its short convolution remembers the last tokens themselves.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from probe.capture import Captured, capture
from probe.evidence.causes.pairs import Pair, answer, answered, each_pair, last, whole_pass
from probe.evidence.exchanged import MIXED, STATE, STREAMS, Exchanged, Moves, Turn, moves_after, nothing_yet
from probe.evidence.reading import Reading
from probe.interventions import last_alone, recurrent, remembered, resuming, states_after
from probe.interventions.mixers import State
from probe.models.mamba import Mamba
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment


def exchanged_states(experiment: Experiment, read: Reading, pass_: Pass) -> Exchanged:
    """Exchanges the state before the query, block by block, on the score prompts.

    Raises:
        ProbeError: if no block of ours has a state, or the task has no query whose answer is one number.
    """
    mixers = recurrent(experiment.model)
    found = nothing_yet(STATE, experiment, read, pass_)
    with_state = torch.tensor([layer in mixers for layer in range(experiment.layers)])
    found = replace(found, readable=found.readable & with_state)

    def moves_of(twin: Experiment, pair: Pair) -> Moves:
        query, own = last(pair.own), whole_pass(twin, pair.own)
        before, whole = answered(twin, own), answer(twin, pair.donor)
        own_mixers = recurrent(twin.model)
        theirs, memory = states_after(twin.model, own_mixers, pair.donor[:, :-1]), remembered(twin.model, own.stream)
        ours = states_after(twin.model, own_mixers, pair.own[:, :-1]) if memory is None else memory
        runs: dict[int, Captured] = {}
        vectors = torch.zeros(own.stream[:, :, -1].shape, dtype=torch.float64)
        for layer, mixer in own_mixers.items():
            mixed = _mixed(ours[layer], theirs[layer], len(ours[layer]) - 1 if isinstance(mixer, Mamba) else 0)
            go_on = resuming(twin.model, layer - 1, own.stream[layer - 1])
            with go_on, last_alone(twin.model, memory, int(query), {layer: mixed}):
                runs[layer] = capture(twin.model, pair.own, query)
            vectors[layer] = (runs[layer].stream[layer, :, 0] - own.stream[layer, :, -1]).cpu().double() / MIXED
        return moves_after(twin, read, Turn(pair, own.stream, before, whole), runs, vectors)

    for pair, moves in each_pair(experiment, pass_, moves_of, STREAMS):
        found.add(pair.numbers, moves)
    return found


def _mixed(own: State, theirs: State, first: int) -> State:
    """Returns the state with a quarter of the donor's parts in place of one's own, from the first such part on."""
    pairs_ = zip(own[first:], theirs[first:], strict=True)
    return (*own[:first], *(torch.lerp(mine, other, MIXED) for mine, other in pairs_))
