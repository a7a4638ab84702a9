"""Writes checkpoints/index.toml: what each shipped checkpoint is, how it was trained and what its error is.

    python analyses/index_checkpoints.py

Errors are normalised (1 = predicting zero) and measured on 4,096 fresh prompts at the largest trained context, on
the checkpoint's own task and on isotropic `linear`.
"""

from __future__ import annotations

from pathlib import Path

from probe import Checkpoint, FitConfig, fit_heads, load_checkpoint

FOLDER = Path("checkpoints")
PROMPTS = 4096


def own_error(path: Path, task: str, context: int) -> float:
    """Returns the model's own error on a task at a context."""
    config = FitConfig(ckpt=(str(path),), task=task, head=("lens",), context=str(context), score=PROMPTS, seed=1)
    table = fit_heads(config).table
    return float(table.loc[table["head"] == "model", "error"].iloc[0])


def entry(path: Path) -> str:
    """Returns a checkpoint's table in TOML."""
    found: Checkpoint = load_checkpoint(str(path))
    about, settings = found.description, found.stream.anatomy
    error = own_error(path, found.task, found.context)
    isotropic = error if found.task == "linear" else own_error(path, "linear", found.context)
    parameters = sum(p.numel() for p in found.model.parameters())
    lines = [
        f"[{path.stem}]",
        f'summary = "{settings.layout} on {found.task}, error {error:.4f} at {found.context} examples"',
        f'command = "{about["command"]}"',
        f'task = "{found.task}"',
        f'layout = "{settings.layout}"',
        f"dim = {settings.dim}",
        f"width = {settings.width}",
        f"context = {found.context}",
        f"parameters = {parameters}",
        f"seed = {about['seed']}",
        f"steps = {about['step']}",
        f"seconds = {round(about['seconds'])}",
        f"training_flops = {about['training_flops']:.4g}",
        f"error = {error:.6f}",
        f"error_isotropic = {isotropic:.6f}",
        f'digest = "{found.digest}"',
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the index of every checkpoint in the folder."""
    text = "\n".join(entry(path) for path in sorted(FOLDER.glob("*.pt")))
    (FOLDER / "index.toml").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
