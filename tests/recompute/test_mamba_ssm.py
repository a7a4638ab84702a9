"""Claims: folders of mamba_ssm are recomputed, groups, ties, attention and feed-forwards; others that run are found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from probe.capture import ModuleModel, Place
from probe.capture.huggingface import HuggingFaceModel
from probe.checkpoints.huggingface import read
from probe.recompute import check_stored, stored_weights
from probe.recompute.rotary import Rotation, rotated

CONFIG = {"d_model": 32, "n_layer": 2, "vocab_size": 50, "ssm_cfg": {}, "rms_norm": True, "pad_vocab_size_multiple": 1}
MAMBA2 = {"layer": "Mamba2", "d_state": 8, "headdim": 16, "ngroups": 2}


def official(saved: Callable[..., Path], kind: str, **settings: Any) -> Path:
    """The folder of a random model as the package writes it: its names are those of transformers but one."""
    folder = saved(kind, intermediate_size=64)  # twice the width, as the package has it
    weights = {name.replace("embeddings", "embedding"): tensor for name, tensor in stored_weights(folder).items()}
    for path in folder.iterdir():
        path.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(CONFIG | settings))
    return folder


def broken(folder: Path, model: Any, tokens: Tensor) -> list[str]:
    found = check_stored(folder, model, tokens)
    assert all(finding.held is not None for finding in found), found
    return [finding.claim.partition(" writ")[0] for finding in found if not finding.held]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("mamba", {"ssm_cfg": {"d_state": 4}}),
        ("mamba2", {"ssm_cfg": MAMBA2, "tie_embeddings": False}),
    ],
)
def test_a_sound_model_is_what_its_folder_makes(
    saved: Callable[..., Path], tokens: Tensor, kind: str, settings: dict[str, Any]
) -> None:
    folder = official(saved, kind, **settings)
    assert broken(folder, read(folder), tokens) == []


def test_a_norm_over_all_groups_is_found(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = official(saved, "mamba2", ssm_cfg=MAMBA2, tie_embeddings=False)
    model = read(folder)
    model.places[-1].module.mixer.norm.group_size = 64  # type: ignore[union-attr]
    assert broken(folder, model, tokens) == ["Mamba-2 blocks"]


def test_a_head_that_is_neither_stored_nor_tied_is_found(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = official(saved, "mamba", ssm_cfg={"d_state": 4})
    model: HuggingFaceModel = read(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"ssm_cfg": {"d_state": 4}, "tie_embeddings": False}))
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save({name: weights[name] for name in weights if name != "lm_head.weight"}, folder / "pytorch_model.bin")
    assert broken(folder, model, tokens) == ["the read-out"]


def test_a_mamba2_without_equations_here_is_said_to_be_unknown(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = official(saved, "mamba2", ssm_cfg=MAMBA2, tie_embeddings=False)
    model = read(folder)
    settings = {"ssm_cfg": MAMBA2 | {"norm_before_gate": True}, "tie_embeddings": False}
    (folder / "config.json").write_text(json.dumps(CONFIG | settings))
    found = check_stored(folder, model, tokens)
    assert [finding.held for finding in found] == [True, None, True, True, None]


class Attending(nn.Module):
    """A block of torch's own attention and a gated feed-forward, by the package's names."""

    def __init__(self, turn: Rotation | None) -> None:
        super().__init__()
        self.norm, self.norm2, self.turn = nn.LayerNorm(32), nn.LayerNorm(32), turn
        self.mixer = nn.Module()
        self.mixer.in_proj, self.mixer.out_proj = nn.Linear(32, 3 * 32), nn.Linear(32, 32)
        self.mixer.conv1d = nn.Conv1d(96, 96, 3, groups=96)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(32, 2 * 48, bias=False), nn.Linear(48, 32, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        mixed = self.mixer.conv1d(F.pad(self.mixer.in_proj(self.norm(stream)).mT, (2, 0))).mT  # type: ignore[operator]
        query, key, value = mixed.view(*mixed.shape[:2], 3, 4, 8).unbind(2)
        if self.turn:
            query, key = (rotated(row.double(), self.turn).float() for row in (query, key))
        rows = [row.transpose(1, 2) for row in (query, key, value)]
        read = F.scaled_dot_product_attention(*rows, is_causal=True).transpose(1, 2).flatten(2)
        stream = stream + self.mixer.out_proj(read)  # type: ignore[operator]
        rows = self.mlp.fc1(self.norm2(stream)).chunk(2, -1)  # type: ignore[operator]
        return stream + self.mlp.fc2(rows[0] * F.silu(rows[1]))  # type: ignore[operator,no-any-return]


def hybrid(folder: Path, turn: Rotation | None = None) -> ModuleModel:
    """A model of such a block, and its folder."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"embedding": nn.Embedding(50, 32), "layers": nn.ModuleList([Attending(turn)])})
    model["norm_f"], head = nn.LayerNorm(32), nn.Linear(32, 50, bias=False)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    weights = {f"backbone.{name}": tensor for name, tensor in model.state_dict().items()}
    folder.mkdir()
    torch.save(weights | {"lm_head.weight": head.weight.data}, folder / "pytorch_model.bin")
    attention = {"causal": True, "num_heads": 4, "d_conv": 3, "rotary_emb_dim": 0 if turn is None else 4}
    attention["rotary_emb_interleaved"] = turn is not None and turn.neighbours
    settings = {"attn_layer_idx": [0], "attn_cfg": attention, "d_intermediate": 48, "rms_norm": False, "n_layer": 1}
    (folder / "config.json").write_text(json.dumps(CONFIG | settings))
    whole = nn.Sequential(model["embedding"], model["layers"][0], model["norm_f"], head).eval()  # type: ignore[index]
    places = [
        Place("block (input)", whole[1], "input", lambda seen: seen),
        Place("block", whole[1], "output", lambda seen: seen),
    ]
    return ModuleModel(whole, places, whole[2:], normalise=whole[2], symbols=50)


@pytest.mark.parametrize(
    "turn",
    [None, Rotation(10_000.0, 0.5, {}), Rotation(10_000.0, 0.5, {}, neighbours=True)],
    ids=["plain", "half", "next"],
)
def test_attention_and_a_feed_forward_are_recomputed(tmp_path: Path, tokens: Tensor, turn: Rotation | None) -> None:
    model = hybrid(tmp_path / "hybrid", turn)
    assert broken(tmp_path / "hybrid", model, tokens) == []
    block = model.places[1].module
    block.mixer.in_proj.bias.data[40] += 0.5  # type: ignore[union-attr,index,operator]
    assert broken(tmp_path / "hybrid", model, tokens) == ["attention and feed-forward blocks"]
