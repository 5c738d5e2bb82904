"""What the rules in force mean for a slate: which candidates they lift, place, and permit no more of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.ask import Asked
from bandstand.columns import NO_WORD, Columns, InlineReader, Mask
from bandstand.offer import Offer
from bandstand.policy import Scores
from bandstand.rules import AnyRule, Boost, Bury, Limit, Pin, Promote, Sponsor
from bandstand.ruling import own
from bandstand.shape import Cap, Shape
from bandstand.state import State


class Placing(NamedTuple):
    """The shape of a slate with the rules' wishes in it, and which rule placed each of its pins."""

    shape: Shape
    placed: dict[int, AnyRule]


class _Member(NamedTuple):
    """A rule, and which candidates it is about."""

    rule: AnyRule
    members: Mask


def placing(state: State, asked: Asked, offer: Offer, scores: Scores, shape: Shape) -> Placing:
    """`shape`, and on top of it what the rules say of these candidates.

    Lifts are in units of the spread between the best and the worst score; where all are equal, as before anything was
    learned, of 1, so that a rule holds from the first day.
    """
    if not asked.rulings.all:
        return Placing(shape, {})
    ruled = _members(asked, offer)
    lifts = _lifts(ruled, scores, shape.lifts)
    pins, placed = _pins(ruled, asked, scores if lifts is None else scores + lifts)
    caps = [*shape.caps, *_caps(state, ruled, offer), *_reserved(offer, placed)]
    return Placing(shape._replace(lifts=lifts, pins={**shape.pins, **pins}, caps=caps), placed)


def _members(asked: Asked, offer: Offer) -> list[_Member]:
    rows = offer.candidates.rows
    there = [ruling.rows[rows] for ruling in asked.rulings.all]
    if offer.inline:
        theirs = own(asked.rulings, offer.inline).all
        there = [np.concatenate((mask, ruling.rows)) for mask, ruling in zip(there, theirs, strict=True)]
    return [_Member(ruling.rule, mask) for ruling, mask in zip(asked.rulings.all, there, strict=True)]


def _lifts(ruled: Sequence[_Member], scores: Scores, before: Scores | None) -> Scores | None:
    spread = float(scores.max() - scores.min()) or 1.0
    lifts = before
    for rule, members in ruled:
        match rule:
            case Promote(strength=strength) | Boost(strength=strength):
                amount = strength * spread
            case Bury(strength=strength):
                amount = -strength * spread
            case _:
                continue
        lifts = (np.zeros(len(scores)) if lifts is None else lifts) + np.where(members, amount, 0.0)
    return lifts


def _pins(ruled: Sequence[_Member], asked: Asked, scores: Scores) -> tuple[dict[int, int], dict[int, AnyRule]]:
    """Candidates by position, and the rule of each: the best of a rule's that no rule before it took."""
    first = asked.request.first_position
    pins: dict[int, int] = {}
    placed: dict[int, AnyRule] = {}
    for rule, members in ruled:
        if not isinstance(rule, Pin | Sponsor):
            continue
        free = [at for at in sorted(set(rule.positions)) if first <= at < first + asked.n and at not in pins]
        candidates = np.flatnonzero(members)
        best = candidates[np.argsort(-scores[candidates], kind="stable")].tolist()
        left = [index for index in best if index not in placed]
        for position, index in zip(free[: rule.most] if isinstance(rule, Sponsor) else free, left, strict=False):
            pins[position], placed[index] = index, rule
    return pins, placed


def _caps(state: State, ruled: Sequence[_Member], offer: Offer) -> list[Cap]:
    caps: list[Cap] = []
    for rule, members in ruled:
        if isinstance(rule, Limit):
            if rule.by is None:
                caps.append(Cap(np.where(members, 0, -1).astype(np.int32), rule.most))
            elif (groups := _groups(state.columns, rule.by, offer)) is not None:
                caps.append(Cap(np.where(members, groups, -1).astype(np.int32), rule.most))
            else:
                caps += _by_value(_values(state, rule.by, offer), members, rule.most)
    return caps


def _groups(columns: Columns, name: str, offer: Offer) -> npt.NDArray[np.int64] | None:
    """A number for each value of the attribute, -1 where there is none; None where that takes a look at each."""
    rows = offer.candidates.rows
    columns.prepare([name])
    column = columns.column(name)
    if offer.inline or not len(rows) or column.listed[rows].any():
        return None
    _, texts = np.unique(column.codes[rows], return_inverse=True)
    _, numbers = np.unique(column.numbers[rows], return_inverse=True)
    _, groups = np.unique(texts * (int(numbers.max()) + 1) + numbers, return_inverse=True)
    none = (column.codes[rows] == NO_WORD) & np.isnan(column.numbers[rows])
    return np.where(none, -1, groups)


def _by_value(values: Sequence[Sequence[object]], members: Mask, most: int) -> list[Cap]:
    """One cap whose groups are the values; of an attribute that is a list somewhere, one for each value."""
    numbers: dict[object, int] = {}
    groups = np.full(len(values), -1, np.int32)
    several: dict[object, npt.NDArray[np.int32]] = {}
    for index in np.flatnonzero(members).tolist():
        for value in values[index]:
            if len(values[index]) == 1:
                groups[index] = numbers.setdefault(value, len(numbers))
            several.setdefault(value, np.full(len(values), -1, np.int32))[index] = 0
    if any(len(one) > 1 for one in values):
        return [Cap(groups, most) for groups in several.values()]
    return [Cap(groups, most)] if numbers else []


def _values(state: State, name: str, offer: Offer) -> list[Sequence[object]]:
    """Each candidate's values of an attribute: none, one, or those of a list."""
    found: list[Sequence[object]] = []
    for columns, rows in (
        (state.columns, offer.candidates.rows.tolist()),
        (Columns(InlineReader(offer.inline)), range(len(offer.inline))),
    ):
        columns.prepare([name])
        column = columns.column(name)
        found += [column.values(row, columns.words) for row in rows]
    return found


def _reserved(offer: Offer, placed: dict[int, AnyRule]) -> list[Cap]:
    """What is a candidate only for a rule to place, and was not placed, is drawn nowhere else."""
    if not offer.reserved:
        return []
    kept = [row in offer.reserved and at not in placed for at, row in enumerate(offer.candidates.rows.tolist())]
    groups = np.full(len(offer.items), -1, np.int32)
    groups[: len(kept)][kept] = 0
    return [Cap(groups, 0)] if any(kept) else []
