"""Claims: blocks that iterate take an exchanged answer back by the known factors, and others carry it or follow it."""

import pytest
import torch

from probe.capture import capture
from probe.evidence.causes import about
from probe.evidence.causes.pairs import pairs
from probe.evidence.donors import donor_at_query, donor_everywhere
from probe.evidence.exchanged import READ_PLACES, exchanged
from probe.evidence.reading import Reading
from probe.probing.draws import Pass
from probe.randomness import PromptSource

DIM, BLOCKS = 3, 6
LAYERS = BLOCKS + 1
SMALL = Pass(prompts=256, score=96, batch=64)


def reader(experiment, place=2 * DIM) -> Reading:
    """Reads a planted model's answer where it stands."""
    heads = torch.zeros(LAYERS, experiment.model.width + 1, 1, dtype=torch.float64)
    heads[:, place] = 1.0
    return Reading(experiment, "y", heads)


def rows_read(experiment, places=tuple(range(DIM, 2 * DIM + 1))):
    """What heads that read a planted model's weights and answer where they stand read."""
    return torch.eye(experiment.model.width).double()[list(places)].expand(LAYERS, -1, -1)


@pytest.fixture(scope="module")
def of(planted_experiment):
    found = {}

    def make(algorithm):
        if algorithm not in found:
            experiment, _ = planted_experiment(algorithm)
            found[algorithm] = experiment, exchanged(experiment, reader(experiment), SMALL, rows_read(experiment))
        return found[algorithm][0], found[algorithm][1][:2]

    make.as_read = lambda algorithm: make(algorithm) and found[algorithm][1][2:]

    return make


def kept(experiment, one):
    """The share that is left of each layer's answer, by layer."""
    rows = one.rows(about(experiment, SMALL))
    return {row["layer"]: row["value"] for row in rows if row["metric"] == "kept"}


def test_gradient_descent_takes_back_what_its_step_size_says(of):
    """The shift of w at layer l is (I - H / L)^k times itself k blocks on, H and L the prompt's own."""
    experiment, (at_query, _) = of("gradient")
    top, bottom = torch.zeros(LAYERS), 0.0
    for pair in pairs(experiment, SMALL):
        x = pair.own[:, :-1:2].double()
        hessian = x.mT @ x
        step = torch.eye(DIM) - hessian / torch.linalg.eigvalsh(hessian)[:, -1, None, None]
        own, donor = (
            capture(experiment.model, each, torch.tensor([pair.own.shape[1] - 1])).stream
            for each in (pair.own, pair.donor)
        )
        shift = (donor - own)[2, :, 0, DIM : 2 * DIM].double()
        query, first = pair.own[:, -1].double(), None
        for later in range(2, LAYERS):
            moved = (shift * query).sum(-1)
            first = moved if first is None else first
            top[later] += (moved * first).sum()
            shift = torch.einsum("pij,pj->pi", step, shift)
        bottom += first.square().sum()
    torch.testing.assert_close(at_query.carry.estimate()[2, 2:].float(), top[2:] / bottom, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("algorithm", ["open_loop", "coordinate"])
def test_blocks_that_read_the_tokens_alone_carry_it_along(of, algorithm):
    experiment, both = of(algorithm)
    for one in both:
        left = kept(experiment, one)
        assert left
        assert all(abs(share - 1) < 1e-3 for share in left.values())


def test_what_was_fixed_before_follows_the_donor(of):
    """The first block of a model that only reveals its steps has all of them: the whole answer is the donor's."""
    experiment, both = of("reveal")
    for one in both:
        assert torch.allclose(one.share.estimate()[1:], torch.ones(BLOCKS).double(), atol=1e-3)
        assert all(share > 1 for share in kept(experiment, one).values())


def test_residuals_at_the_pairs_are_corrected_where_all_tokens_are_exchanged(of):
    """Nothing at the query is read by later blocks there."""
    experiment, (at_query, everywhere) = of("at_pairs")
    assert all(abs(share - 1) < 1e-3 for share in kept(experiment, at_query).values())
    assert all(share < 0.95 for share in kept(experiment, everywhere).values())


def taken(experiment, one):
    """The share of each exchanged answer that each later block takes back."""
    rows = one.rows(about(experiment, SMALL))
    return {(row["layer"], row["other_layer"]): row["value"] for row in rows if row["metric"] == "taken back"}


def test_every_step_of_gradient_descent_takes_some_back(of):
    for one in of("gradient")[1]:
        found = taken(of("gradient")[0], one)
        assert min(found.values()) > 0
        for layer in range(1, BLOCKS):
            back = sum(found[layer, later] for later in range(layer + 1, LAYERS))
            assert 1 - back == pytest.approx(one.carry.estimate()[layer, -1].item(), abs=1e-3)


@pytest.mark.parametrize("algorithm", ["open_loop", "coordinate", "gather", "reveal"])
def test_other_ways_take_nothing_back(of, algorithm):
    experiment, both = of(algorithm)
    for one in both:
        assert max(taken(experiment, one).values(), default=0.0) < 1e-3


def test_an_answer_that_nothing_reads_moves_nothing(planted_experiment):
    """A detector's running answer stands behind the memory that all have."""
    (experiment, _), place = planted_experiment("detector"), 2 * DIM + 1 + DIM**2 + DIM
    found = exchanged(experiment, reader(experiment, place), SMALL, rows_read(experiment, (place,)))
    for one in found[:2]:
        rows = one.rows(about(experiment, SMALL))
        assert max(abs(row["value"]) for row in rows if row["metric"] in ("share", "response")) < 1e-3
        assert all(abs(share - 1) < 1e-3 for share in kept(experiment, one).values())


def test_every_token_stays_the_prompts_own(of):
    """The read-in of a token follows from the token; what blocks wrote there follows from the donor's examples."""
    experiment, _ = of("gradient")
    queries = experiment.task.draw(PromptSource(0, "score", [0]), experiment.longest).queries
    for pair in pairs(experiment, Pass(prompts=8, score=8, batch=8)):
        own = capture(experiment.model, pair.own, torch.arange(pair.own.shape[1])).stream
        at_query, _ = donor_at_query(experiment, pair, own)
        everywhere = donor_everywhere(experiment, pair, at_query, queries)
        assert torch.equal(everywhere[0], own[0])
        assert torch.equal(at_query[:, :, :-1], own[:, :, :-1])
        assert torch.equal(everywhere[:, :, -1], at_query[:, :, -1])
        mixed = pair.donor.clone()
        mixed[:, 4:6] = pair.own[:, 4:6]
        there = capture(experiment.model, mixed, torch.tensor([4, 5])).stream
        assert torch.equal(everywhere[:, :, 4:6], there)
        assert not torch.equal(everywhere[-1, :, 4:6], own[-1, :, 4:6])


def test_where_the_answer_is_there_nothing_is_left_to_correct(of):
    """A one-shot solver's answer stands from its block on, and no later layer is asked whether it is corrected."""
    experiment, both = of("solve")
    for one in both:
        assert one.readable.sum() == BLOCKS - BLOCKS // 2
        assert not one.unfinished[one.readable].any()
        rows = one.rows(about(experiment, SMALL))
        assert rows and not [row for row in rows if row["metric"] == "kept"]


def test_rows_say_the_place_the_layers_and_bands(of):
    experiment, both = of("gradient")
    rows = [row for one in both for row in one.rows(about(experiment, SMALL))]
    assert {row["site"] for row in rows} == {"exchanged at query", "exchanged at all tokens"}
    assert {row["evidence"] for row in rows} == {"loop"}
    assert {row["metric"] for row in rows} == {"carry", "response", "taken back", "share", "known", "kept"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert all(row["other_layer"] > row["layer"] for row in rows if row["head"] == "read")
    carried = {(r["layer"], r["other_layer"]): r["value"] for r in rows if r["metric"] == "carry"}
    response = {(r["layer"], r["other_layer"]): r["value"] for r in rows if r["metric"] == "response"}
    for cell in carried:
        assert carried[cell] - response[cell] == pytest.approx(1.0, abs=1e-3)


def test_what_heads_read_alone_is_corrected_as_the_whole_stream_is(of):
    """Gradient descent reads its weights and answer, which the heads span, and nothing else of what is exchanged."""
    experiment, (at_query, _) = of("gradient")
    as_read, everywhere = of.as_read("gradient")
    assert [one.site for one in (as_read, everywhere)] == [f"exchanged at {place}" for place in READ_PLACES]
    whole = kept(experiment, at_query)
    for one in (as_read, everywhere):
        part = kept(experiment, one)
        assert whole.keys() == part.keys()
        # the directions that answers vary along are those of few prompts, and touch the tokens a little
        assert all(part[layer] == pytest.approx(whole[layer], abs=0.05) for layer in whole)


@pytest.mark.parametrize("algorithm", ["open_loop", "coordinate"])
def test_what_heads_read_alone_is_carried_along_by_blocks_that_do_not_read_it(of, algorithm):
    experiment, _ = of(algorithm)
    for one in of.as_read(algorithm):
        left = kept(experiment, one)
        assert left
        assert all(abs(share - 1) < 0.1 for share in left.values()), left


def test_an_answer_alone_is_not_what_gradient_descent_reads(of):
    """Its blocks read the weights; the answer that follows from them may stand as it is."""
    experiment, _ = of("gradient")
    both = exchanged(experiment, reader(experiment), SMALL, rows_read(experiment, (2 * DIM,)))
    assert min(kept(experiment, both[2]).values()) > 0.95
