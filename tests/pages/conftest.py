"""A browser for the tests of a file, and the folder that it saves into."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    with chromium(folder) as one:
        yield one
