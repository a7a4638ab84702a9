"""What does each block of a sequence model add? Heads on the residual stream, layer by layer.

    import probe
    result = probe.fit(ckpt="checkpoints/mamba.pt", task="linear")
    result.table     # a pandas DataFrame, one row per model, layer, context, target and head
    result.plot()

Every public name is listed in __init__.pyi, with its types, and imported when it is first used, so that `import probe`
is instant.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

# torch's threads wait in a loop by default, which takes the cores from whatever else runs; read when torch is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
HERE = Path(__file__).parent
STUB = HERE / "__init__.pyi"


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """Returns the module of every public name, and its name there."""
    import ast

    found: dict[str, tuple[str, str]] = {}
    for line in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom):
            found |= {each.asname: (str(line.module), each.name) for each in line.names if each.asname}
        elif isinstance(line, ast.Assign) and isinstance(line.value, ast.Attribute):
            found[ast.unparse(line.targets[0])] = (f"probe.{ast.unparse(line.value.value)}", line.value.attr)
        elif isinstance(line, ast.FunctionDef):
            found[line.name] = (f"probe.commands.{line.name}", line.name)
    return found


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_homes())
    if name.startswith("__"):
        raise AttributeError(f"module 'probe' has no attribute {name!r}")
    if (HERE / f"{name}.py").is_file() or (HERE / name).is_dir():
        return import_module(f"probe.{name}")
    if name in _homes():
        home, attribute = _homes()[name]
        globals()[name] = getattr(import_module(home), attribute)
        return globals()[name]
    from probe.deprecated import OLD
    from probe.errors import suggest

    if name in OLD:
        return OLD[name]
    hint = suggest(name, list(_homes())).strip()
    raise AttributeError(f"module 'probe' has no attribute {name!r}{f'. {hint}' if hint else ''}")


def __dir__() -> list[str]:
    return sorted({*_homes(), *(name for name in globals() if name.startswith("__"))})
