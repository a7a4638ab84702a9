"""The recipes of Grazzi et al. (2024), arXiv:2402.03170, by task and architecture.

Tasks and contexts are those of section 3.1, optimiser, steps and seeds those of A.1.2; what the text leaves open is
that of simple_functions/src of the released code (automl/is_mamba_capable_of_icl): conf/base.yaml for the transformer,
base_mamba.yaml and base_s4.yaml, and a file by task and architecture. Adam without weight decay or clipping, batches of
64, float32. What no figure of theirs shows has no recipe here.
"""

from __future__ import annotations

from probe.curriculum import Curriculum
from probe.training.recipes import Preset, Recipe, TaskRecipe

STEPS = 500_001  # train_steps of conf/base*.yaml

RECIPES: dict[str, Recipe] = {
    # conf/base_mamba.yaml and models_conf/mamba_standard.yaml: 24 blocks of width 256; learning_rate 1e-4
    "mamba": Recipe(blocks=24, width=256, steps=STEPS, lr=1e-4, curriculum=True),
    # conf/base.yaml: 12 layers, two blocks each here; models.py sets the table of positions to zeros and freezes it
    "transformer": Recipe(blocks=24, width=256, steps=STEPS, lr=1e-4, curriculum=True, positions="none"),
}
# conf/base_s4.yaml and models_conf/s4_standard.yaml: S4D of width 435, which gives it Mamba's parameters; rate 1e-3
S4 = Recipe(blocks=24, width=435, steps=STEPS, lr=1e-3, curriculum=True)

GRAZZI = Preset(
    published="Grazzi et al. (2024)",
    dim=20,  # section 3.1
    context=40,  # section 3.1: training prompts have 40 examples and a query
    batch=64,  # A.1.2
    schedule="cosine",  # conf/base*.yaml; train.py: from the rate to 0 over all steps
    warmup=0,
    clip=0.0,
    attention_heads=8,  # conf/base.yaml
    dims=Curriculum(5, 1, 2000),  # conf/base.yaml, after Garg et al. (2022)
    points=Curriculum(11, 2, 2000),  # conf/*linear_regression*.yaml
    tasks={
        "skewed_linear": TaskRecipe(
            recipes={**RECIPES, "s4_post_norm": S4}, source="section 3.1, figure 1; skewed_linear_regression_ARCH.yaml"
        ),
        "linear": TaskRecipe(
            schedule="constant", recipes=RECIPES, source="A.1.5, figures 8 and 9; linear_regression_ARCH.yaml"
        ),
        "sparse_linear": TaskRecipe(
            recipes=RECIPES, source="section 3.1, figure 2a; sparse_linear_regression_ARCH.yaml"
        ),
        "relu_network": TaskRecipe(
            context=100,
            points=Curriculum(26, 5, 2000),
            recipes=RECIPES,
            source="section 3.1, figure 2b; relu_2nn_regression_ARCH.yaml",
        ),
        "decision_tree": TaskRecipe(
            context=100,
            points=Curriculum(26, 5, 2000),
            recipes=RECIPES,
            source="section 3.1, figure 2c; decision_tree_ARCH.yaml",
        ),
    },
)
