"""Confidence sequences for averages of what drifts, from scores whose chances depend on all that came before."""

import math

from bandstand.errors import InputError
from bandstand.stats.mixture import best_rho, log_mixture, mixture_bound, one_sided_bound
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import Sequence


def average_sequence(
    scores: Moments, *, typical_variance: float, horizon: float, alpha: float = 0.05, one_sided: bool = False
) -> Sequence:
    r"""The Lyapunov-type asymptotic confidence sequence [1]_ of the average of the scores' conditional means so far.

    .. math:: \frac1t \sum_{i \le t} \hat\phi_i \pm
        \sqrt{\frac{2 (S_t \varrho^2 + 1)}{t^2 \varrho^2} \ln\frac{\sqrt{S_t \varrho^2 + 1}}{\alpha}},
        \qquad S_t = t\, \hat\sigma_t^2

    Scores need not be alike nor independent: each may have its own mean and variance, given all before it, as
    where a bandit sends units to arms. What is covered at all looks together is the *running* average of these
    means; with scores such as `adaptive.arm_scores` that is the arm's average over the units that really came.
    :math:`\hat\sigma_t^2` is their sample variance, too large where means drift, never too small. Where
    scores are alike this is `sequences.always_valid`.

    Parameters
    ----------
    scores
        Of one score a unit, in which each has a finite variance (probabilities have a floor).
    typical_variance
        Of one score, at which with `horizon` units the interval is tightest. Both must be fixed before the first
        look, as from the units until then: elsewhere the interval is valid too, only wider.
    one_sided
        `low` is then a lower bound, `high` infinite, and the p-value that of "the average is ≤ 0".

    References
    ----------
    .. [1] Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), "Time-uniform central limit theory and asymptotic
       confidence sequences", Annals of Statistics 52(6), arXiv:2103.06476, section 2.5: time-varying means under
       martingale dependence.

    Examples
    --------
    >>> found = average_sequence(Moments(400, 0.1, 100.0), typical_variance=0.25, horizon=400)
    >>> round(found.low, 3), round(found.high, 3)
    (0.024, 0.176)
    """
    if not (math.isfinite(typical_variance) and typical_variance > 0):
        raise InputError(
            f"typical_variance is {typical_variance}, must be finite and > 0; wait for data that vary.",
            field="typical_variance",
            code="no_variation",
        )
    variance = scores.n * scores.variance
    if not variance > 0:
        raise InputError(
            f"the scores of {scores.n} units do not vary, so nothing tells their spread; wait for data that vary.",
            field="scores",
            code="no_variation",
        )
    rho = best_rho(horizon * typical_variance, alpha=alpha, one_sided=one_sided)
    bound = one_sided_bound if one_sided else mixture_bound
    margin = float(bound(variance, alpha=alpha, rho=rho)) / scores.n
    evidence = float(log_mixture(scores.mean * scores.n, variance, rho=rho, one_sided=one_sided))
    return Sequence(
        value=scores.mean,
        low=scores.mean - margin,
        high=math.inf if one_sided else scores.mean + margin,
        p_value=math.exp(min(0.0, -evidence)),
        std_error=scores.std_error,
    )
