"""The preset `paper`, which works for one version: what it was before each paper had a preset of its own.

It has Grazzi et al.'s (2024) rates for every architecture, and of Park et al. (2024) the tasks.
"""

from __future__ import annotations

from probe.curriculum import Curriculum
from probe.training.recipes import Preset, Recipe, TaskRecipe

PAPER = Preset(
    dim=20,
    context=40,
    batch=64,
    schedule="cosine",
    warmup=0,
    clip=0.0,
    attention_heads=8,
    dims=Curriculum(5, 1, 2000),
    points=Curriculum(11, 2, 2000),
    recipes={
        "mamba": Recipe(blocks=24, width=256, steps=500_001, lr=1e-4, curriculum=True),
        "transformer": Recipe(blocks=24, width=256, steps=500_001, lr=1e-4, curriculum=True),
        # Grazzi et al. (2024) for S4, at a width that gives it Mamba's parameters; Park et al. (2024) for hybrids
        "s4": Recipe(blocks=24, width=435, steps=500_001, lr=1e-3, curriculum=True),
        "s4_post_norm": Recipe(blocks=24, width=435, steps=500_001, lr=1e-3, curriculum=True),
        "mambaformer": Recipe(blocks=25, width=256, steps=500_001, lr=1e-4, curriculum=True),
    },
    tasks={
        # Park et al. (2024), configurations, and those of Garg et al. (2022) that both papers share
        "relu_network": TaskRecipe(context=100, points=Curriculum(26, 5, 2000)),
        "decision_tree": TaskRecipe(context=100, lr=4e-4, points=Curriculum(26, 5, 2000)),
        "orthogonal_outlier": TaskRecipe(context=100, points=Curriculum(26, 5, 2000)),
        "many_outlier": TaskRecipe(
            context=511, steps=1_000_001, dims=Curriculum(4, 1, 2000), points=Curriculum(12, 2, 200)
        ),
        "sparse_parity": TaskRecipe(dim=10, context=139, lr=4e-4),
        "chain_of_thought": TaskRecipe(dim=10, context=100, points=Curriculum(26, 5, 2000)),
        "vector_retrieval": TaskRecipe(context=64, lr=2e-4),
        "vector_mqar": TaskRecipe(context=63),
    },
)
