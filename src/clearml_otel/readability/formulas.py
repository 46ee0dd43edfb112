"""The 16 formulas of textstat 0.7.3 and 0.7.4.

Source: ``textstat/textstat.py`` of textstat 0.7.4 (MIT, ``data/LICENSE-textstat``). The order of
the floating-point operations and the rounding of intermediate values are textstat's: results are
equal to the last bit. Where textstat divides by zero the value is 0.0.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, copysign, floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .counts import Counts, Sample

_GRADES_OF_EASE = {90: (5,), 80: (6,), 70: (7,), 60: (8, 9), 50: (10,), 40: (11,), 30: (12,)}
_GRADE_OUTSIDE = (13,)
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


class _Averages(NamedTuple):
    sentence_length: float
    """Words in a sentence, to one decimal."""
    syllables: float
    """In a word, to one decimal."""


def metrics(counts: Counts) -> dict[str, float | int | str]:
    """Compute the metrics of ``clearml_otel.readability.METRICS`` from ``counts``."""
    words = counts.words
    averages = _Averages(
        _rounded(words / counts.sentences, 10),
        _rounded(counts.syllables / words, 10) if words else 0.0,
    )
    ease = _rounded(206.835 - 1.015 * averages.sentence_length - 84.6 * averages.syllables, 100)
    kincaid = _rounded(0.39 * averages.sentence_length + 11.8 * averages.syllables - 15.59, 10)
    smog = _smog(counts)
    coleman_liau = _coleman_liau(counts)
    automated = _automated_readability(counts) if words else 0.0
    dale_chall = _dale_chall(counts, averages) if words else 0.0
    linsear_write = _linsear_write(counts.sample)
    fog = (
        _rounded(0.4 * (averages.sentence_length + counts.complex / words * 100), 100)
        if words
        else 0.0
    )
    huerta = _rounded(206.84 - 60 * averages.syllables - 1.02 * averages.sentence_length, 100)
    return {
        "flesch_reading_ease": ease,
        "flesch_kincaid_grade": kincaid,
        "smog_index": smog,
        "coleman_liau_index": coleman_liau,
        "automated_readability_index": automated,
        "dale_chall_readability_score": dale_chall,
        "difficult_words": counts.difficult,
        "linsear_write_formula": linsear_write,
        "gunning_fog": fog,
        "text_standard": _standard(
            ease, kincaid, (smog, coleman_liau, automated, dale_chall, linsear_write, fog)
        ),
        "fernandez_huerta": huerta,
        "szigriszt_pazos": _szigriszt_pazos(counts) if words else 0.0,
        "gutierrez_polini": _gutierrez_polini(counts) if words else 0.0,
        "crawford": _crawford(counts) if words else 0.0,
        "gulpease_index": _gulpease(counts) if words else 0.0,
        "osman": _osman(counts) if words else 0.0,
    }


def _rounded(number: float, scale: int) -> float:
    """Round to ``1 / scale``: halves away from zero, and negative numbers mostly downwards.

    textstat takes the floor after subtracting a half, so -0.08 becomes -0.2 at one decimal.
    """
    return floor(number * scale + copysign(0.5, number)) / scale


def _smog(counts: Counts) -> float:
    if counts.sentences < 3:
        return 0.0
    return _rounded(1.043 * (30 * (counts.polysyllables / counts.sentences)) ** 0.5 + 3.1291, 10)


def _coleman_liau(counts: Counts) -> float:
    letters = sentences = 0.0
    if counts.words:
        letters = _rounded(_rounded(counts.letters / counts.words, 100) * 100, 100)
        sentences = _rounded(_rounded(counts.sentences / counts.words, 100) * 100, 100)
    return _rounded(0.058 * letters - 0.296 * sentences - 15.8, 100)


def _automated_readability(counts: Counts) -> float:
    characters = _rounded(counts.characters / counts.words, 100)
    sentence_length = _rounded(counts.words / counts.sentences, 100)
    return _rounded(4.71 * characters + 0.5 * sentence_length - 21.43, 10)


def _dale_chall(counts: Counts, averages: _Averages) -> float:
    percent_easy = (counts.words - counts.unfamiliar) / counts.words * 100
    percent_difficult = 100 - percent_easy
    score = 0.1579 * percent_difficult + 0.0496 * averages.sentence_length
    if percent_difficult > 5:
        score += 3.6365
    return _rounded(score, 100)


def _linsear_write(sample: Sample) -> float:
    easy = sample.tokens - sample.polysyllables
    score = (easy + sample.polysyllables * 3) / sample.sentences
    if score <= 20:
        score -= 2
    return score / 2


def _standard(ease: float, kincaid: float, others: tuple[float, ...]) -> str:
    """The grade most of the metrics agree on; of several, the one named first."""
    votes = [floor(kincaid + copysign(0.5, kincaid)), ceil(kincaid), *_votes_of_ease(ease)]
    for score in others:
        votes += floor(score + copysign(0.5, score)), ceil(score)
    numbers = dict.fromkeys(votes, 0)
    for grade in votes:
        numbers[grade] += 1
    grade = max(numbers, key=numbers.__getitem__)
    return _grades(grade)


@lru_cache(64)
def _grades(grade: int) -> str:
    return f"{_ordinal(grade - 1)} and {_ordinal(grade)} grade"


def _votes_of_ease(ease: float) -> tuple[int, ...]:
    if ease < 100:
        for lowest, grades in _GRADES_OF_EASE.items():
            if ease >= lowest:
                return grades
    return _GRADE_OUTSIDE


def _ordinal(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else _ORDINALS.get(number % 10, 'th')}"


def _szigriszt_pazos(counts: Counts) -> float:
    syllables, sentence_length = counts.syllables / counts.words, counts.words / counts.sentences
    return _rounded(206.835 - 62.3 * syllables - sentence_length, 100)


def _gutierrez_polini(counts: Counts) -> float:
    letters, sentence_length = counts.letters / counts.words, counts.words / counts.sentences
    return _rounded(95.2 - 9.7 * letters - 0.35 * sentence_length, 100)


def _crawford(counts: Counts) -> float:
    sentences = 100 * (counts.sentences / counts.words)
    syllables = 100 * (counts.syllables / counts.words)
    return _rounded(-0.205 * sentences + 0.049 * syllables - 3.407, 10)


def _gulpease(counts: Counts) -> float:
    words = counts.words
    return _rounded(300 * counts.sentences / words - 10 * counts.characters / words + 89, 10)


def _osman(counts: Counts) -> float:
    words, arabic = counts.words, counts.arabic
    rates = (
        arabic.complex_words / words
        + arabic.syllables / words
        + arabic.faseeh / words
        + counts.long_words / words
    )
    return _rounded(200.791 - 1.015 * (words / counts.sentences) - 24.181 * rates, 100)
