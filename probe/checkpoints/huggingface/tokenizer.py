"""The tokenizer of a model, loaded when text is first given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probe.checkpoints.huggingface.folder import gguf_in, locate
from probe.checkpoints.huggingface.library import quiet, transformers
from probe.errors import ProbeError
from probe.text import reason

FILES = ("tokenizer.json", "vocab.*", "*.model", "spiece*", "*.tiktoken")


def tokenizer_of(name: str, override: str | None = None) -> Any:
    """Returns the tokenizer of a model's folder, GGUF file or hub name, as transformers has it.

    Args:
        override: another folder or hub name to take it from, for models that come without one.

    Raises:
        ProbeError: if there is none.
    """
    library, place = transformers(), locate(Path(override or name), weights=False)
    folder, options = place, {}
    if place.is_file() or not _has_files(place):
        if place.is_dir() and not any(place.glob("*.gguf")):
            # without them the library would make an empty tokenizer, which reads every text as nothing
            raise ProbeError(
                f"{override or name} comes without a tokenizer, but text needs one. Name a folder or model that has it."
            )
        file = gguf_in(place)
        folder, options = file.parent, {"gguf_file": file.name}
    try:
        with quiet():
            tokenizer = library.AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, **options
            )
            # some settings tell only when they are used
            tokenizer.decode(tokenizer.encode("a->b"))
            return tokenizer
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # many kinds: an unknown class, a damaged vocabulary, what the library calls a panic
        raise ProbeError(
            f"The tokenizer of {override or name} could not be read ({reason(error)}). Name a folder or model "
            "that has one."
        ) from error


def _has_files(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in FILES)
