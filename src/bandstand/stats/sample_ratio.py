"""Did traffic split as it was meant to? If not, no other figure of the experiment can be trusted."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from scipy.stats import chisquare

from bandstand.errors import InputError
from bandstand.stats.checks import significance

LEAST_EXPECTED = 5  # Cochran (1954): below it the χ² distribution does not approximate the statistic


class SampleRatio(NamedTuple):
    """The check's result; `ok` is None where it was not assessed, and `reason` says why it is not True.

    `leaks` are the variants that have units though their weight is zero: a fault whatever the counts.
    """

    chi2: float | None
    p_value: float | None
    ok: bool | None
    leaks: tuple[str, ...]
    reason: str


def sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float], *, alpha: float = 0.001) -> SampleRatio:
    r"""Pearson's test of units per variant against the intended weights.

    .. math:: \chi^2 = \sum_v \frac{(n_v - n w_v)^2}{n w_v}

    Variants without weight do not count towards the degrees of freedom. α is small because the check is
    looked at every day: at 0.001, thirty looks alarm wrongly in about 1 % of experiments, at 0.05 in 28 %
    (simulated).

    References
    ----------
    .. [1] Pearson (1900), "On the criterion that a given system of deviations...", Philosophical Magazine 50.
    .. [2] Fabijan et al. (2019), "Diagnosing sample ratio mismatch in online controlled experiments", KDD.

    Examples
    --------
    >>> sample_ratio({"control": 600, "treatment": 400}, {"control": 1, "treatment": 1}).ok
    False
    >>> sample_ratio({"a": 2, "b": 1}, {"a": 1, "b": 1}).reason
    'not assessed: variant a is expected to have 1.5 units, the test needs 5 in each; wait for more data'
    """
    significance(alpha)
    _check(counts, weights)
    leaks = tuple(v for v, weight in weights.items() if weight == 0 and counts.get(v, 0) > 0)
    live = {v: weight for v, weight in weights.items() if weight > 0}
    observed = [counts.get(v, 0) for v in live]
    per_weight = sum(observed) / sum(live.values())
    expected = {v: weight * per_weight for v, weight in live.items()}
    if (why := _not_assessed(expected)) is not None:
        return SampleRatio(None, None, False if leaks else None, leaks, _leak_reason(leaks) or why)
    test = chisquare(observed, list(expected.values()))
    chi2, p_value = float(test.statistic), float(test.pvalue)
    reason = _leak_reason(leaks) or ("" if p_value >= alpha else _mismatch_reason(p_value, alpha))
    return SampleRatio(chi2, p_value, not reason, leaks, reason)


def _not_assessed(expected: Mapping[str, float]) -> str | None:
    if len(expected) < 2:
        return "not assessed: fewer than two variants have weight, so there is no split to check"
    least = min(expected, key=lambda v: expected[v])
    if expected[least] >= LEAST_EXPECTED:
        return None
    return (
        f"not assessed: variant {least} is expected to have {expected[least]:.3g} units, "
        f"the test needs {LEAST_EXPECTED} in each; wait for more data"
    )


def _leak_reason(leaks: tuple[str, ...]) -> str:
    return f"variant(s) {', '.join(leaks)} have units though their weight is 0; find who is sent there" if leaks else ""


def _mismatch_reason(p_value: float, alpha: float) -> str:
    return (
        f"units per variant do not fit the weights (p = {p_value:.2g} < {alpha:g}); do not read the results "
        "before the cause is found: lost exposures, filtered users, weights changed on the way"
    )


def _check(counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
    for variant, count in counts.items():
        if count < 0:
            raise InputError(f"count of variant {variant} is {count}, must be >= 0.", field="counts")
        if variant not in weights:
            known = ", ".join(weights)
            raise InputError(f"variant {variant} has a count but no weight; known: {known}.", field="weights")
    for variant, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"weight of variant {variant} is {weight}, must be finite and >= 0.", field="weights")
    if not any(weights.values()):
        raise InputError("no variant has weight, at least one must; give the intended shares.", field="weights")
