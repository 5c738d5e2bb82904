"""Can the log answer the question? Signs of a target too far from the logger, or of wrong propensities."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import InputError
from bandstand.stats.checks import column
from bandstand.stats.moments import Moments
from bandstand.stats.weights import WeightedSums

# With fewer than 20 rewards and heavy weights, 95 % intervals were seen to cover 62 to 90 %. On the Open
# Bandit Dataset the four limits refuse the one estimate that is wrong by half (women, BTS to random: ESS 2).
LEAST_ESS = 100
LEAST_EVENTS = 20
MOST_SHARE = 0.1
MOST_UNSUPPORTED = 0.01
MOST_STD_ERRORS = 4  # of the mean weight from one: by chance in one log among 16,000

_ROUNDING = 1e-9


class Diagnostics(NamedTuple):
    """What to look at before believing an estimate.

    `events` are weighted rows with a reward, `ess` is the effective sample size (Σw)²/Σw², `max_share` the
    part of all weight in the heaviest row, `inverse_propensity_ratio` the mean of 1/(π_logging·K): the mean
    weight and it are one, but for chance, where the propensities are right and cover the target. `rewarded_ess` is
    the effective sample size of the weighted rewards, `unsupported` the probability with which the target shows
    what the logger could not (see `support.unsupported`), `certain` the share of rows that it drew from one.
    """

    n: int
    events: int
    mean_weight: float
    mean_weight_se: float
    ess: float
    max_weight: float
    max_share: float
    inverse_propensity_ratio: float | None
    rewarded_ess: float = 0.0
    unsupported: float | None = None
    certain: float | None = None
    inverse_propensity_ratio_se: float | None = None


def diagnostics(
    sums: WeightedSums,
    *,
    inverse_propensities: Moments | None = None,
    unsupported: Moments | None = None,
    certain: float | None = None,
) -> Diagnostics:
    """Diagnostics of a log with at least two independent units.

    What needs more than its sums is left out where it is not given: see `weights.inverse_propensities`,
    `support.unsupported` and `support.certain`.

    References
    ----------
    .. [1] Kish (1965), "Survey sampling", section 8.2: the effective sample size.

    Examples
    --------
    >>> found = diagnostics(WeightedSums.of(rewards=[1, 0, 1], weights=[2.0, 0.0, 1.0]))
    >>> found.events, found.mean_weight, found.ess, round(found.max_share, 3)
    (2, 1.0, 1.8, 0.667)
    """
    if sums.units < 2:
        raise InputError(
            f"the log has {sums.units} independent unit(s), diagnostics need 2; choose a longer log.",
            code="too_few",
        )
    weights = sums.weight_by_row.ratio()
    return Diagnostics(
        n=sums.n,
        events=sums.events,
        mean_weight=weights.mean,
        mean_weight_se=weights.std_error,
        ess=sums.w**2 / sums.w2 if sums.w2 else 0.0,
        max_weight=sums.max_w,
        max_share=sums.max_w / sums.w if sums.w else 0.0,
        inverse_propensity_ratio=inverse_propensities.mean if inverse_propensities is not None else None,
        rewarded_ess=sums.wr**2 / sums.w2r2 if sums.w2r2 else 0.0,
        unsupported=unsupported.mean if unsupported is not None else None,
        certain=certain,
        inverse_propensity_ratio_se=inverse_propensities.std_error if inverse_propensities is not None else None,
    )


class Heavy(NamedTuple):
    """One of the heaviest rows: its number, its owner where owners were given, and its share of all weight."""

    row: int
    owner: object
    weight: float
    share: float


def scores_logged(found: Diagnostics) -> bool:
    """Whether 1/(π_logging·K) averages so far from one that scores, not probabilities, may have been logged.

    A logger that never shows some of the candidates does so too, and harms only targets that show these. So this
    is a warning, no reason to withhold.
    """
    ratio, error = found.inverse_propensity_ratio, found.inverse_propensity_ratio_se
    return ratio is not None and error is not None and abs(ratio - 1) > max(MOST_STD_ERRORS * error, _ROUNDING)


def heaviest(weights: ArrayLike, *, owners: ArrayLike | None = None, rows: int = 10) -> tuple[Heavy, ...]:
    """The rows with the largest weights, heaviest first, and whose they are: one user, one item, one bad day?

    >>> heaviest([1.0, 6.0, 1.0], owners=["ann", "bob", "cid"], rows=1)
    (Heavy(row=1, owner='bob', weight=6.0, share=0.75),)
    """
    w = column(weights, name="weight")
    total, named = float(w.sum()), np.asarray(owners) if owners is not None else None
    if named is not None and named.shape != w.shape:
        raise InputError(f"owners have shape {named.shape}, must be one for each of {w.size} rows.", field="owners")
    count = min(max(rows, 0), w.size)
    top = np.argpartition(-w, count - 1)[:count] if count else np.empty(0, dtype=np.int64)
    return tuple(
        Heavy(i, named[i].item() if named is not None else None, float(w[i]), float(w[i]) / total if total else 0.0)
        for i in top[np.argsort(-w[top], kind="stable")].tolist()
    )


def gate(found: Diagnostics) -> tuple[str, ...]:
    """Reasons to withhold an estimate, each a sentence that says what would help; empty where there is none.

    >>> for reason in gate(diagnostics(WeightedSums.of(rewards=[1] * 500, weights=[1.0] * 499 + [99.0]))):
    ...     print(reason)
    The effective sample size is 35, below 100: log more traffic, or take a strategy nearer to the logger.
    One row carries 17% of all weight, above 10%: log with more exploration, so that no propensity is tiny.
    """
    return tuple(
        reason
        for holds, reason in (
            (
                found.ess < LEAST_ESS,
                f"The effective sample size is {found.ess:.0f}, below {LEAST_ESS}: log more traffic, "
                "or take a strategy nearer to the logger.",
            ),
            (
                found.events < LEAST_EVENTS,
                f"Only {found.events} weighted row(s) have a reward, fewer than {LEAST_EVENTS}: log more "
                "traffic, or evaluate a more frequent reward.",
            ),
            (
                found.max_share > MOST_SHARE,
                f"One row carries {found.max_share:.0%} of all weight, above {MOST_SHARE:.0%}: log with more "
                "exploration, so that no propensity is tiny.",
            ),
            (
                abs(found.mean_weight - 1) > max(MOST_STD_ERRORS * found.mean_weight_se, _ROUNDING),
                f"The mean weight is {found.mean_weight:.3g} ± {found.mean_weight_se:.2g}, more than "
                f"{MOST_STD_ERRORS} standard errors from 1: check that the logged propensities are those of "
                "the draw, and that the logger could show all that the strategy shows.",
            ),
            (
                found.unsupported is not None and found.unsupported > MOST_UNSUPPORTED,
                f"With probability {found.unsupported or 0:.1%} the strategy shows what the logger never could, above "
                f"{MOST_UNSUPPORTED:.0%}: let the logger explore it, or read the interval that allows for it.",
            ),
            (
                found.certain == 1 and found.ess < found.n * (1 - _ROUNDING),
                "All rows have propensity 1, so the logger did not explore: log with exploration; of such a log only "
                "a model can speak.",
            ),
        )
        if holds
    )
