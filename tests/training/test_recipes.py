"""Claims: --preset grazzi and --preset park are what the papers and their code have; what they have not is refused."""

from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import pytest

from probe import checkpoints
from probe.config import TrainConfig
from probe.errors import ProbeError
from probe.tasks import TASKS
from probe.training.plan import TrainPlan, make_plan
from probe.training.presets import ARCHITECTURES, OLD, PRESETS

PUBLISHED = {name: preset for name, preset in PRESETS.items() if preset.published}
PAIRS = [
    (name, task, arch)
    for name, preset in PUBLISHED.items()
    for task in preset.tasks
    for arch in preset.recipes_of(task)
]
# the numbers of trainable parameters that the released classes have, without tables that they never use
PARAMETERS = {
    ("grazzi", "skewed_linear", "transformer"): 9_483_265,
    ("grazzi", "skewed_linear", "mamba"): 10_518_273,
    ("grazzi", "skewed_linear", "s4_post_norm"): 10_491_331,
    ("park", "linear", "transformer"): 425_473,
    ("park", "linear", "mamba"): 470_017,
    ("park", "linear", "mambaformer"): 485_889,
    ("park", "linear", "standard_hybrid"): 382_081,
    ("park", "linear", "s4"): 153_601,
    ("park", "linear", "s4_mamba"): 437_249,
    ("park", "many_outlier", "transformer"): 661_761,
    ("park", "sparse_parity", "transformer"): 9_634_305,
    ("park", "sparse_parity", "mamba"): 10_522_113,
    ("park", "sparse_parity", "mambaformer"): 8_865_281,
}


def _plan(preset: str, task: str, arch: str, **flags) -> TrainPlan:
    return make_plan(TrainConfig(out="x.pt", preset=preset, task=task, arch=arch, **flags))


@pytest.mark.parametrize(("preset", "task", "arch"), PARAMETERS)
def test_a_published_model_has_the_released_models_parameters(preset: str, task: str, arch: str) -> None:
    model = checkpoints.blank(_plan(preset, task, arch).model)
    assert sum(each.numel() for each in model.parameters()) == PARAMETERS[preset, task, arch]


@pytest.mark.parametrize(
    ("preset", "task", "arch", "rate", "schedule", "clip", "steps"),
    [
        ("grazzi", "skewed_linear", "mamba", 1e-4, "cosine", 0.0, 500_001),
        ("grazzi", "skewed_linear", "s4_post_norm", 1e-3, "cosine", 0.0, 500_001),
        ("grazzi", "linear", "transformer", 1e-4, "constant", 0.0, 500_001),
        ("grazzi", "decision_tree", "transformer", 1e-4, "cosine", 0.0, 500_001),
        ("park", "linear", "mamba", 1e-4, "constant", 10.0, 500_001),
        ("park", "decision_tree", "mambaformer", 4e-4, "constant", 10.0, 500_001),
        ("park", "sparse_parity", "mamba", 4e-4, "constant", 10.0, 500_001),
        ("park", "vector_retrieval", "transformer", 2e-4, "constant", 100.0, 500_001),
        ("park", "many_outlier", "mamba", 1e-4, "constant", 10.0, 1_000_001),
    ],
)
def test_a_published_training_has_its_rate_schedule_clip_and_steps(
    preset: str, task: str, arch: str, rate: float, schedule: str, clip: float, steps: int
) -> None:
    plan = _plan(preset, task, arch)
    assert (plan.lr, plan.schedule, plan.clip, plan.steps) == (rate, schedule, clip, steps)
    assert (plan.batch, plan.warmup, plan.curriculum, plan.model.dropout) == (64, 0, True, 0.0)
    assert plan.rate(0) == rate
    assert (plan.rate(plan.steps - 1) == rate) == (schedule == "constant")


@pytest.mark.parametrize(
    ("preset", "task", "first", "at", "last"),
    [
        ("grazzi", "skewed_linear", (5, 10), 30_000, (20, 40)),
        ("grazzi", "relu_network", (5, 25), 30_000, (20, 100)),
        ("park", "orthogonal_outlier", (5, 25), 30_000, (20, 100)),
        ("park", "many_outlier", (4, 11), 50_000, (20, 511)),
        ("park", "sparse_parity", (10, 139), 0, (10, 139)),
        ("park", "vector_retrieval", (20, 64), 0, (20, 64)),
    ],
)
def test_a_published_curriculum_begins_and_ends_as_configured(
    preset: str, task: str, first: tuple[int, int], at: int, last: tuple[int, int]
) -> None:
    plan = _plan(preset, task, "mamba")
    assert plan.stage(0) == first
    assert plan.stage(at) == last
    if at:
        assert plan.stage(at - 1) != last


def test_grazzis_transformer_has_no_positions_and_parks_has_two_of_each_of_n_positions() -> None:
    grazzi, park = _plan("grazzi", "linear", "transformer").model, _plan("park", "linear", "transformer").model
    assert (grazzi.positions, grazzi.slots) == ("none", 0)
    assert (park.positions, park.slots, park.init) == ("learned", 202, "own")
    assert _plan("park", "linear", "transformer", context=200).model.slots == 401
    assert _plan("park", "linear", "standard_hybrid").model.init == "torch"


def test_parks_mamba_has_layer_norm_and_grazzis_rms_norm() -> None:
    assert [_plan(preset, "linear", "mamba").model.norm for preset in ("park", "grazzi")] == ["layer", "rms"]


@pytest.mark.parametrize(("preset", "task", "arch"), PAIRS)
def test_a_published_recipe_cites_its_source_and_is_the_same_by_its_layout(preset: str, task: str, arch: str) -> None:
    plan = _plan(preset, task, arch)
    assert make_plan(TrainConfig(out="x.pt", preset=preset, task=task, layout=plan.model.layout)) == plan
    assert PRESETS[preset].task(task).source
    assert task in TASKS
    assert arch in ARCHITECTURES


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_has_no_published_recipe_is_refused_and_what_has_is_named(name: str) -> None:
    """Every task and architecture that there is."""
    preset = PUBLISHED[name]
    for task, arch in product(TASKS, ARCHITECTURES):
        if (name, task, arch) in PAIRS:
            continue
        there = list(preset.recipes_of(task)) if task in preset.tasks else list(preset.tasks)
        with pytest.raises(ProbeError) as refused:
            _plan(name, task, arch)
        said = str(refused.value)
        assert f"--preset {name} was given with" in said
        assert f"{preset.published} published recipes of {', '.join(there)}" in said
        assert said.endswith("Give one of these, or --preset laptop.")


@pytest.mark.parametrize("layout", ["M[gate=off]24", "(AM)3F", "(RC)4"])
def test_a_layout_that_is_no_published_architecture_is_refused(layout: str) -> None:
    with pytest.raises(ProbeError, match="published recipes of mamba, "):
        make_plan(TrainConfig(out="x.pt", preset="park", task="linear", layout=layout))


def test_flags_and_options_depart_from_a_published_recipe() -> None:
    plan = _plan("grazzi", "skewed_linear:group_size=64", "mamba", context=80, steps=10, clip=1.0, schedule="constant")
    assert (plan.context, plan.steps, plan.clip, plan.schedule, plan.lr) == (80, 10, 1.0, "constant", 1e-4)
    assert _plan("park", "linear", "transformer", positions="none", init="torch", norm="rms").model.slots == 0


@pytest.mark.filterwarnings("ignore:The preset paper is")
def test_the_preset_paper_is_what_it_was_for_one_version() -> None:
    mamba, bare = _plan("paper", "skewed_linear", "mamba"), _plan("paper", "linear", "transformer")
    assert replace(_plan("grazzi", "skewed_linear", "mamba"), preset="paper") == mamba
    assert (bare.model.positions, bare.model.slots, bare.schedule) == ("learned", 81, "cosine")
    assert _plan("paper", "vector_mqar", "rwkv4").lr == 1e-4
    assert list(OLD) == ["paper"]
    assert asdict(mamba)["preset"] == "paper"


def _row(name: str, task: str) -> str:
    preset, recipes = PRESETS[name], PRESETS[name].recipes_of(task)
    plans = {arch: _plan(name, task, arch) for arch in recipes}
    common = next(iter(plans.values()))
    rates = [f"{common.lr:.0e}", *(f"{arch} {plan.lr:.0e}" for arch, plan in plans.items() if plan.lr != common.lr)]
    cells = [
        f"`{name}`",
        f"`{task}`",
        ", ".join(recipes),
        f"{common.dim}",
        f"{common.context}",
        f"{common.steps:,}",
        "; ".join(rates).replace("e-0", "e-"),
        common.schedule,
        f"{common.clip:g}" if common.clip else "none",
        preset.task(task).source,
    ]
    return f"| {' | '.join(cells)} |"


def test_the_page_on_training_has_every_published_recipe() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(("| `grazzi`", "| `park`"))]
    assert rows == [_row(name, task) for name, preset in PUBLISHED.items() for task in preset.tasks]


@pytest.mark.parametrize(
    ("layout", "width", "rate"), [("JM4", 64, 4e-3), ("J(AF)4", 64, 1e-3), ("JL4", 64, 2e-3), ("JH4", 6, 5e-3)]
)
def test_joined_tokens_take_the_recipe_of_the_blocks_behind_them(layout, width, rate):
    plan = make_plan(TrainConfig(task="linear", out="x.pt", layout=layout))
    assert (plan.model.width, plan.lr) == (width, rate)
