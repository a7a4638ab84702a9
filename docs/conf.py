"""How the documentation is built: python -m sphinx -W docs OUT (extra docs)."""

import re
import tomllib
from pathlib import Path

project = "probe"
author = "the authors of probe"
project_copyright = "2026, the authors of probe"
version = release = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]

# pages are read as plain Markdown on a code host, too: the same links and anchors there and here
myst_heading_anchors = 4

# the tutorial is run whenever the pages are built, and a cell that fails fails the build
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
napoleon_attr_annotations = False
default_role = "py:obj"

html_theme = "furo"
html_title = "probe"
html_copy_source = False

ANNOTATED = re.compile(r"Annotated\[((?:[^\[\],]|\[[^\]]*\])+), [A-Za-z]+\((?:[^()]|\([^()]*\))*\)\]")
LITERAL = re.compile(r"(``.+?``|`[^`]+`)")


def _without_ranges(app, what, name, found, options, signature, returned):
    """Returns a signature in which a checked number is the number it is; its range stands in the error's sentence."""
    plain = [None if text is None else ANNOTATED.sub(r"\1", text) for text in (signature, returned)]
    return tuple(plain)


def _escaped(app, what, name, found, options, lines):
    """Keeps formulas such as |Xw - y|² and x * y from being read as markup."""
    for place, line in enumerate(lines):
        parts = LITERAL.split(line)
        parts[::2] = [re.sub(r"(?<!\\)([|*])(?! *$)", r"\\\1", part) for part in parts[::2]]
        parts[1::2] = [re.sub(r"\s+(`+)$", r"\1", part) for part in parts[1::2]]
        lines[place] = "".join(parts)


def setup(app):
    """Has signatures and docstrings read as they are meant."""
    app.connect("autodoc-process-signature", _without_ranges)
    app.connect("autodoc-process-docstring", _escaped, priority=400)  # before napoleon writes markup of its own
