"""Names of the metrics and of the engines."""

from __future__ import annotations

from typing import Final, TypeAlias

Value: TypeAlias = "float | int | str"
"""What a metric may be."""

SEED: Final = "seed"
TEXTSTAT: Final = "textstat"
ENGINES: Final = (SEED, TEXTSTAT)
"""Names of the engines, the default first."""

METRICS: Final[tuple[str, ...]] = (
    "flesch_reading_ease",
    "flesch_kincaid_grade",
    "smog_index",
    "coleman_liau_index",
    "automated_readability_index",
    "dale_chall_readability_score",
    "difficult_words",
    "linsear_write_formula",
    "gunning_fog",
    "text_standard",
    "fernandez_huerta",
    "szigriszt_pazos",
    "gutierrez_polini",
    "crawford",
    "gulpease_index",
    "osman",
)
"""Names of the metrics, in the order of the page's columns."""
