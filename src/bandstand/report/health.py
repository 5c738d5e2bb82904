"""Whether an experiment's figures can be believed; asked before any of them is read."""

from collections.abc import Iterator, Sequence
from math import fsum

import numpy as np
from scipy.stats import chi2

from bandstand.experiments.definition import Experiment
from bandstand.experiments.formula import Term
from bandstand.experiments.metrics import DAY_S, Metric, formula
from bandstand.report.compare import SHARED
from bandstand.report.exposure import Units
from bandstand.report.measure import Measured, matured
from bandstand.report.phases import Chances, unfair
from bandstand.report.result import Arm, Check
from bandstand.report.weighed import INSTEAD
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.propensities import propensity_fit
from bandstand.stats.sample_ratio import LEAST_EXPECTED, sample_ratio
from bandstand.stats.sequential_ratio import sequential_sample_ratio

# GrowthBook's defaults: DEFAULT_MULTIPLE_EXPOSURES_THRESHOLD and …_ENOUGH_DATA_THRESHOLD in its shared/constants.ts.
_CROSSED_SHARE = 0.01
_CROSSED_UNITS = 10

_DEAD_UNITS = 1000
"""In all arms: of so many at least one has done what an app counts, or it is not counted at all."""

_LOSS_ALPHA = 1e-3
"""As of the sample ratio, and for the same reason: it is looked at every day."""


def checks(
    experiment: Experiment,
    units: Units,
    arms: Sequence[Arm],
    table: Sequence[Measured],
    *,
    shared: bool,
    at: float,
) -> tuple[Check, ...]:
    """What could make the figures of a split wrong, each with what to do about it."""
    found = [_ratio(arms)] if units.chances is None else _reweighted(experiment, units.chances)
    found.append(_crossed(experiment, arms, units.crossed, units.merged))
    found.extend(_exposures(experiment, units))
    found.extend(_dead(experiment, table))
    found.extend(_young(experiment, table))
    found.extend(_late(experiment, units, at))
    if shared:
        found.append(Check("own learning", False, SHARED.rstrip(".")))
    elif experiment.learn_from == "all":
        found.append(Check("own learning", True, "no decision taught more than one variant"))
    return tuple(found)


def _ratio(arms: Sequence[Arm]) -> Check:
    """At every look by a Bayes factor, and by Pearson's test, which finds more at the end."""
    counts, weights = {arm.variant: arm.units for arm in arms}, {arm.variant: arm.weight for arm in arms}
    found = sample_ratio(counts, weights)
    always = sequential_sample_ratio(counts, weights)
    fits = f"{' : '.join(map(str, counts.values()))} units"
    if found.ok and not always.ok:
        why = "do not fit the weights"
        return Check(
            "sample ratio", False, f"{fits} {why} (always-valid p = {always.p_value:.2g}); look for lost exposures"
        )
    return Check("sample ratio", found.ok, found.reason or f"{fits} fit the weights (p = {found.p_value:.2g})")


def _reweighted(experiment: Experiment, of: Chances) -> list[Check]:
    """Whether all that took part, crossed ones too, were drawn with the probabilities of when they were first assigned;
    and what is made of them."""
    why = unfair(experiment)
    if why is not None:
        return [
            Check("sample ratio", False, f"the weights changed while it ran, and {why}; start anew, under a new name")
        ]
    expected = of.all.sum(axis=0)
    counts = " : ".join(map(str, np.bincount(of.drawn, minlength=len(expected)).tolist()))
    text = f"{counts} {experiment.unit}s, each under the weights when it was first assigned"
    if expected.min() < LEAST_EXPECTED:
        named = experiment.variants[int(expected.argmin())].name
        ratio = Check(
            "sample ratio", None, f"{text}: {expected.min():.3g} expected in '{named}', the test needs {LEAST_EXPECTED}"
        )
    else:
        p_value = propensity_fit(of.all, of.drawn).p_value
        odd = "" if p_value >= _LOSS_ALPHA else ", do not fit them; find lost exposures before reading the results"
        ratio = Check("sample ratio", not odd, f"{text}{odd or ', fit them'} (p = {p_value:.2g})")
    units = f"{experiment.unit}s"
    changed = (
        f"changed while it ran, so {units} count by the probability that each had (AIPW), and intervals are by "
        f"{INSTEAD[experiment.analysis.method]}; a Welch test of plain means is refused: {units} of different phases "
        "came at different times and, where weights follow results, because of them"
    )
    return [ratio, Check("weights", None, changed)]


def _crossed(experiment: Experiment, arms: Sequence[Arm], crossed: int, merged: int) -> Check:
    unit = experiment.unit
    total = crossed + sum(arm.units for arm in arms)
    if not crossed:
        return Check("one variant each", True, f"no {unit} saw more than one variant")
    many = crossed >= _CROSSED_UNITS and crossed > _CROSSED_SHARE * total
    text = f"{crossed} of {total} {unit}s saw more than one variant and are left out"
    if merged:
        text += f", {merged} of them as two {unit}s that turned out to be one person"
    why = "; find out why ids change sides before reading the results" if many else ""
    return Check("one variant each", not many, text + why)


def _exposures(experiment: Experiment, units: Units) -> Iterator[Check]:
    """Slates that wait for their exposure, whether one variant loses more of them, and how long they take."""
    unseen, decided = int(units.unseen.sum()), units.decided
    if not unseen:
        return
    lost = units.unseen / np.maximum(decided, 1)
    shares = " : ".join(f"{share:.1%}".replace("%", " %") for share in lost)
    text = f"{unseen} of {int(decided.sum())} decisions wait for an exposure and do not count until then"
    if _uneven(units.lost):
        why = f"; of the variants' decisions {shares} wait, too unequal for chance: one of them is shown less reliably"
        yield Check("exposures", False, text + why + "; find out why before reading the results")
    else:
        yield Check("exposures", None, text)
    if len(units.lag_s):
        delays = [units.lag_s[units.lag_variant == index] for index in range(len(decided))]
        medians = [float(np.median(delay)) for delay in delays if len(delay)]
        told = " : ".join(f"{median:.3g}" for median in medians)
        slow = len(medians) > 1 and max(medians) > 2 * min(medians) + 1.0
        why = "; one variant is shown much later than another, which changes who waits for it" if slow else ""
        yield Check("exposure lag", None if slow else True, f"half are shown within {told} s{why}")


def _uneven(lost: Sequence[PairMoments]) -> bool:
    r"""Whether variants lose other shares of their decisions than chance explains, with the unit as what is drawn: one
    whose app does not report loses all of its exposures.

    .. math:: X^2 = \sum_v n_v \, \bar z_v^2 / s_z^2, \qquad z_i = \text{unseen}_i - R \, \text{decided}_i

    with R and the spread of all variants' units: the score test of the ratio's delta method. Welch's would take a small
    arm's spread from what it happened to lose, which is none where it lost nothing. Not assessed below five units'
    worth of exposures lost, or seen, in an arm of its size, after Kish's (Σx)²/Σx².
    """
    whole = sum(lost, PairMoments())
    if len(lost) < 2 or not all(arm.num.n for arm in lost):
        return False
    unseen, decided = whole.num, whole.den
    seen = Moments(unseen.n, decided.mean - unseen.mean, unseen.m2 + decided.m2 - 2 * whole.cross)
    least = min(arm.num.n for arm in lost) / unseen.n
    if least * min(_worth(unseen), _worth(seen)) < LEAST_EXPECTED:
        return False
    ratio = whole.ratio()
    apart = [arm.num.n * ((arm.num.mean - ratio.mean * arm.den.mean) / decided.mean) ** 2 for arm in lost]
    return float(chi2.sf(fsum(apart) / ratio.variance, len(lost) - 1)) < _LOSS_ALPHA


def _worth(of: Moments) -> float:
    """To how many units, all with the same count, theirs come."""
    squares = of.n * of.mean**2 + of.m2
    return (of.n * of.mean) ** 2 / squares if squares else 0.0


def _dead(experiment: Experiment, table: Sequence[Measured]) -> Iterator[Check]:
    """Metrics of which nothing ever came."""
    for of in table:
        total = int(np.count_nonzero(of.counted))
        alive = len(of.rows[1]) > 0 if of.rows is not None else bool(((of.above != 0) & of.counted).any())
        if not alive and total:
            many = total >= _DEAD_UNITS and of.metric.role == "decision"
            text = f"{of.metric.name} is 0 for all {total} {experiment.unit}s; {_what_to_check(of.metric)}"
            yield Check("metrics", False if many else None, text)


def _what_to_check(metric: Metric) -> str:
    if metric.kind == "retention":
        return "look whether anybody can have come back yet"
    names = ", ".join(f"'{term.name}'" for term in formula(metric).terms() if term.name)
    return f"look whether the app sends {names or 'it'} under this name, with the decision's id"


def _young(experiment: Experiment, table: Sequence[Measured]) -> Iterator[Check]:
    for of in table:
        young = matured(of)
        if young:
            text = f"{of.metric.name} leaves out {young} {experiment.unit}s whose window has not passed yet"
            yield Check("conversion window", None, text)


def _late(experiment: Experiment, units: Units, at: float) -> Iterator[Check]:
    """How long after a first exposure rewards come: figures of units that are younger will still move."""
    for metric in experiment.metrics:
        terms = [term for term in formula(metric).terms() if term.aggregate in ("sum", "count")]
        if metric.role != "decision" or metric.window_s is not None or metric.kind == "retention" or not terms:
            continue
        ages = units.events[Term("sum", terms[0].name)].age_s
        ages = ages if len(ages) and ages.min() >= 0 else ages[ages >= 0]
        if len(ages) < 100 or not len(units):
            continue
        late = float(np.quantile(ages, 0.95))
        young = float(np.mean(units.first > at - late))
        if late > DAY_S and young > 0.2:
            text = (
                f"19 of 20 rewards of {metric.name} come within {late / DAY_S:.1f} days of a first exposure, and "
                f"{young:.0%} of {experiment.unit}s are younger; their figures will grow: give it a window_s, or wait"
            )
            yield Check("reward lag", None, text.replace("%", " %"))
