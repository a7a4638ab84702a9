"""Causal language models of Hugging Face's transformers, and of the official mamba_ssm package, as streams."""

from probe.capture.huggingface.folder import name_of, read, recognises
from probe.capture.huggingface.model import HuggingFaceModel
from probe.capture.huggingface.tokenizer import tokenizer_of

__all__ = ["HuggingFaceModel", "name_of", "read", "recognises", "tokenizer_of"]
