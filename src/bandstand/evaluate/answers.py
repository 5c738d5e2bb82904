"""From the rows of a log to an answer for each strategy, metric and segment."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.evaluate import support
from bandstand.evaluate.details import Studied, details, weights_by_day
from bandstand.evaluate.estimators import logged, scored
from bandstand.evaluate.evidence import Reach
from bandstand.evaluate.question import LOGGED, Question
from bandstand.evaluate.result import Answer, Difference, Figure
from bandstand.evaluate.rows import Flags, Floats, Integers
from bandstand.evaluate.scored import Case, Scored
from bandstand.evaluate.slated import examination
from bandstand.evaluate.uncertainty import Bracketed, Doubt, at_any_look, bracketed, half_width, less, moments
from bandstand.stats.diagnostics import Diagnostics
from bandstand.stats.multiple import adjusted

MOST_GROUPS: Final = 12
"""Values of one field that are shown, those with most decisions."""

_FEWEST: Final = 2  # of units, for any spread at all


def answers(studied: Studied) -> tuple[Answer, ...]:
    """For each metric and strategy over all decisions, then by segment."""
    groups: list[tuple[str | None, Flags]] = [(None, np.ones(len(studied.rows), np.bool_))]
    for by, labels in zip(studied.question.by, studied.rows.segments, strict=True):
        groups += [(f"{by}: {name}", among) for name, among in labels.groups(MOST_GROUPS)]
    found = []
    for metric in range(len(studied.question.metrics)):
        all_scored = [scored(studied.estimator, studied.case(t, metric)) for t in range(len(studied.targets))]
        for name, among in groups:
            if len(np.unique(studied.rows.units[among])) >= _FEWEST:
                part = _part(studied, metric, all_scored, name, among)
                found += [_answer(part, target) for target in range(len(studied.question.strategies))]
    return _corrected(found)


class _Judged(NamedTuple):
    """A target's scores on some of the rows, and whether they can be believed."""

    scored: Scored
    lost: float
    figures: Diagnostics
    doubts: tuple[str, ...]


class _Part(NamedTuple):
    """Some of the rows, by one metric: what they earned as logged, and every target on them."""

    studied: Studied
    metric: int
    name: str | None
    among: Flags
    units: Integers | None
    earned: Floats
    judged: Sequence[_Judged]

    @property
    def logged(self) -> Scored:
        dropped = self.studied.rows.dropped
        thinned = None if dropped is None else dropped[self.among]
        return Scored((self.earned,), (None,), np.ones_like(self.earned), self.earned, plain=False, dropped=thinned)

    @property
    def other(self) -> Scored:
        """What the strategies are compared with."""
        return self.logged if self.studied.question.against == LOGGED else self.judged[-1].scored

    @property
    def compared(self) -> bool:
        return self.studied.question.against == LOGGED or not self.judged[-1].doubts


def _part(studied: Studied, metric: int, every: Sequence[Scored], name: str | None, among: Flags) -> _Part:
    rows = studied.rows
    units = rows.units[among] if rows.repeated else None
    judged = []
    for target, whole in enumerate(every):
        lost = float(rows.unsupported(target)[among].mean()) + float(studied.walked.lost[target])
        cut = whole.among(among)
        figures = support.diagnosed(cut, units, rows, among, lost)
        judged.append(_Judged(cut, lost, figures, support.doubts(figures, studied.estimator)))
    earned = logged(studied.estimator, studied.case(0, metric))[among]
    return _Part(studied, metric, name, among, units, earned, judged)


def _answer(part: _Part, target: int) -> Answer:
    studied, question = part.studied, part.studied.question
    one, lost, figures, doubts = part.judged[target]
    doubt = Doubt(part.units, question.alpha, _most(studied, target, one), _range(question, one, part.earned))
    estimate = None if one.empty else bracketed(one, doubt, question.interval)
    differs = estimate is not None and not part.other.empty
    return Answer(
        strategy=studied.targets[target].name,
        metric=question.metrics[part.metric],
        segment=part.name,
        status="refused" if doubts else "ok",
        doubts=doubts,
        notes=_notes(part, studied.case(target, part.metric)),
        rows=len(part.earned),
        users=len(np.unique(studied.rows.units[part.among])),
        estimate=None if estimate is None else estimate.figure,
        logged=_logged(part.logged, part.units, question.alpha),
        difference=_difference(one, part.other, doubt, question) if differs else None,
        compared=part.compared,
        bounds=_bounds(one, estimate, doubt, lost, refused=bool(doubts)),
        interval="none: no row has any weight" if estimate is None else estimate.how,
        diagnostics=figures,
        max_weight=doubt.max_weight if math.isfinite(doubt.max_weight) else None,
        details=details(studied, target, part.metric, one, part.earned) if part.name is None else None,
    )


def _most(studied: Studied, target: int, one: Scored) -> float:
    """The largest weight of a row that is possible; InputError where a larger one was seen than is said to be."""
    given, seen = studied.question.max_weight, float(one.weights.max(initial=0.0))
    if given is not None:
        if seen > given * (1 + 1e-9):
            raise InputError(
                f"max_weight == {given:g}, but a weight of {seen:g} was seen; name the largest possible, or leave "
                "it out",
                field="max_weight",
            )
        return given
    first, mean, whole = studied.walked.most[target].tolist()
    if studied.estimator.single or studied.rows.length == 1:
        return float(first)
    known = {"reward_interaction": mean, "whole_slate": whole}
    return float(known.get(studied.estimator.method.rpartition("_")[0], math.inf))


def _range(question: Question, one: Scored, earned: Floats) -> tuple[float, float]:
    """What a slate may earn: by what a pick may, where that is given, or from nothing to the most that one did."""
    if question.reward_range is not None:
        low, high = question.reward_range
        return one.most * min(low, 0.0) if one.most > 1 else low, one.most * high
    low = min(0.0, float(earned.min()), float(one.rewards.min()))
    high = max(0.0, float(earned.max()), float(one.rewards.max()))
    return (low, high) if high > low else (low, low + one.most)


def _logged(as_logged: Scored, units: Integers | None, alpha: float) -> Figure:
    middle = moments(as_logged, units)
    if middle.variance == 0:
        return Figure(middle.mean, middle.mean, middle.mean, None)
    margin = half_width(middle, alpha=alpha, anytime=False)
    return Figure(middle.mean, middle.mean - margin, middle.mean + margin, middle.std_error)


def _difference(one: Scored, other: Scored, doubt: Doubt, question: Question) -> Difference | None:
    """On the same rows; None where there is no spread."""
    both = less(one, other)
    middle = moments(both, doubt.units)
    if middle.variance == 0:
        return None
    kind = question.interval if question.interval in ("bootstrap", "anytime") else "normal"
    found = bracketed(both, doubt, kind).figure
    p_value = 2 * float(norm.sf(abs(middle.mean) / middle.std_error))
    if question.interval == "anytime":
        p_value = at_any_look(middle, alpha=question.alpha).p_value
    lift = _lift(one, other, doubt) if kind == "normal" else None
    return Difference(question.against, found.value, found.low, found.high, middle.std_error, p_value, lift)


def _lift(one: Scored, other: Scored, doubt: Doubt) -> Figure | None:
    """The difference as a share of the other, by the delta method; None where the other cannot be told from zero."""
    base, quantile = moments(other, doubt.units), float(norm.isf(doubt.alpha / 2))
    if abs(base.mean) <= quantile * base.std_error:
        return None
    ratio = one.value / other.value
    spread = moments(less(one, other._replace(above=tuple(ratio * each for each in other.above))), doubt.units)
    lift, std_error = (one.value - other.value) / abs(other.value), spread.std_error / abs(other.value)
    return Figure(lift, lift - quantile * std_error, lift + quantile * std_error, std_error)


def _bounds(
    one: Scored, found: Bracketed | None, doubt: Doubt, lost: float, *, refused: bool
) -> tuple[float, float] | None:
    """What can be said in spite of all: the careful interval, and for what the logger never shows every reward that is
    possible (Manski's bounds)."""
    if not refused and lost == 0:
        return None
    low, high = doubt.reward_range
    if found is None:
        return low, high
    if refused and not one.plain:
        return None
    figure = bracketed(one, doubt, "likelihood").figure if one.plain else found.figure
    return max(low, figure.low + lost * min(low, 0.0)), min(high, figure.high + lost * max(high, 0.0))


def _notes(part: _Part, case: Case) -> tuple[str, ...]:
    studied, among = part.studied, part.among
    one, figures = part.judged[case.target].scored, part.judged[case.target].figures
    question, target = studied.question, studied.targets[case.target]
    found = list(support.notes(figures, studied.estimator, weights_by_day(studied.rows.times[among], one)))
    if one.standing is not None:
        found.append(
            f"The logger left decisions out by chance: the {len(one.weights):,} here stand for "
            f"{one.standing.sum():,.0f}, one of them for {one.standing.max():.3g}."
        )
    weights = question.weights or target.weights or target.name
    if target.learns and question.learning is None and weights not in studied.taught:
        found.append(
            f"Nothing ever taught the weights '{weights}', so all items are alike to it; --weights names others: "
            f"{', '.join(sorted(studied.taught)) or 'none yet'}."
        )
    if not part.compared:
        found.append(f"The estimate of '{question.against}' is withheld, so the difference is too.")
    if studied.estimator.method.startswith("position_based") and question.examination == "estimate":
        curve = ", ".join(f"{each:.3g}" for each in examination(case))
        found.append(f"Examination, as this log tells it, is {curve}; its own error is not in the interval.")
    if isinstance(case.evidence, Reach) and case.evidence.drawn:
        noise = case.evidence.noise(studied.rows, case.target)[among]
        squares = np.square(studied.rows.rewards(case.metric)[among])
        found.append(
            f"Marginal chances of {case.evidence.drawn:,} decisions come from drawn slates, too many to go through: "
            f"that adds a standard error of {math.sqrt(float((squares * noise).sum())) / int(among.sum()):.2g}."
        )
    return tuple(found)


def _corrected(found: Sequence[Answer]) -> tuple[Answer, ...]:
    """Holm over the differences of all decisions, and over those of segments."""
    out = list(found)
    for overall in (True, False):
        which = [at for at, one in enumerate(out) if (one.segment is None) == overall and one.difference is not None]
        p_values = [one.difference.p_value for at in which if (one := out[at]).difference is not None]
        corrected = adjusted(p_values) if len(p_values) > 1 else p_values
        for at, p_value in zip(which, corrected, strict=True):
            difference = msgspec.structs.replace(out[at].difference, p_value=p_value)  # type: ignore[type-var]
            out[at] = msgspec.structs.replace(out[at], difference=difference)
    return tuple(out)
