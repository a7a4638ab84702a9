"""Readers of causal language models: folders of Hugging Face's transformers and of the official mamba_ssm package."""

from probe.checkpoints.huggingface.folder import name_of, read, recognises
from probe.checkpoints.huggingface.tokenizer import tokenizer_of

__all__ = ["name_of", "read", "recognises", "tokenizer_of"]
