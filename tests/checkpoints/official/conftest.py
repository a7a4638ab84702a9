import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., Path]:
    """``run_of(name, edit)`` copies a fixture's run folder; `edit` may change its official tensors in place."""

    def copy(name: str, edit: Callable[[dict], object] | None = None) -> Path:
        folder = tmp_path / name
        shutil.copytree(FIXTURES / name, folder)
        (folder / "expected.pt").unlink()
        if edit is not None:
            (file,) = folder.glob("*.pt")
            content = torch.load(file, weights_only=True)
            edit(content.get("model_state_dict", content))
            torch.save(content, file)
        return folder

    return copy
