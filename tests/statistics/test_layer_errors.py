"""Claims: errors gathered apart and merged are those gathered together."""

import torch

from probe.statistics import LayerErrors


def test_two_halves_merged_are_the_whole() -> None:
    drawn = torch.Generator().manual_seed(0)
    cost, guess = (torch.rand(*shape, generator=drawn) for shape in ((2, 40, 3), (40, 3)))
    counted = torch.rand(40, 3, generator=drawn) < 0.7
    cost, guess = cost * counted, guess * counted

    def gather(*numbers: int) -> LayerErrors:
        errors = LayerErrors("y", [0, 1], 1, [1, 2, 3], seed=5)
        chosen = list(numbers)
        errors.add(chosen, cost[:, chosen], guess[chosen], counted[chosen])
        return errors

    halves = gather(*range(0, 40, 2)).merge(gather(*range(1, 40, 2)))
    for one, other in zip(halves.rows("m", "linear"), gather(*range(40)).rows("m", "linear"), strict=True):
        assert one["prompts"] == other["prompts"] < 40
        for name in ("mse", "error", "low", "high"):
            assert abs(one[name] - other[name]) < 1e-12
    assert gather(0).merge(gather(1)).layers == [0, 1]
    assert LayerErrors("y", None, 1, [1], 0).merge(LayerErrors("y", None, 1, [1], 0)).layers == [None]


def test_a_layers_depth_is_its_share_of_the_blocks() -> None:
    errors = LayerErrors("y", range(5), 4, [1], seed=0)
    errors.add(range(3), torch.ones(5, 3, 1), torch.ones(3, 1), torch.ones(3, 1, dtype=torch.bool))
    assert [row["depth"] for row in errors.rows("m", "linear")] == [0.0, 0.25, 0.5, 0.75, 1.0]
    last = LayerErrors("y", [4], 4, [1], seed=0)
    last.add(range(3), torch.ones(1, 3, 1), torch.ones(3, 1), torch.ones(3, 1, dtype=torch.bool))
    assert next(last.rows("m", "model"))["depth"] == 1.0


def test_further_metrics_are_means_over_what_counts_with_their_bands() -> None:
    values = torch.tensor([[[1.0], [0.0], [1.0], [0.0]]])
    counted = torch.tensor([[True], [True], [True], [False]])
    errors = LayerErrors("y", [0], 1, [1], seed=0)
    for chosen in ([0, 1], [2, 3]):
        one = LayerErrors("y", [0], 1, [1], seed=0)
        one.add(chosen, torch.ones(1, 2, 1) * counted[chosen], counted[chosen].float(), counted[chosen])
        one.add_metrics(chosen, {"accuracy": values[:, chosen]}, counted[chosen])
        errors = errors.merge(one)
    (row,) = errors.rows("m", "linear")
    assert abs(row["accuracy"] - 2 / 3) < 1e-12
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]


def test_what_does_not_count_may_be_anything():
    counted = torch.tensor([[True, False], [True, True]])
    errors = LayerErrors("y", [0], 1, [0, 1], seed=0)
    predicted, target = torch.ones(1, 2, 2, 1), torch.full((2, 2, 1), 2.0)
    target[0, 1] = torch.nan
    predicted[0, 0, 1] = torch.inf
    errors.update([0, 1], predicted, target, counted)
    assert [row["error"] for row in errors.rows("m", "linear")] == [0.25, 0.25]
    assert [row["prompts"] for row in errors.rows("m", "linear")] == [2, 1]
    assert [row["mse"] for row in errors.rows("m", "linear")] == [1.0, 1.0]


def test_r2_is_one_less_the_errors_over_the_deviations_from_the_mean_merged_or_whole() -> None:
    """The mean that knowing nothing would predict is each coordinate's own, over the same prompts."""
    drawn = torch.Generator().manual_seed(1)
    target = torch.rand(60, 2, 3, generator=drawn).double() + 5
    predicted = target + 0.1 * torch.randn(1, 60, 2, 3, generator=drawn).double()

    def gather(*numbers: int) -> LayerErrors:
        errors, chosen = LayerErrors("belief", [0], 1, [1, 2], seed=5), list(numbers)
        errors.update(chosen, predicted[:, chosen], target[chosen])
        errors.add_moments(chosen, target[chosen])
        return errors

    deviations = (target - target.mean(0)).square().sum(-1).sum(0)
    expected = 1 - (predicted[0] - target).square().sum(-1).sum(0) / deviations
    halves = gather(*range(0, 60, 2)).merge(gather(*range(1, 60, 2)))
    for errors in (gather(*range(60)), halves):
        for row, value in zip(errors.rows("m", "linear"), expected.tolist(), strict=True):
            assert abs(row["r2"] - value) < 1e-9
            assert row["r2_low"] < row["r2"] < row["r2_high"] < 1


def test_a_constant_target_has_no_r2() -> None:
    errors = LayerErrors("belief", [0], 1, [1], seed=0)
    target = torch.full((9, 1, 2), 0.7)
    errors.update(range(9), target[None] + 0.1, target)
    errors.add_moments(range(9), target)
    (row,) = errors.rows("m", "linear")
    assert row["r2"] != row["r2"] and row["error"] < 1
