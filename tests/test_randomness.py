"""Claims: a prompt is a function of (seed, purpose, number) alone, a training batch of (seed, step)."""

import numpy as np
import pytest
import torch

from probe.randomness import BatchSource, KeyedGenerator, PromptSource, generator, key, torch_generator


def drawn(seed=0, purpose="fit", numbers=range(6)):
    return PromptSource(seed, purpose, numbers).normal(4)


def test_prompt_n_is_the_same_whatever_the_batch():
    """Alone, in another batch, in another order, beside itself: the same bits."""
    together = drawn(numbers=range(10))
    torch.testing.assert_close(drawn(numbers=[7])[0], together[7], rtol=0, atol=0)
    torch.testing.assert_close(drawn(numbers=range(5, 10)), together[5:], rtol=0, atol=0)
    torch.testing.assert_close(drawn(numbers=[9, 0, 9]), together[[9, 0, 9]], rtol=0, atol=0)


def test_successive_draws_differ_and_do_not_depend_on_the_sizes_of_those_before():
    source, other = PromptSource(0, "fit", range(3)), PromptSource(0, "fit", range(3))
    first, second = source.normal(4), source.normal(4)
    assert not torch.isclose(first, second).any()
    other.normal(9, 2)
    assert torch.equal(other.normal(4), second)


def test_draws_are_standard_normal_and_independent_between_prompts():
    """Mean, variance and correlation of 2,000 prompts, each within five of its standard errors."""
    sample = PromptSource(3, "score", range(2000)).normal(8).double()
    count = sample.numel()
    assert abs(sample.mean().item()) < 5 * count**-0.5
    assert abs(sample.var().item() - 1) < 5 * (2 / count) ** 0.5
    neighbours = (sample[1:] * sample[:-1]).mean().item()
    assert abs(neighbours) < 5 * count**-0.5


def test_purposes_seeds_and_numbers_do_not_collide():
    """Every (seed, purpose, number), every group of every size and every training batch has draws of its own."""
    sources = [
        PromptSource(seed, purpose, range(50)) for seed in (-1, 0, 1, 11) for purpose in ("select", "fit", "score")
    ]
    batches = [source.normal(3) for source in sources]
    batches += [source.grouped(size).normal(3)[::size] for source in sources for size in (1, 2, 16)]
    batches += [BatchSource(seed, step, 1).normal(3) for seed in (-1, 0, 1, 11) for step in range(50)]
    rows = torch.cat(batches)
    assert len(torch.unique(rows, dim=0)) == len(rows)


def test_a_key_depends_on_every_part_and_on_their_order():
    parts = [("a", 1, 2), ("a", 2, 1), ("a", 12), ("b", 1, 2), ("a", 1), (1, "a", 2), ("a", 1, 2, 0)]
    assert len({key(*given) for given in parts}) == len(parts)
    assert all(0 <= key(*given) < 2**128 for given in parts)
    assert generator("a", 1).random() == generator("a", 1).random()


def test_a_keyed_generator_draws_what_a_new_one_draws():
    """Whatever it was put to before; a key's streams have nothing in common."""
    keyed = KeyedGenerator()
    for parts in (("a", 1), ("b", 2**70), ("a", 1)):
        expected = generator(*parts).standard_normal(5, dtype=np.float32)
        assert (keyed.at(key(*parts)).standard_normal(5, dtype=np.float32) == expected).all()
    streams = [keyed.at(key("a", 1), draw).standard_normal() for draw in range(50)]
    assert len(set(streams)) == 50


@pytest.mark.parametrize("size", [1, 3, 64])
def test_prompts_of_a_group_share_its_draws_and_only_its(size):
    shared = PromptSource(0, "fit", range(10)).grouped(size).normal(5)
    for first in range(10):
        for second in range(10):
            assert torch.equal(shared[first], shared[second]) == (first // size == second // size)


def test_a_groups_draws_are_the_same_whatever_the_batch():
    together = PromptSource(0, "fit", range(12)).grouped(4).normal(2, 3)
    apart = PromptSource(0, "fit", [11, 5]).grouped(4).normal(2, 3)
    torch.testing.assert_close(apart, together[[11, 5]], rtol=0, atol=0)


def test_drawing_for_a_group_leaves_the_prompts_own_draws_alone():
    source = PromptSource(0, "fit", range(6))
    source.grouped(2).normal(7)
    torch.testing.assert_close(source.normal(4), drawn(), rtol=0, atol=0)


def test_completed_covers_every_member_of_the_groups_touched():
    """Prompts 5 and 9 touch groups 1 and 2 of four: the source holds 4 to 11, and says where 5 and 9 stand."""
    source, chosen = PromptSource(0, "fit", [9, 5]).completed(4)
    assert source.prompts == 8
    assert chosen.tolist() == [5, 1]
    torch.testing.assert_close(source.normal(4), drawn(numbers=range(4, 12)), rtol=0, atol=0)


def test_a_group_is_grouped_and_completed_once():
    for source in (PromptSource(0, "fit", [0]), BatchSource(0, 0, 1)):
        group = source.grouped(2)
        assert group.prompts == 1
        with pytest.raises(AssertionError, match="grouped once"):
            group.grouped(2)


def test_a_training_batch_depends_on_seed_and_step_only():
    first = BatchSource(1, 5, 4)
    BatchSource(1, 4, 4).normal(100)
    torch.manual_seed(99)
    again = BatchSource(1, 5, 4)
    for _ in range(2):
        torch.testing.assert_close(first.normal(3), again.normal(3), rtol=0, atol=0)
    assert not torch.equal(BatchSource(1, 5, 4).normal(3), BatchSource(1, 6, 4).normal(3))
    assert not torch.equal(BatchSource(1, 5, 4).normal(3), BatchSource(2, 5, 4).normal(3))


def test_steps_whose_keys_share_32_bits_have_batches_of_their_own():
    """Found among the first 500,001 steps of seed 0; torch's generator of CPUs takes 32 bits of a seed."""
    steps = (14_303, 117_123)
    assert len({key(0, "train", step) % 2**32 for step in steps}) == 1
    before = [BatchSource(0, step, 4, whole=False).normal(3) for step in steps]
    now = [BatchSource(0, step, 4).normal(3) for step in steps]
    assert torch.equal(*before)
    assert not torch.isclose(*now).any()


def test_draws_by_a_part_of_the_key_are_those_of_trainings_before_there_was_a_choice():
    seeded = torch.Generator().manual_seed(key(3, "train", 7) % 2**63)
    assert torch.equal(BatchSource(3, 7, 4, whole=False).normal(5), torch.randn(4, 5, generator=seeded))


@pytest.mark.parametrize("bit", [0, 31, 32, 63, 64, 95, 96, 127])
def test_a_generator_of_torch_depends_on_every_bit_of_its_key(bit):
    number = key("bits")
    one, other = (torch_generator(each, torch.device("cpu")) for each in (number, number ^ (1 << bit)))
    assert not torch.isclose(torch.randn(4, generator=one), torch.randn(4, generator=other)).any()


def test_a_generator_of_torch_draws_the_twisters_numbers():
    """Those that numpy's draws from the same four words; a number in [0, 1) is 24 bits of one."""
    number = key("bits")
    words = [(number >> 32 * place) % 2**32 for place in range(4)]
    twister = np.random.RandomState(words).randint(0, 2**32, 1500, dtype=np.uint32)
    drawn = torch.rand(1500, generator=torch_generator(number, torch.device("cpu")))
    assert (drawn.numpy() == (twister % 2**24 / 2**24).astype(np.float32)).all()


def test_groups_of_a_training_batch_share_draws():
    """Seven prompts in groups of three: 3 + 3 + 1, and the batch is its own complete source."""
    batch = BatchSource(0, 0, 7)
    shared = batch.grouped(3).normal(2)
    assert shared.shape == (7, 2)
    groups = [shared[0:3], shared[3:6], shared[6:7]]
    assert all(torch.equal(group, group[:1].expand_as(group)) for group in groups)
    assert len({group[0, 0].item() for group in groups}) == 3
    source, chosen = batch.completed(3)
    assert source is batch
    assert chosen.tolist() == list(range(7))


def test_no_global_random_state_is_read_or_written():
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    outcomes = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        source, batch = PromptSource(0, "fit", range(3)), BatchSource(0, 0, 3)
        outcomes.append([s.normal(2) for s in (source, source.grouped(2), batch, batch.grouped(2))])
        assert (np.random.get_state()[1] == states[0]).all()  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), states[1])
    np.random.set_state(numpy_before)  # noqa: NPY002
    torch.set_rng_state(torch_before)
    assert all(torch.equal(first, second) for first, second in zip(*outcomes, strict=True))
