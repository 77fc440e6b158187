"""What the rule in force judged a component by: scores and limits, in words.

Every limit is a row of a table; what the verdict rests on makes a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from napari_cnmf.components import Quality
from napari_cnmf.quality.criteria import Criterion, in_force, without_score

_ALL_KEPT = "it keeps all limits"
_SIGNS = {"at least": "<≥", "at most": ">≤", "above": "≤>", "below": "≥<"}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score of a component against its limit.

    Attributes
    ----------
    score : str
        Name of the array in `Quality`.
    name : str
        In plain words.
    value, limit : float
    direction : str
        What the value must be of the limit: "at least", "at most", "above" or "below".
    unit : str
        What one stands for; empty for correlations.
    passed : bool
    decided : bool
        Whether the verdict of the rule rests on this score.
    """

    score: str
    name: str
    value: float
    limit: float
    direction: str
    unit: str
    passed: bool
    decided: bool = False

    @property
    def comparison(self) -> str:
        """How value and limit compare, such as ``"ring 0.31 > 0.12"``."""
        sign = _SIGNS[self.direction][self.passed]
        value, limit = self.value, self.limit
        # As many digits as it takes to tell them apart.
        digits = (n for n in range(2, 7) if round(value, n) != round(limit, n))
        return f"{self.name} {value:.{next(digits, 2)}f} {sign} {limit:g}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a component counts as a cell, or not.

    Attributes
    ----------
    rows : tuple of ScoreRow
        All limits of the rule in force.
    sentence : str
        The verdict, what it rests on, and what is noted of the component.
    """

    rows: tuple[ScoreRow, ...]
    sentence: str


def explain(quality: Quality, k: int) -> Explanation:
    """Say why component `k` is accepted or rejected.

    Parameters
    ----------
    quality : Quality
    k : int
        Position of the component.

    Returns
    -------
    Explanation
        Rows of the rule in force, and a sentence such as "rejected by ring 0.31 >
        0.12; it is cut by the edge" or "accepted by hand, against the rule (SNR 6.20 <
        8)".
    """
    by_rule, manual = bool(quality.flags[k] == 0), int(quality.manual[k])
    accepted = manual > 0 if manual else by_rule
    rows = tuple(_rows(quality, k, by_rule))
    verdict = "accepted" if accepted else "rejected"
    why = " and ".join(row.comparison for row in rows if row.decided)
    if manual:
        how = "as by the rule" if accepted == by_rule else "against the rule"
        sentence = f"{verdict} by hand, {how} ({why or _ALL_KEPT})"
    else:
        sentence = f"{verdict} by {why}" if why else f"{verdict}: {_ALL_KEPT}"
    noted = "".join(f"; {note.sentence}" for note in quality.noted(k))
    return Explanation(rows, sentence + noted + _passed_over(quality))


def _rows(quality: Quality, k: int, accepted: bool) -> Iterator[ScoreRow]:
    """All limits of the rule in force; those that decide are marked."""
    criteria = in_force(quality)
    values = [getattr(quality, c.score)[k] for c in criteria]
    passed = [
        not c.broken(value, quality.limits[c.limit])
        for c, value in zip(criteria, values, strict=True)
    ]
    decided = _deciding(criteria, passed, accepted)
    for c, value, kept, decides in zip(criteria, values, passed, decided, strict=True):
        yield ScoreRow(
            score=c.score,
            name=c.name,
            value=float(value),
            limit=quality.limits[c.limit],
            direction=c.direction,
            unit=c.unit,
            passed=kept,
            decided=decides,
        )


def _deciding(
    criteria: list[Criterion], passed: list[bool], accepted: bool
) -> list[bool]:
    """Which limits the rule's verdict rests on.

    Accepted by what is enough; rejected by what is required, or else for want of
    anything that is enough.
    """
    enough = [c.role == "enough" for c in criteria]
    if accepted:
        return [e and kept for e, kept in zip(enough, passed, strict=True)]
    missed = [not (e or kept) for e, kept in zip(enough, passed, strict=True)]
    return missed if any(missed) else enough


def _passed_over(quality: Quality) -> str:
    """Say which limits do not count because their score is not known."""
    names = dict.fromkeys(c.name for c in without_score(quality))
    if not names:
        return ""
    return f"; {' and '.join(names)} unknown, run 'evaluate' again"
