"""Claims: weights are the whole of a model and nothing else, or the one that is too many or too few is named."""

from pathlib import Path

import pytest
import torch

from probe.checkpoints.whole import check_whole, is_buffer
from probe.errors import ProbeError

NEEDED = {"a.weight": (2, 3), "b.bias": (3,), "head.weight": (2, 3)}
GOOD = {name: torch.ones(shape) for name, shape in NEEDED.items()}
PLACE = Path("model.pt")


def test_the_whole_of_a_model_is_taken_with_the_masks_that_older_versions_saved() -> None:
    check_whole(PLACE, GOOD, NEEDED)
    check_whole(PLACE, GOOD | {"h.0.attn.bias": torch.ones(1, 1, 4, 4)}, NEEDED)
    less = {name: tensor for name, tensor in GOOD.items() if name != "head.weight"}
    check_whole(PLACE, less, NEEDED, [("head.weight", "a.weight")])


@pytest.mark.parametrize(
    ("change", "ties", "sentence"),
    [
        ({"a.weight": None}, [], r"lacks 1 of the model's weights \(a\.weight\)"),
        ({"a.weight": None, "head.weight": None}, [("a.weight", "head.weight")], r"lacks 2 .* \(a\.weight\)"),
        ({"c.bias": torch.ones(3)}, [], r"holds c\.bias, which the model of its settings does not use"),
        ({"h.0.attn.bias": torch.ones(4)}, [], r"holds h\.0\.attn\.bias, which the model"),
        ({"b.bias": torch.ones(4)}, [], r"of shape \[4\] \(b\.bias\), but its settings need \[3\]"),
        (
            {"head.weight": torch.zeros(2, 3)},
            [("head.weight", "a.weight")],
            r"head\.weight and .*, which differ",
        ),
        ({"a.weight": torch.ones(2, 3, dtype=torch.int8)}, [], r"quantised weights \(a\.weight is int8\)"),
        ({"a.weight_scale_inv": torch.ones(1)}, [], r"quantised weights \(a\.weight_scale_inv\)"),
    ],
)
def test_a_weight_too_many_too_few_or_twice_is_named(change: dict, ties: list, sentence: str) -> None:
    given = {name: tensor for name, tensor in (GOOD | change).items() if tensor is not None}
    with pytest.raises(ProbeError, match=sentence):
        check_whole(PLACE, given, NEEDED, ties)


@pytest.mark.parametrize(
    ("name", "tensor", "harmless"),
    [
        ("rotary_emb.inv_freq", torch.ones(4), True),
        ("h.0.attn.masked_bias", torch.tensor(-1e4), True),
        ("h.0.attn.masked_bias", torch.ones(9), False),
        ("h.0.attn.bias", torch.ones(1, 1, 4, 4), True),
        ("h.0.attn.bias", torch.ones(4), False),
        ("h.0.mlp.bias", torch.ones(1, 1, 4, 4), False),
        ("embeddings.position_ids", torch.arange(4)[None], True),
        ("embeddings.position_ids", torch.ones(4), False),
        ("norm.num_batches_tracked", torch.tensor(3), True),
        ("norm.running_mean", torch.ones(3), False),
    ],
)
def test_a_table_or_mask_is_known_by_its_name_and_its_look(name: str, tensor: torch.Tensor, harmless: bool) -> None:
    assert is_buffer(name, tensor) == harmless
