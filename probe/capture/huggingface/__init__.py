"""Causal language models of Hugging Face's transformers as streams."""

from probe.capture.huggingface.model import HuggingFaceModel

__all__ = ["HuggingFaceModel"]
