"""Causes: what the model's answer does when its stream, blocks or states are changed during the pass."""

from probe.evidence.causes.blocks import EditedBlocks, edit_blocks, exit_rows
from probe.evidence.causes.exchange import Exchange, exchange
from probe.evidence.causes.internals import SwitchedOff, switch_off
from probe.evidence.causes.run_all import Causes, run_all
from probe.evidence.causes.states import StateExchange, exchange_states
from probe.evidence.causes.steer import Steered, steer
from probe.evidence.causes.table import About, about

__all__ = [
    "About",
    "Causes",
    "EditedBlocks",
    "Exchange",
    "StateExchange",
    "Steered",
    "SwitchedOff",
    "about",
    "edit_blocks",
    "exchange",
    "exchange_states",
    "exit_rows",
    "run_all",
    "steer",
    "switch_off",
]
