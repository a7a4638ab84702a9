"""The recipes of Park et al. (2024), arXiv:2402.04248, by task and architecture.

They are those of the released code (krafton-ai/mambaformer-icl, src/conf), which has a file for every task, written for
the transformer, and files of linear regression for Mamba, S4 and the standard hybrid; train.py has Adam without weight
decay at a constant rate, schema.py gradients clipped at 10. The sizes are the files' own: the paper draws many sizes of
each architecture and names none (--blocks, --width). They carry over to architectures without a file by the rule of
the README: of blocks that are no layers of GPT-2, twice as many. Chain of thought and multi-query recall are not in
the released code and have no recipe here.
"""

from __future__ import annotations

from probe.curriculum import Curriculum
from probe.training.recipes import Preset, Recipe, TaskRecipe

STEPS = 500_001  # train_steps of src/conf
RATE = 1e-4  # learning_rate of src/conf where a task below has no other

# width 128, two layers of GPT-2 or four blocks (conf/linear_regression.yaml, conf/mamba/linear_regression.yaml)
SMALL: dict[str, Recipe] = {
    # mixer_seq_simple.py: LayerNorm, as everywhere in this code
    "mamba": Recipe(blocks=4, width=128, steps=STEPS, lr=RATE, curriculum=True, norm="layer"),
    # one block of Mamba before those counted; attention begins with torch's weights (mamba_simple.py)
    "mambaformer": Recipe(blocks=5, width=128, steps=STEPS, lr=RATE, curriculum=True, init="torch"),
}
# conf/s4/linear_regression.yaml; state spaces of the regression figures have 8 complex modes (mamba_simple.py, s4d.py)
STATE_SPACES: dict[str, Recipe] = {
    "s4": Recipe(blocks=4, width=128, steps=STEPS, lr=RATE, curriculum=True, layout="S[states=16]{n}"),
    "s4_mamba": Recipe(
        blocks=4,
        width=128,
        steps=STEPS,
        lr=RATE,
        curriculum=True,
        # no SiLU in the gate, dropout after the state space (s4d.py, mamba_simple.py)
        layout="T[states=16,gate=linear,dropout=0.1,skip=normal]{n}",
    ),
}
# conf/parity.yaml: width 256, 12 layers of GPT-2 or 24 blocks
LARGE: dict[str, Recipe] = {
    "mamba": Recipe(blocks=24, width=256, steps=STEPS, lr=RATE, curriculum=True, norm="layer"),
    "mambaformer": Recipe(blocks=25, width=256, steps=STEPS, lr=RATE, curriculum=True, init="torch"),
    "transformer": Recipe(blocks=24, width=256, steps=STEPS, lr=RATE, curriculum=True, slots=600),
}
# conf/hybrid/linear_regression.yaml: n_positions 101, and a table of as many
HYBRID = Recipe(blocks=4, width=128, steps=STEPS, lr=RATE, curriculum=True, init="torch", slots=101)


def _with_transformer(positions: int) -> dict[str, Recipe]:
    """Returns the small recipes and the transformer's; models.py gives it two positions for each of n_positions."""
    return {
        **SMALL,
        "transformer": Recipe(blocks=4, width=128, steps=STEPS, lr=RATE, curriculum=True, slots=2 * positions),
    }


PARK = Preset(
    published="Park et al. (2024)",
    dim=20,  # n_dims of src/conf
    context=40,  # curriculum.points.end is 41, with the query
    batch=64,  # batch_size of src/conf
    schedule="constant",  # train.py
    warmup=0,
    clip=10.0,  # schema.py
    attention_heads=8,  # n_head of src/conf, and what mamba_simple.py has in hybrids
    dims=Curriculum(5, 1, 2000),  # curriculum of src/conf where a task below has no other, and the next
    points=Curriculum(11, 2, 2000),
    tasks={
        "linear": TaskRecipe(
            recipes={**_with_transformer(101), **STATE_SPACES, "standard_hybrid": HYBRID},
            source="linear_regression.yaml; mamba, s4, hybrid/linear_regression.yaml",
        ),
        "sparse_linear": TaskRecipe(
            recipes={**_with_transformer(101), **STATE_SPACES}, source="sparse_linear_regression.yaml"
        ),
        "relu_network": TaskRecipe(
            context=100,
            points=Curriculum(26, 5, 2000),
            recipes={**_with_transformer(101), **STATE_SPACES},
            source="relu_2nn_regression.yaml",
        ),
        "decision_tree": TaskRecipe(
            context=100,
            lr=4e-4,
            points=Curriculum(26, 5, 2000),
            recipes={**_with_transformer(256), **STATE_SPACES},
            source="decision_tree.yaml",
        ),
        "orthogonal_outlier": TaskRecipe(
            context=100,
            points=Curriculum(26, 5, 2000),
            recipes=_with_transformer(256),
            source="ortho_outlier_regression.yaml",
        ),
        "many_outlier": TaskRecipe(
            context=511,
            steps=1_000_001,
            dims=Curriculum(4, 1, 2000),
            points=Curriculum(12, 2, 200),
            recipes=_with_transformer(1024),
            source="many_outlier_regression.yaml",
        ),
        "sparse_parity": TaskRecipe(dim=10, context=139, lr=4e-4, recipes=LARGE, source="parity.yaml"),
        "vector_retrieval": TaskRecipe(
            context=64, lr=2e-4, clip=100.0, recipes=_with_transformer(130), source="retrieval.yaml"
        ),
    },
)
