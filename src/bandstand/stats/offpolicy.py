"""Off-policy evaluation of arrays: what another policy would have earned on a log, and whether the log can say.

    from bandstand.stats import offpolicy
    print(offpolicy.evaluate(rewards, logging=propensities, target=probabilities))

The parts are of use by themselves: estimates of `WeightedSums` (below), `doubly_robust`, `shrinkage`, `embeddings`,
`slates`, `intervals`, `diagnostics`, `support`, `rejection`.
"""

import math
import textwrap
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import column, of_actions, same_length
from bandstand.stats.diagnostics import Diagnostics, diagnostics, gate, scores_logged
from bandstand.stats.doubly_robust import Predictions, RobustSums, dm, dr, predictions, sndr
from bandstand.stats.empirical_likelihood import check_bounds, empirical_likelihood, likeliest_value
from bandstand.stats.estimates import Estimate, ips, normal, snips
from bandstand.stats.intervals import rare_events
from bandstand.stats.moments import Moments
from bandstand.stats.shrinkage import Shrinkage, clipped, optimistic, subgaussian, switched
from bandstand.stats.support import certain, partially_identified, unsupported
from bandstand.stats.weights import WeightedSums, importance_weights, inverse_propensities

__all__ = [
    "Estimate",
    "Evaluation",
    "check_bounds",
    "empirical_likelihood",
    "evaluate",
    "ips",
    "likeliest_value",
    "normal",
    "snips",
]

_BLOCK = 1 << 17  # rows whose shrunk weights are held at a time


class Evaluation(Struct, frozen=True):
    """All that a log says of a target policy; prints as a table.

    `default` is the estimate to quote, with the interval that covers in short and heavy-tailed logs too; `estimates`
    are the others, with normal intervals, `logged` what the logger itself earned. `reasons` say why no value should
    be quoted, empty where one may be; the table then withholds the values. `partial` is the interval that allows for
    what the logger could never show, None where there is nothing of that.
    """

    default: Estimate
    estimates: tuple[Estimate, ...]
    logged: Estimate | None
    partial: Estimate | None
    diagnostics: Diagnostics
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    alpha: float

    def __str__(self) -> str:
        head = f"{'per row':<22}{'value':>12}   {1 - self.alpha:.0%} interval"
        rows = [_line(each.method, each, withheld=bool(self.reasons)) for each in (self.default, *self.estimates)]
        if self.partial is not None:
            rows.append(_line("with what is missing", self.partial, withheld=bool(self.reasons)))
        if self.logged is not None:
            rows.append(_line("as logged", self.logged, withheld=False))
        marks = [f"✗ {each}" for each in self.reasons] + [f"! {each}" for each in self.warnings]
        return "\n".join([head, *rows, "", *_wrapped(_support(self.diagnostics)), *_wrapped(*marks)])

    __repr__ = __str__


def evaluate(
    rewards: ArrayLike,
    logging: ArrayLike,
    target: ArrayLike,
    *,
    actions: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    candidates: ArrayLike | None = None,
    max_weight: float = math.inf,
    reward_range: tuple[float, float] = (0.0, 1.0),
    limit: float = 10.0,
    alpha: float = 0.05,
) -> Evaluation:
    r"""Estimate from a log of one policy what another would have earned per row, and say whether to believe it.

    With :math:`w_i = \pi_{target}(a_i \mid x_i) / \pi_{logging}(a_i \mid x_i)` of what was shown, IPS is
    :math:`\frac1n \sum_i w_i r_i`; each method has its formula in its own docstring, and its assumption in words
    in `assumptions.assumption(method)`. Estimates from shrunk weights bound these by `limit`: `clipped_ips` cuts
    them off there, `switch_dr` drops what is above, `subgaussian_ips` takes :math:`\lambda = 1 /` limit and `dros`
    :math:`\lambda = 4 \cdot` limit². See `shrinkage.sensitivity` for many limits.

    Parameters
    ----------
    rewards
        One finite value a row.
    logging, target
        The probability with which each policy shows what was shown, as it was at that moment, one a row; or
        rows × actions, all probabilities, and then `actions` says which was shown. The latter of both tells what
        the logger could not show; for `predicted`, the target's must be of that kind.
    actions
        The column of what was shown, one a row.
    predicted
        Rows × actions, a model's expected rewards, fitted on other users' rows (`cross_fitting.cross_fitted`).
    clusters
        The user of each row, where users have several: their rows then depend on each other.
    candidates
        How many actions were on offer, in all rows or in each, to check that probabilities were logged; known
        already where `logging` has them all.
    max_weight
        The greatest weight possible, from the least propensity that the logger's exploration allows. Without it
        the default interval is up to four times as wide.
    reward_range
        Least and greatest reward possible.

    Raises
    ------
    InputError
        Where a propensity is no probability, a reward is no number (both with their row), lengths differ, rewards
        leave their range, or there are fewer than two rows or users.

    References
    ----------
    .. [1] Dudík, Erhan, Langford, Li (2014), "Doubly robust policy evaluation and optimization", Statistical
       Science 29(4), arXiv:1503.02834.
    .. [2] Karampatziakis, Langford, Mineiro (2020), "Empirical likelihood for contextual bandits", NeurIPS,
       arXiv:1906.03323: the default interval.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> shown = rng.choice(3, p=[0.6, 0.3, 0.1], size=5000)
    >>> clicks = rng.binomial(1, np.array([0.10, 0.15, 0.20])[shown])
    >>> logged, wanted = np.array([0.6, 0.3, 0.1])[shown], np.array([0.2, 0.3, 0.5])[shown]
    >>> evaluate(clicks, logging=logged, target=wanted, candidates=3, max_weight=5)
    per row                      value   95% interval
    rare_events                 0.1826   0.1632 to 0.2028
    ips                         0.1811   0.1599 to 0.2024
    snips                       0.1823   0.1628 to 0.2018
    clipped_ips                 0.1811   0.1599 to 0.2024
    subgaussian_ips             0.1504   0.1347 to 0.1661
    as logged                   0.1334   0.124 to 0.1428
    <BLANKLINE>
    Effective sample size 1,734 of 5,000; 667 rewarded rows, worth 265 equal ones;
    mean weight 0.993 ± 0.019, greatest 5, heaviest row 0.1% of all; mean
    1/(propensity · candidates) 0.995 ± 0.012.
    """
    r = column(rewards, name="reward")
    shown = None if actions is None else np.asarray(actions)
    p_log, p_target = _of_shown(logging, shown, name="logging"), _of_shown(target, shown, name="target")
    same_length(rewards=r, logging=p_log, target=p_target)
    if r.size < 2:
        raise InputError(f"the log has {r.size} row(s), an evaluation needs 2; widen the selection.", code="too_few")
    if not limit >= 1:
        raise InputError(f"limit is {limit}, must be >= 1, the mean weight; 10 is usual.", field="limit")
    log = _Log(r, importance_weights(p_target, p_log), clusters)
    sums = log.sums(log.weights)
    both = np.ndim(target) == np.ndim(logging) == 2
    missing = unsupported(target, logging) if both else unsupported(p_target, p_log)
    inverse = _inverse(logging, p_log, candidates)
    found = diagnostics(sums, inverse_propensities=inverse, unsupported=missing, certain=certain(p_log))
    tried = _from_weights(log, sums, limit)
    if predicted is not None:
        # Without actions the target has one value a row, which is refused.
        tried |= _from_model(log, predictions(target, predicted, () if shown is None else shown), limit)
    made = {name: one._replace(method=name) for name, how in tried.items() if (one := _unless_equal(how, alpha))}
    return Evaluation(
        default=rare_events(sums, max_weight=max_weight, reward_range=reward_range, alpha=alpha),
        estimates=tuple(made.values()),
        logged=_unless_equal(lambda alpha: ips(log.sums(np.ones_like(r)), alpha=alpha), alpha),
        partial=partially_identified(made["ips"], missing, reward_range=reward_range, alpha=alpha)
        if "ips" in made and missing.mean > 0
        else None,
        diagnostics=found,
        reasons=gate(found),
        warnings=_warnings(found, max_weight),
        alpha=alpha,
    )


class _Log(NamedTuple):
    rewards: NDArray[np.float64]
    weights: NDArray[np.float64]
    clusters: ArrayLike | None

    def sums(self, weights: NDArray[np.float64]) -> WeightedSums:
        return WeightedSums.of(self.rewards, weights, clusters=self.clusters)

    def shrunk(self, shrink: Shrinkage, level: float) -> WeightedSums:
        if self.clusters is not None:
            return self.sums(shrink(self.weights, level))
        blocks = (slice(start, start + _BLOCK) for start in range(0, self.rewards.size, _BLOCK))
        return sum((WeightedSums.of(self.rewards[b], shrink(self.weights[b], level)) for b in blocks), WeightedSums())


class _Way(Protocol):
    def __call__(self, alpha: float, /) -> Estimate: ...


def _from_weights(log: _Log, sums: WeightedSums, limit: float) -> dict[str, _Way]:
    return {
        "ips": lambda alpha: ips(sums, alpha=alpha),
        "snips": lambda alpha: snips(sums, alpha=alpha),
        "clipped_ips": lambda alpha: ips(log.shrunk(clipped, limit), alpha=alpha),
        "subgaussian_ips": lambda alpha: ips(log.shrunk(subgaussian, 1 / limit), alpha=alpha),
    }


def _from_model(log: _Log, model: Predictions, limit: float) -> dict[str, _Way]:
    def robust(weights: NDArray[np.float64]) -> RobustSums:
        return RobustSums.of(log.rewards, weights, predicted=model.shown, direct=model.direct, clusters=log.clusters)

    sums = robust(log.weights)
    return {
        "dm": lambda alpha: dm(sums, alpha=alpha),
        "dr": lambda alpha: dr(sums, alpha=alpha),
        "sndr": lambda alpha: sndr(sums, alpha=alpha),
        "switch_dr": lambda alpha: dr(robust(switched(log.weights, limit)), alpha=alpha),
        "dros": lambda alpha: dr(robust(optimistic(log.weights, 4 * limit**2)), alpha=alpha),
    }


def _unless_equal(how: _Way, alpha: float) -> Estimate | None:
    """None where all scores are equal, or weights 0, which gives no normal interval."""
    try:
        return how(alpha)
    except InputError as refusal:
        if refusal.code in ("no_variation", "too_few"):
            return None
        raise


def _of_shown(values: ArrayLike, shown: NDArray[np.int64] | None, *, name: str) -> NDArray[np.float64]:
    """One value a row, of what was shown."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        return array
    if array.ndim != 2 or shown is None:
        raise InputError(
            f"{name} has shape {array.shape}, must be rows × actions with `actions`, the column of what was shown, or "
            "one value a row.",
            field=name,
        )
    return of_actions(array, shown, name=name)


def _inverse(logging: ArrayLike, of_shown: NDArray[np.float64], candidates: ArrayLike | None) -> Moments | None:
    logged = np.asarray(logging, dtype=np.float64)
    if candidates is None and logged.ndim == 2:
        candidates = np.count_nonzero(logged, axis=1)
    return None if candidates is None else inverse_propensities(of_shown, candidates)


def _warnings(found: Diagnostics, max_weight: float) -> tuple[str, ...]:
    warnings = []
    if scores_logged(found):
        warnings.append(
            f"1/(propensity · candidates) averages {found.inverse_propensity_ratio:.3g}, far from 1: were scores "
            "logged, not probabilities, or are there candidates that the logger never shows?"
        )
    if max_weight == math.inf:
        warnings.append(
            "No max_weight was given, so the default interval allows for weights of any size: it narrows with the "
            "greatest one that the logger's exploration allows."
        )
    return tuple(warnings)


def _line(name: str, found: Estimate, *, withheld: bool) -> str:
    value = "withheld" if withheld else f"{found.value:.4g}"
    return f"{name:<22}{value:>12}   {found.low:.4g} to {found.high:.4g}"


def _support(found: Diagnostics) -> str:
    parts = [
        f"Effective sample size {found.ess:,.0f} of {found.n:,}",
        f"{found.events:,} rewarded rows, worth {found.rewarded_ess:,.0f} equal ones",
        f"mean weight {found.mean_weight:.3g} ± {found.mean_weight_se:.2g}, greatest {found.max_weight:.3g}, "
        f"heaviest row {found.max_share:.1%} of all",
    ]
    if found.inverse_propensity_ratio is not None:
        error = found.inverse_propensity_ratio_se or 0.0
        parts.append(f"mean 1/(propensity · candidates) {found.inverse_propensity_ratio:.3g} ± {error:.2g}")
    if found.unsupported:
        parts.append(f"{found.unsupported:.1%} of the target never shown by the logger")
    if found.certain:
        parts.append(f"{found.certain:.1%} of rows shown without a choice")
    return "; ".join(parts) + "."


def _wrapped(*texts: str) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(text, width=80)]
