"""The sample ratio at every moment: an alarm that may be looked at after each unit and stays honest."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import dirichlet_multinomial, multinomial

from bandstand.errors import InputError
from bandstand.stats.checks import significance


class RatioEvidence(NamedTuple):
    """The evidence against the intended split; `p_value` holds at all looks together."""

    log_bayes_factor: float
    p_value: float
    ok: bool


def sequential_sample_ratio(
    counts: Mapping[str, int],
    weights: Mapping[str, float],
    *,
    alpha: float = 0.01,
    concentration: float = 10_000.0,
    previous: float = 1.0,
) -> RatioEvidence:
    r"""Bayes factor of "some other split" against the intended one, from the units counted so far.

    .. math:: BF = \frac{\mathrm{DirMult}(n; c\, \theta_0)}{\mathrm{Mult}(n; \theta_0)}, \qquad
        p_t = \min(p_{t-1}, 1 / BF_t)

    The alarm is BF ≥ 1/α, wrong in at most α of experiments however often one looks [1]_.

    Parameters
    ----------
    counts, weights
        Units per variant, each unit once; intended shares, which need not sum to one, all above zero.
    concentration
        How near to the intended split the other one is expected; large finds small faults, later.
    previous
        The p-value of the look before, which a later look cannot raise.

    References
    ----------
    .. [1] Lindon, Malek (2020), "Anytime-valid inference for multinomial count data", arXiv:2011.03567.

    Examples
    --------
    >>> sequential_sample_ratio({"a": 5000, "b": 5000}, {"a": 1, "b": 1}).ok
    True
    >>> sequential_sample_ratio({"a": 5500, "b": 5000}, {"a": 1, "b": 1}).ok
    False
    """
    significance(alpha)
    _check(counts, weights, concentration=concentration, previous=previous)
    total = math.fsum(weights.values())
    shares = {variant: weight / total for variant, weight in weights.items()}
    evidence = log_bayes_factor(
        [counts.get(v, 0) for v in shares],
        shares=list(shares.values()),
        prior=[concentration * share for share in shares.values()],
    )
    p_value = min(previous, math.exp(min(0.0, -evidence)))
    return RatioEvidence(evidence, p_value, p_value > alpha)


def log_bayes_factor(counts: list[int], *, shares: list[float], prior: list[float]) -> float:
    """Logarithm of the Bayes factor of a Dirichlet prior against fixed shares that sum to one.

    Examples
    --------
    >>> round(log_bayes_factor([20, 17, 9], shares=[0.4, 0.4, 0.2], prior=[1.0, 1.0, 1.0]), 6)
    -2.950561
    """
    n = sum(counts)
    return float(dirichlet_multinomial.logpmf(counts, prior, np.array(n)) - multinomial.logpmf(counts, n, shares))


def _check(counts: Mapping[str, int], weights: Mapping[str, float], *, concentration: float, previous: float) -> None:
    if len(weights) < 2:
        raise InputError(f"{len(weights)} variant(s) have a weight, a split needs two; add one.", field="weights")
    for variant, weight in weights.items():
        if not (math.isfinite(weight) and weight > 0):
            raise InputError(
                f"weight of variant {variant} is {weight}, must be finite and > 0; leave out who gets nobody.",
                field="weights",
            )
    for variant, count in counts.items():
        if variant not in weights or count < 0:
            raise InputError(
                f"variant {variant} has {count} units, must be >= 0 and of a variant with a weight; "
                f"known: {', '.join(weights)}.",
                field="counts",
            )
    if not (math.isfinite(concentration) and concentration > 0 and 0 < previous <= 1):
        raise InputError(
            f"concentration is {concentration} and previous {previous}, must be > 0 and a p-value; "
            "leave them at their defaults at the first look.",
            field="concentration",
        )
