"""Interventions: what is changed in the stream during a forward pass."""

from probe.interventions.patch import patching

__all__ = ["patching"]
