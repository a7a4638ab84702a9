"""Data of one's own as prompts: arrays, files, batches and kept streams, checked in a first pass and split by group."""

from probe.data.data import Data, at_hand
from probe.data.files import read
from probe.data.kept import INDEX, KIND, Streams, open_streams, streams_at_hand
from probe.data.task import SHARE, CategoricalData, DataTask, RealData, weights_of

__all__ = [
    "INDEX",
    "KIND",
    "SHARE",
    "CategoricalData",
    "Data",
    "DataTask",
    "RealData",
    "Streams",
    "at_hand",
    "open_streams",
    "read",
    "streams_at_hand",
    "weights_of",
]
