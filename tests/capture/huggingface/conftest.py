"""Tiny random models of every family, made once, and the folders that they are saved in."""

from families import offline, saved, tiny, tokens

__all__ = ["offline", "saved", "tiny", "tokens"]
