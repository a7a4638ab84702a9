"""Examines the claim that a model improves an internal answer step by step: evidence, nulls and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pandas as pd
import torch

from probe.checkpoints import Checkpoint
from probe.commands.keywords import takes
from probe.config import ClaimConfig
from probe.errors import ProbeError
from probe.evidence.algorithms import STEPS, at_edge
from probe.evidence.beyond import changes
from probe.evidence.causes import about, run_all
from probe.evidence.closed_loop import closed_loop
from probe.evidence.contraction import contraction
from probe.evidence.course import EFFORTS, HEADS, Course, Effort
from probe.evidence.criteria import Criterion
from probe.evidence.criteria.trend import FEWEST_STEPS
from probe.evidence.exchanged import exchanged
from probe.evidence.exchanged_states import exchanged_states
from probe.evidence.free_filter import free_filter
from probe.evidence.influence import implicit_attention, influence, influence_rows
from probe.evidence.layers import (
    SOLVED,
    condition_rows,
    curve_rows,
    filter_rows,
    gain_rows,
    match_rows,
    rank_rows,
    shift_rows,
    stretch_rows,
    transfer_rows,
    trend_rows,
)
from probe.evidence.lens import calibrated_errors
from probe.evidence.linear_maps import linear_maps
from probe.evidence.matching import final_answer, match
from probe.evidence.nonlinear import compare_heads, comparison_rows, untrained_comparison
from probe.evidence.nulls import control_errors, shuffled_errors, untrained_errors
from probe.evidence.one_map import TELLS, one_map
from probe.evidence.online import follow
from probe.evidence.order import order
from probe.evidence.preconditioned import at_pairs_rows
from probe.evidence.reliability import reliability
from probe.evidence.rows import row
from probe.evidence.several import of_all, told
from probe.evidence.spectral import Followed, spectrum
from probe.evidence.states import states, states_rows, untrained_states
from probe.evidence.study import Study
from probe.evidence.targets import algorithmic_errors, target_rows
from probe.evidence.transfer import transfer
from probe.evidence.verdict import Verdict, judge, judge_on
from probe.heads import make_all
from probe.language import study_of
from probe.models import ResidualModel
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, describe, load_all, notes_on
from probe.probing.measure import measure
from probe.probing.prepare import WIDE, at_contexts, choose_contexts, set_before
from probe.probing.results import ClaimResult
from probe.progress import Report, silent
from probe.randomness import PromptSource
from probe.records import EVIDENCE_COLUMNS, versions, with_dtypes
from probe.statistics import RatioBootstrap

Rows = Iterable[dict[str, Any]]
Missing = dict[str, str]
"""Why a kind of evidence is not there, by its name; a stage may add to it."""
USED = ("linear", "lens")
"""The heads that every study begins with."""


Decided = Callable[[str, Criterion], None]
"""Called with the checkpoint's name and a criterion as soon as it is decided."""


def nobody(model: str, criterion: Criterion) -> None:
    """Tells nobody."""


@takes(ClaimConfig)
def claim(config: ClaimConfig, *, command: str = "", report: Report = silent, decided: Decided = nobody) -> ClaimResult:
    """Gathers the evidence on each checkpoint as rows, and judges it; the verdicts stand in the provenance.

    Evidence that does not apply to a model or task is left out, and the provenance says why under ``not_tested``. Of
    several checkpoints it has each one's verdict under ``verdicts``, and at the top what they amount to together.

    Args:
        command: what was typed, for the record.
        report: called as the work goes on, with an estimate of what is left.
        decided: called with the checkpoint's name and each criterion as soon as it is decided.

    Raises:
        ProbeError: if a checkpoint, the task or a number does not fit, before any work.
    """
    experiments, control = _prepared(config)
    course = Course(_kinds(config, experiments), report)
    rows: list[dict[str, Any]] = []
    each: dict[str, dict[str, Any]] = {}
    verdicts: list[Verdict] = []
    for place, experiment in enumerate(experiments):
        start = place * (len(STAGES) + 1)
        course.begin(start)
        study = _study(config, replace(experiment, told=course.tell), control)
        found, missing = _gathered(study, config, partial(_begun, course, start), decided)
        verdicts.append(judge(found, missing))
        rows += found
        each[study.name] = told(verdicts[-1]) | {
            "not_tested": missing,
            "notes": _notes(study),
            "chosen_settings": study.settings,
            "warnings": _warnings(study),
        }
    provenance = {
        "kind": "claim",
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "counts": experiments[0].task.counts,
        "units": {"y": experiments[0].task.unit},
        **of_all([one.checkpoint for one in experiments], verdicts, each),
        "errs": [asdict(one) for one in reliability()],
        "models": {one.checkpoint.name: describe(one.checkpoint, one.task, one.longest) for one in experiments},
    }
    return ClaimResult(with_dtypes(pd.DataFrame(rows, columns=EVIDENCE_COLUMNS)), provenance)


def _kinds(config: ClaimConfig, experiments: Sequence[Experiment]) -> list[tuple[str, float]]:
    """Returns what is done on every checkpoint, in order, and how much work it is, in floating-point operations."""
    pass_, found = Pass.of(config), []
    for one in experiments:
        whose = f" of {one.checkpoint.name}" if len(experiments) > 1 else ""
        once = one.model.flops(one.task.length(one.longest))[-1]
        for name in (HEADS, *STAGES):
            work = 0.0 if name in config.skip else EFFORTS.get(name, Effort()).of(one, pass_, config.asked)
            found.append((f"{name}{whose}", work * once))
    return found


def _begun(course: Course, start: int, place: int) -> None:
    course.begin(start + place)


def _gathered(
    study: Study, config: ClaimConfig, begin: Callable[[int], None], decided: Decided
) -> tuple[list[dict[str, Any]], Missing]:
    """Returns the rows of evidence on one checkpoint, and why what is not among them is missing."""
    rows: list[dict[str, Any]] = []
    missing: Missing = {}
    for place, (name, stage) in enumerate(STAGES.items(), start=1):
        begin(place)
        if name in config.skip:
            missing[name] = "It was left out by --skip."
        else:
            try:
                rows += stage(study, missing)
            except ProbeError as error:
                missing[name] = str(error)
        for criterion in judge_on(name, rows, missing):
            decided(study.name, criterion)
    return rows, missing


def _notes(study: Study) -> list[str]:
    """Returns what a reader of the evidence should know of the model."""
    found = study.experiment.checkpoint
    foreign = f"{found.name} is no layout of probe: its untrained model has every parameter's entries in random order."
    shuffled = [] if isinstance(found.model, ResidualModel) else [foreign]
    return notes_on([found], study.experiment.longest) + shuffled


def _warnings(study: Study) -> list[str]:
    """Returns the warnings on the settings that were chosen, each once."""
    chosen = dict.fromkeys(setting for settings in study.settings.values() for setting in settings.values())
    far = f"was compared for {STEPS} steps, and a layer comes closest to the last of them: more may come closer."
    capped = [f"{name} {far}" for name in dict.fromkeys(study.capped)]
    return capped + list(dict.fromkeys(warning for setting in chosen if (warning := at_edge(setting))))


def _prepared(config: ClaimConfig) -> tuple[list[Experiment], Checkpoint | None]:
    """Returns every checkpoint set before the task, at one context each, and the control if there is one."""
    if study_of(config.task) != "numbers":
        raise ProbeError(
            f"--task {config.task} was given, but the claim is examined on tasks of pairs with a number to predict. "
            "Use probe fit for language tasks."
        )
    found = load_all(config.ckpt, dim=config.dim)
    contexts = [one.context if config.context is None else config.context for one in found]
    heads = make_all(USED)
    experiments = [set_before([one], config, heads, [context])[0] for one, context in zip(found, contexts, strict=True)]
    if config.asked < 32:
        raise ProbeError(f"--asked {config.asked} was given, but at least 32 prompts are needed. Give more.")
    return experiments, load_all((config.control,), ())[0] if config.control else None


def _study(config: ClaimConfig, experiment: Experiment, control: Checkpoint | None) -> Study:
    pass_ = Pass.of(config)
    heads, errors = measure(experiment, make_all(USED), pass_, "y", silent)
    curves = {name: _at_last(errors[name].ratio) for name in USED}
    return Study(experiment, pass_, config.asked, heads["linear"], curves, control)


def _at_last(errors: RatioBootstrap) -> RatioBootstrap:
    """Returns the errors at the one context that there is."""
    return errors.part(lambda cells: cells[..., 0])


def _curve(study: Study, missing: Missing) -> Rows:
    return [one for head, errors in study.errors.items() for one in curve_rows(study.name, head, errors)]


def _trend(study: Study, missing: Missing) -> Rows:
    blocks = study.experiment.layers - 1
    if blocks < FEWEST_STEPS:
        missing["trend"] = (
            f"{study.name} has {blocks} blocks, but three steps need {FEWEST_STEPS}. Take a deeper model."
        )
        return [row(study.name, "trend", "blocks", float(blocks))]
    matrix = transfer(study.experiment, study.heads, study.pass_)
    frozen = matrix.part(lambda cells: cells[..., -1, :])
    rows = [*curve_rows(study.name, "frozen", frozen), *transfer_rows(study.name, matrix)]
    calibrated = calibrated_errors(study.experiment, study.pass_)
    read = study.read.errors(study.pass_)
    rows += [*curve_rows(study.name, "calibrated", calibrated), *curve_rows(study.name, "read", read)]
    for head, errors in (study.errors | {"frozen": frozen, "calibrated": calibrated}).items():
        rows += trend_rows(study.name, head, errors)
    return [*rows, *trend_rows(study.name, "read", read, added=SOLVED), *stretch_rows(study.name, "read", read)]


def _matching(study: Study, missing: Missing) -> Rows:
    _check_linear(study)
    selected, scored = study.selected, study.scored
    rows: list[dict[str, Any]] = []
    seed = study.pass_.seed
    shifts = changes(study.experiment, seed)
    elsewhere = {name: study.ask("score", change) for name, change in shifts.items()}
    known = study.experiment.task.known
    for head, matches in match(selected, scored, list(scored.answers), seed, fit_for=("linear",), known=known).items():
        null = final_answer(selected, scored, head, seed)
        rows += [*match_rows(study.name, head, null, None), *rank_rows(study.name, head, matches, null)]
        study.settings[head] = {found.algorithm: found.setting for found in matches}
        study.closest[head] = matches[0]
        study.capped.extend(found.algorithm for found in matches if found.capped)
        for found in matches:
            rows += match_rows(study.name, head, found, null)
            rows += condition_rows(study.name, head, found, null, scored)
        rows += filter_rows(study.name, head, free_filter(selected, scored, head, seed), null)
        rows += shift_rows(study.name, head, matches[0], null, elsewhere)
    return rows


def _check_linear(study: Study) -> None:
    task = study.experiment.task
    linear = task.regressors(torch.zeros(1, study.experiment.checkpoint.dim)) is not None
    if not (linear and task.appendable and task.objective == "squared"):
        raise ProbeError(
            f"Algorithms are compared on tasks whose answer is linear in x or in a power of it, and "
            f"{study.experiment.task_name} is none. Examine such a task."
        )


def _nulls(study: Study, missing: Missing) -> Rows:
    experiment, pass_, errors = study.experiment, study.pass_, study.errors["linear"]
    shuffled = _at_last(shuffled_errors(experiment, pass_).ratio)
    rows = list(curve_rows(study.name, "linear", shuffled, "shuffled_targets"))

    def beyond(site: str, null: RatioBootstrap) -> list[dict[str, Any]]:
        return [*curve_rows(study.name, "linear", null, site), *gain_rows(study.name, site, null, errors)]

    rows += _untrained(missing, lambda: beyond("untrained", _at_last(untrained_errors(experiment, pass_).ratio)))
    if study.control is not None:
        rows += beyond("fixed_function", _at_last(control_errors(study.control, experiment, pass_).ratio))
    return rows


def _untrained(missing: Missing, rows: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Returns rows of the untrained model, none where there is no such model."""
    try:
        return rows()
    except ProbeError as error:
        missing["untrained"] = str(error)
        return []


def _known(study: Study, missing: Missing) -> Rows:
    rows = target_rows(algorithmic_errors(study.experiment, study.pass_), study.name)
    rows += at_pairs_rows(study.experiment, study.pass_, study.name)
    rows += comparison_rows(compare_heads(study.experiment, study.pass_), study.name)
    return rows + _untrained(
        missing,
        lambda: comparison_rows(untrained_comparison(study.experiment, study.pass_), study.name, ", untrained"),
    )


def _states(study: Study, missing: Missing) -> Rows:
    experiment, pass_ = study.experiment, study.pass_
    sample = experiment.task.draw(PromptSource(pass_.seed, "fit", [0]), experiment.longest)
    # eight at most, spaced geometrically, as for a wide stream
    several = at_contexts(experiment, choose_contexts(None, sample.contexts, WIDE + 1))
    rows = states_rows(states(several, pass_), study.name)
    return rows + _untrained(
        missing, lambda: states_rows(untrained_states(several, pass_), study.name, "linear, untrained")
    )


def _influence(study: Study, missing: Missing) -> Rows:
    task = study.experiment.task
    if not (task.appendable and task.objective == "squared"):
        raise ProbeError(
            f"Influence is a derivative by each example's y, which {study.experiment.task_name} does not have."
        )
    attention = implicit_attention(study.experiment, study.pass_)
    return influence_rows(influence(study.experiment, study.pass_), attention, study.name)


def _causes(study: Study, missing: Missing) -> Rows:
    found = run_all(study.experiment, study.heads, study.errors, lambda: study.exchange, study.pass_)
    missing |= {f"causes: {kind}": why for kind, why in found.untested.items()}
    return found.rows


def _loop(study: Study, missing: Missing) -> Rows:
    heads, errors = {"y": study.heads}, {"y": study.errors["linear"]}
    if study.of_w is not None:
        heads["w"], errors["w"] = study.of_w
    shared = about(study.experiment, study.pass_)
    everywhere = exchanged(study.experiment, study.read, study.pass_, study.rows_read)
    try:
        everywhere.append(exchanged_states(study.experiment, study.read, study.pass_))
    except ProbeError as error:
        missing["loop: states"] = str(error)
    rows = [found for one in everywhere for found in one.rows(shared)]
    try:
        _check_linear(study)
        named = contraction(study.experiment, study.selected, "linear", study.pass_)
        rows += named.rows(shared, everywhere[0].judged_layers)
    except ProbeError as error:
        missing["loop: gradient descent"] = str(error)
    return rows + closed_loop(study.experiment, heads, errors, study.exchange.donor, study.pass_).rows(shared)


def _spectral(study: Study, missing: Missing) -> Rows:
    _check_linear(study)
    examples = study.scored.examples
    followed = [
        Followed(head, one.algorithm, one.scales[:, None, None] * one.again(examples)[one.steps])
        for head, one in study.closest.items()
    ]
    return spectrum(study.scored, study.pass_.seed, followed).rows(study.name)


def _map(study: Study, missing: Missing) -> Rows:
    try:
        found = one_map(study.experiment, study.read, study.pass_)
    except ProbeError as error:
        missing["map: blocks exchanged"] = str(error)
        found = linear_maps(study.experiment, study.read, study.pass_)
    if found.small:
        missing["map: small steps"] = (
            f"At layers {', '.join(map(str, found.small))} no answer is read, or its mean square changes by less than "
            f"{TELLS:.1%} of that of y, which tells no map from another."
        )
    return found.rows(about(study.experiment, study.pass_))


def _online(study: Study, missing: Missing) -> Rows:
    followed = follow(study.experiment, study.pass_).rows(study.name)
    return followed + order(study.experiment, study.read, study.pass_).rows(study.name)


STAGES: dict[str, Callable[[Study, Missing], Rows]] = {
    "curve": _curve,
    "trend": _trend,
    "matching": _matching,
    "nulls": _nulls,
    "known": _known,
    "states": _states,
    "influence": _influence,
    "causes": _causes,
    "loop": _loop,
    "map": _map,
    "online": _online,
    "spectral": _spectral,
}
"""Every kind of evidence by the name that its rows carry."""
