"""Word-pair tasks for language models: prompts, greedy decoding, accuracy, layers and task vectors.

The tasks are those of Grazzi et al. (2024), arXiv:2402.03170, section 4; the words are the project's own.
"""

from probe.language.compare import compare_language
from probe.language.evaluate import evaluate_language
from probe.language.layers import language_layers
from probe.language.prompts import Tokenizer, tokenizer_at_hand
from probe.language.tasks import LANGUAGE_TASKS, Study, study_of

__all__ = [
    "LANGUAGE_TASKS",
    "Study",
    "Tokenizer",
    "compare_language",
    "evaluate_language",
    "language_layers",
    "study_of",
    "tokenizer_at_hand",
]
