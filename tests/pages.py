"""The pages of the documentation as tests read them: their blocks, links, headings, and the commands that they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BUILT = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *BUILT]
FENCE = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
INLINE = re.compile(r"`(probe [a-z]+(?: [^`]*)?)`")
HERE_DOCUMENT = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        mark: the comment right above it, such as ``not run: why``.
    """

    mark: str
    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(mark, language, code) for mark, language, code in FENCE.findall(page.read_text())]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """What a page links to or shows."""
    return LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(code: str) -> Iterator[list[str]]:
    """The words after ``probe`` of every command of a shell block that runs it, under torchrun and in a chain too."""
    joined = HERE_DOCUMENT.sub("", code).replace("\\\n", " ")
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            found = _after_probe(words[:end])
            if found is not None:
                yield found
            words = words[end + 1 :]


def _after_probe(words: list[str]) -> list[str] | None:
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    if not words:
        return None
    if Path(words[0]).name == "probe":
        return words[1:]
    module = next((place for place, pair in enumerate(pairwise(words)) if pair == ("-m", "probe")), None)
    return None if module is None else words[module + 2 :]
