"""How the documentation is built: python -m sphinx -W docs OUT (extra docs)."""

import re
import tomllib
from importlib import import_module
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

CLASS = """```{{eval-rst}}
.. rubric:: {name}

.. autoclass:: {kind.__module__}.{kind.__qualname__}
   :members:
```
"""
ENTRIES = re.compile(r"<!-- every entry of (\S+):(\S+) -->")
ANNOTATED = re.compile(r"Annotated\[((?:[^\[\],]|\[[^\]]*\])+), [~\w.]+\((?:[^()]|\([^()]*\))*\)\]")
OBJECT = re.compile(r"= <(?:function )?([\w.]+)[^>]*>")
LITERAL = re.compile(r"(``.+?``|`[^`]+`)")


def _with_entries(app, page, source):
    """Puts in place of a comment the class of every entry of a registry, by its name."""
    source[0] = ENTRIES.sub(lambda found: _classes(getattr(import_module(found[1]), found[2])), source[0])


def _classes(registry):
    """Returns what has every class of a registry described, below its name."""
    return "\n".join(CLASS.format(name=name, kind=kind) for name, kind in registry.items())


def _plain(app, what, name, found, options, signature, returned):
    """Returns a signature in which a checked number is the number it is, and a default object has its name."""
    texts = [None if text is None else ANNOTATED.sub(r"\1", text) for text in (signature, returned)]
    return tuple(None if text is None else OBJECT.sub(r"= \1", text) for text in texts)


def _escaped(app, what, name, found, options, lines):
    """Keeps formulas such as |Xw - y|² and x * y from being read as markup."""
    for place, line in enumerate(lines):
        parts = LITERAL.split(line)
        parts[::2] = [re.sub(r"(?<!\\)([|*])(?! *$)", r"\\\1", part) for part in parts[::2]]
        parts[1::2] = [re.sub(r"\s+(`+)$", r"\1", part) for part in parts[1::2]]
        lines[place] = "".join(parts)


def setup(app):
    """Has registries listed, and signatures and docstrings read as they are meant."""
    app.connect("source-read", _with_entries)
    app.connect("autodoc-process-signature", _plain)
    app.connect("autodoc-process-docstring", _escaped, priority=400)  # before napoleon writes markup of its own
