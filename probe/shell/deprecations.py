"""Names that are replaced, told in a line: Python shows a DeprecationWarning to developers alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from probe.shell.voice import tell


@contextmanager
def told_deprecations(aloud: bool = True) -> Iterator[None]:
    """Writes what our own deprecation warnings say to stderr while it lasts, or nothing; others are as they were."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if "goes with the next version" not in str(message):
                usual(message, category, filename, lineno, file, line)
            elif aloud:
                tell(str(message))

        warnings.filterwarnings("always", ".*goes with the next version", DeprecationWarning)
        warnings.showwarning = show
        yield
