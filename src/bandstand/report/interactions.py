"""Whether experiments that ran at the same time on the same units change each other's results, two at a time."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from scipy.stats import chi2_contingency

from bandstand.errors import InputError
from bandstand.events import ExperimentMoved, ExperimentPut
from bandstand.experiments.definition import Experiment
from bandstand.report.exposure import Units
from bandstand.report.gathered import Life
from bandstand.report.infer import LEAST_UNITS
from bandstand.report.measure import Measured, sample
from bandstand.report.phases import changed
from bandstand.report.result import Interaction
from bandstand.report.stretch import Ints
from bandstand.stats.interaction import interaction
from bandstand.stats.multiple import adjusted
from bandstand.store import EventLog

ALPHA: Final = 0.01
"""Eppo's, docs on interaction detection: most pairs do not interact, and a false alarm holds two experiments up."""

MOST: Final = 8
"""Others that are looked at, those that began last; each costs as much as a report of its own."""


class Other(NamedTuple):
    """Another experiment, and who took part in it."""

    experiment: Experiment
    units: Units


def beside(log: EventLog, life: Life) -> list[str]:
    """The experiments that split the same kind of unit while this one ran, the latest first."""
    lives: dict[str, Life] = {}
    after = 0
    while after < life.as_of and (page := log.scan(("experimentput", "experimentmoved"), after=after)):
        after = page[-1][0]
        for seq, at, kind, body in (each for each in page if each[0] <= life.as_of):
            if kind == "experimentput":
                definition = msgspec.json.decode(
                    msgspec.json.decode(body, type=ExperimentPut).definition, type=Experiment
                )
                lives.setdefault(definition.name, Life(definition)).redefined(definition)
            else:
                moved = msgspec.json.decode(body, type=ExperimentMoved)
                if moved.name in lives:
                    lives[moved.name].moved(moved, at, seq)
    found = [other for other in lives.values() if _together(life, other)]
    found.sort(key=lambda other: other.since or 0.0, reverse=True)
    return [other.experiment.name for other in found[:MOST]]


def interactions(
    experiment: Experiment, units: Units, table: Sequence[Measured], others: Sequence[Other]
) -> tuple[Interaction, ...]:
    """Of each other experiment: do assignments depend on each other, and does it change what a decision metric says?
    p-values are corrected by Holm's method over all that is asked. Nothing is told where the weights of either changed
    between the units in both: two that moved together depend on each other by the calendar alone."""
    found = [one for other in others for one in _pair(experiment, units, table, other)]
    asked = [k for k, one in enumerate(found) if one.p_value is not None]
    for k, p_value in zip(asked, adjusted([found[k].p_value or 0.0 for k in asked], method="holm"), strict=True):
        found[k] = _judged(found[k], p_value)
    return tuple(found)


def _together(life: Life, other: Life) -> bool:
    """Whether they ran at the same time, so that a unit may have been in both."""
    if life.since is None or other.since is None or other.experiment.name == life.experiment.name:
        return False
    overlap = other.since < (life.until or np.inf) and life.since < (other.until or np.inf)
    return overlap and other.experiment.method == "ab" and other.experiment.unit == life.experiment.unit


def _pair(experiment: Experiment, units: Units, table: Sequence[Measured], other: Other) -> Iterator[Interaction]:
    theirs = np.full(len(units), -1, np.int64)
    _, ours, there = np.intersect1d(units.who, other.units.who, return_indices=True)
    theirs[ours] = other.units.variant[there]
    names = tuple(one.name for one in experiment.variants), tuple(one.name for one in other.experiment.variants)
    counts = np.array(
        [
            [np.count_nonzero((units.variant == i) & (theirs == j)) for j, _ in enumerate(names[1])]
            for i, _ in enumerate(names[0])
        ]
    )
    about = Interaction(other.experiment.name, None, names[1], int(counts.sum()), tuple(map(tuple, counts.tolist())))
    if not about.units:
        return
    if counts.min() < LEAST_UNITS:
        have = f"{about.units:,} {experiment.unit}s are in both, {counts.min():,} in the rarest pair of variants"
        yield msgspec.structs.replace(about, text=f"{have}; to tell takes {LEAST_UNITS} in each.")
        return
    moved = [
        f"'{of.name}'"
        for of, by, those in ((experiment, units, ours), (other.experiment, other.units, there))
        if changed(by.chances, those)
    ]
    if moved:
        which = (
            f"the weights of {' and '.join(moved)} changed while the {about.units:,} {experiment.unit}s in both came"
        )
        remedy = "compare within one phase: run both by weights that stay, under new names"
        text = f"not told: {which}, so pairs of variants, and their plain means, differ in when theirs came; {remedy}."
        yield msgspec.structs.replace(about, text=text)
        return
    yield msgspec.structs.replace(about, p_value=float(chi2_contingency(counts, correction=False).pvalue))
    for of in table:
        if of.metric.role == "decision":
            yield _metric(about, of, units, theirs, names)


def _metric(
    about: Interaction, of: Measured, units: Units, theirs: Ints, names: tuple[tuple[str, ...], tuple[str, ...]]
) -> Interaction:
    try:
        cells = [
            [sample(of, (units.variant == i) & (theirs == j)).moments for j in range(len(names[1]))]
            for i in range(len(names[0]))
        ]
        found = interaction(cells)
    except InputError as error:
        return msgspec.structs.replace(about, metric=of.metric.name, text=str(error))
    return msgspec.structs.replace(
        about,
        metric=of.metric.name,
        p_value=found.p_value,
        effects=tuple(
            tuple(arm.mean - first.mean for arm, first in zip(row, cells[0], strict=True)) for row in cells[1:]
        ),
    )


def _judged(one: Interaction, p_value: float) -> Interaction:
    ok = p_value >= ALPHA
    p = f"p = {p_value:.2g}, corrected"
    if one.metric is None:
        text = f"{one.units:,} units are in both, and their variants are independent ({p})."
        if not ok:
            text = (
                f"the variants of {one.units:,} units in both depend on each other ({p}): one of them decides who is "
                "seen in the other, or both split by one salt. Find out which before reading either."
            )
    elif ok:
        text = f"no interaction on {one.metric} ({p})."
    else:
        effects = (f"{effect:+.3g} under its '{arm}'" for arm, effect in zip(one.arms, one.effects[0], strict=True))
        text = (
            f"they interact on {one.metric} ({p}): the first treatment's effect is {', '.join(effects)}. Read each "
            "by itself, test what you mean to ship together, or put both into one layer."
        )
    return msgspec.structs.replace(one, p_adjusted=p_value, ok=ok, text=text)
