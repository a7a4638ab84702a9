"""Claims: outliers are two vectors orthogonal to w, as intended, or what the released code makes of them."""

import pytest
import torch

from probe.randomness import PromptSource
from probe.tasks import OrthogonalOutlier


def draw(task, numbers=range(50), context=20, **options):
    return task.draw(PromptSource(0, "fit", numbers), context, **options)


def y_tokens(prompts):
    """What stands behind each x but the last."""
    return prompts.inputs[:, 1::2]


def test_the_worked_example(planted):
    """With w = (0, 0, 2), u = (1, 0, 0), v = (0, 3, 0), a = 1 and b = -1, the token is (0.5, -1.5, 0)."""
    source = planted(
        [[0, 0, 2]],
        [[0.1, 0.9]],
        [[[9, 9, 9], [1, 1, 4]]],
        [[[1, 0, 5], [7, 3, 6]]],
        [[[[1, -1], [0, 2]], [[1, 1], [1, 1]]]],
    )
    prompts = OrthogonalOutlier(3).draw(source, 1)
    assert prompts.inputs.tolist() == [[[0.5, -1.5, 0], [0, 1.5, 0], [1, 1, 4]]]
    assert prompts.y.tolist() == [[0, 8]]
    assert prompts.counted.tolist() == [[False, True]]


def test_the_worked_example_as_released(planted):
    """a = 1 and b = 1 become 1/2 and 1 / (1/4 + 1) = 4/5; the plane is orthogonal to another w."""
    plane = [[0, 2, 0]], [[[1, 5, 0], [3, 6, 3]]], [[1, 1]]
    source = planted([[0, 0, 2]], [[0.1, 0.9]], [[[9, 9, 9], [1, 1, 4]]], *plane, *plane)
    prompts = OrthogonalOutlier(3, released=True).draw(source, 1)
    token = torch.tensor([0.5, 0, 2.4])
    torch.testing.assert_close(prompts.inputs[0, :2], torch.stack([token, token]))
    assert prompts.inputs[0, 2].tolist() == [1, 1, 4]


@pytest.mark.parametrize("released", [False, True])
def test_outliers_are_orthogonal_to_the_prompts_w_as_intended_only(released):
    """Of the released ones the cosine with w is that of any two vectors, 0.18 in 20 dimensions on average."""
    prompts = draw(OrthogonalOutlier(20, released=released))
    outlying = ~prompts.parameters["clean"]
    w = prompts.parameters["w"][:, None].expand(-1, 21, -1)
    x_cosine = torch.cosine_similarity(prompts.x.double(), w.double(), dim=-1)[outlying].abs()
    y_cosine = torch.cosine_similarity(y_tokens(prompts).double(), w[:, :-1].double(), dim=-1)[outlying[:, :-1]].abs()
    for cosine in (x_cosine, y_cosine):
        if released:
            assert 0.12 < cosine.mean() < 0.25
        else:
            assert cosine.max() < 1e-5


def test_outliers_lie_in_one_plane_a_prompt_each_with_its_own_coefficients():
    prompts = draw(OrthogonalOutlier(5))
    for x, y, clean in zip(prompts.x, y_tokens(prompts), prompts.parameters["clean"], strict=True):
        outliers = torch.cat([x[:-1][~clean[:-1]], y[~clean[:-1]]]).double()
        outliers = outliers / outliers.norm(dim=1, keepdim=True)
        assert torch.linalg.svdvals(outliers)[2] < 1e-4
        assert torch.linalg.svdvals(outliers)[1] > 1e-2
        assert len(torch.unique(outliers, dim=0)) == len(outliers)


def test_as_released_all_outliers_of_a_prompt_are_the_same():
    prompts = draw(OrthogonalOutlier(5, released=True))
    for x, y, clean in zip(prompts.x, y_tokens(prompts), prompts.parameters["clean"], strict=True):
        assert len(torch.unique(x[~clean], dim=0)) == 1
        assert len(torch.unique(y[~clean[:-1]], dim=0)) == 1
        assert not torch.equal(x[~clean][0], y[~clean[:-1]][0])


def test_clean_pairs_are_those_of_linear_and_y_is_what_the_model_sees():
    prompts = draw(OrthogonalOutlier(5))
    clean = prompts.parameters["clean"]
    expected = torch.einsum("bcd,bd->bc", prompts.x, prompts.parameters["w"])
    torch.testing.assert_close(prompts.y[clean], expected[clean])
    assert torch.equal(prompts.y[:, :-1], y_tokens(prompts)[..., 0])
    assert not y_tokens(prompts)[clean[:, :-1]][:, 1:].any()


def test_outliers_of_a_curriculum_are_orthogonal_to_what_is_active_of_w():
    prompts = draw(OrthogonalOutlier(6), active=3)
    assert not prompts.inputs[..., 3:].any()
    outlying = ~prompts.parameters["clean"]
    cosine = torch.cosine_similarity(prompts.x[..., :3], prompts.parameters["w"][:, None, :3], dim=-1)
    assert cosine[outlying].abs().max() < 1e-4


@pytest.mark.parametrize("active", [1, 2])
def test_where_too_few_dimensions_are_active_nothing_is_infinite(active):
    assert draw(OrthogonalOutlier(6), active=active).inputs.isfinite().all()
