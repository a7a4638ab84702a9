"""Claims: losses are torch's own, and an error of 1 is what knowing nothing costs."""

import pytest
import torch
import torch.nn.functional as F

from probe.tasks.objectives import OBJECTIVES, mean_counted


def test_the_losses_are_torchs_own():
    torch.manual_seed(0)
    predicted, target = torch.randn(3, 4, 1), torch.randn(3, 4, 1)
    sign, symbol = torch.randn(3, 4, 1).sign(), torch.randint(0, 5, (3, 4, 1))
    scores = torch.randn(3, 4, 5)
    expected = F.binary_cross_entropy_with_logits(predicted, (sign + 1) / 2, reduction="none")[..., 0]
    torch.testing.assert_close(OBJECTIVES["sign"].loss(predicted, sign), expected)
    torch.testing.assert_close(OBJECTIVES["squared"].loss(predicted, target), (predicted - target)[..., 0] ** 2)
    expected = F.cross_entropy(scores.flatten(0, 1), symbol.flatten(), reduction="none").view(3, 4)
    torch.testing.assert_close(OBJECTIVES["symbol"].loss(scores, symbol), expected)


def test_a_squared_cost_sums_over_coordinates_and_its_guess_is_zero():
    predicted, target = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[0.0, 4.0]]])
    assert OBJECTIVES["squared"].cost(predicted, target).tolist() == [[[5.0]]]
    assert OBJECTIVES["squared"].guess(target, 2).tolist() == [[16.0]]


def test_a_sign_is_right_or_wrong_and_zero_is_half_of_both():
    predicted, target = torch.tensor([[[0.1], [3.0], [0.0]]]), torch.tensor([[[1.0], [-1.0], [1.0]]])
    assert OBJECTIVES["sign"].cost(predicted, target).tolist() == [[0.0, 1.0, 0.5]]
    assert OBJECTIVES["sign"].guess(target, 1).tolist() == [[0.5, 0.5, 0.5]]


def test_a_symbol_is_the_largest_score_and_guessing_is_wrong_all_but_one_time_in_their_number():
    predicted, target = torch.tensor([[[0.1, 0.3, 0.2, 0.0], [9.0, 0.0, 0.0, 0.0]]]), torch.tensor([[[1], [3]]])
    assert OBJECTIVES["symbol"].cost(predicted, target).tolist() == [[0.0, 1.0]]
    assert OBJECTIVES["symbol"].guess(target, 4).tolist() == [[0.75, 0.75]]
    assert OBJECTIVES["symbol"].encode(target, 4).tolist() == [[[0, 1, 0, 0], [0, 0, 0, 1]]]


@pytest.mark.parametrize(("counted", "mean"), [([[True, True]], 3.0), ([[False, True]], 5.0), ([[False, False]], 0.0)])
def test_what_does_not_count_is_left_out_of_the_mean(counted, mean):
    assert mean_counted(torch.tensor([[1.0, 5.0]]), torch.tensor(counted)).item() == mean
