"""The library transformers: imported when it is first needed, without its own output, or an error if it is missing."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from probe.errors import ProbeError
from probe.text import reason


def transformers() -> Any:
    """Returns the library.

    Raises:
        ProbeError: if it is not installed.
    """
    try:
        import transformers as library
    except ImportError as error:
        raise _missing(error) from error
    return library


def hub() -> Any:
    """Returns huggingface_hub, which transformers brings along.

    Raises:
        ProbeError: if it is not installed.
    """
    try:
        import huggingface_hub as library
    except ImportError as error:
        raise _missing(error) from error
    return library


def auto_class(config: Any) -> Any:
    """Returns the class that builds the model of some settings: the whole model if it reads images and text."""
    library = transformers()
    parts = getattr(config, "text_config", None) is not None
    only = type(config) not in library.MODEL_FOR_CAUSAL_LM_MAPPING
    if (parts or only) and type(config) in getattr(library, "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING", {}):
        return library.AutoModelForImageTextToText
    return library.AutoModelForCausalLM


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the library's own bars and warnings while the body runs; what they warn of is checked and raised."""
    logging = transformers().utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        # the bar over the weights of a GGUF file ignores these settings
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def unreadable(path: Path, error: Exception) -> ProbeError:
    """Returns the error for a file or folder that could not be read as a model."""
    if isinstance(error, pickle.UnpicklingError):
        return ProbeError(
            f"{path} holds something other than plain weights (it may be damaged, or try to run code) and was not "
            "loaded. Copy it anew, or give another."
        )
    return ProbeError(
        f"{path} could not be read as a causal language model ({reason(error)}). Copy it anew, or give another."
    )


def _missing(error: ImportError) -> ProbeError:
    return ProbeError(
        f"A Hugging Face model was given, but reading it needs the package {error.name}, which is not installed. "
        'Install it with pip install "layerprobe[huggingface]".'
    )
