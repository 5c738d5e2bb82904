"""Guardrails: is treatment worse than control by less than what we would accept?"""

from typing import NamedTuple

from bandstand.errors import InputError
from bandstand.stats.means import Difference, difference
from bandstand.stats.moments import Moments


class NonInferiority(NamedTuple):
    """`p_value` is that of "worse by the margin or more"; `low` bounds the difference at 1 − α, one-sided.

    Both are of treatment minus what is still acceptable: above zero is good.
    """

    difference: float
    low: float
    p_value: float
    ok: bool


def non_inferior(
    treatment: Moments, control: Moments, *, margin: float, share: bool = False, alpha: float = 0.05
) -> NonInferiority:
    r"""One-sided Welch test of :math:`H_0: \mu_T \le \mu_C - m`, or with `share` :math:`\mu_T \le \mu_C - m |\mu_C|`.

    With a margin as a share of the control, :math:`\bar y_T - (1 - m) \bar y_C` is tested, whose variance is
    :math:`s_T^2 / n_T + (1 - m)^2 s_C^2 / n_C`: no delta method, so a small control mean does no harm [1]_.
    Where less is better, give negated values.

    Raises
    ------
    InputError
        For a margin that is not above zero, and what `difference` refuses.

    References
    ----------
    .. [1] Hauschke, Kieser, Diletti, Burke (1999), "Sample size determination for proving equivalence based on
       the ratio of two means for normally distributed data", Statistics in Medicine 18, 93–105: the linear form.

    Examples
    --------
    >>> arms = Moments(5000, 0.99, 1000.0), Moments(5000, 1.0, 1000.0)
    >>> non_inferior(*arms, margin=0.03).ok, non_inferior(*arms, margin=0.015).ok
    (True, False)
    """
    if not margin > 0:
        raise InputError(
            f"margin is {margin}, must be > 0; give the loss that you would accept, as a positive number.",
            field="margin",
        )
    acceptable = _shrunk(control, margin) if share else Moments(control.n, control.mean - margin, control.m2)
    two_sided: Difference = difference(treatment, acceptable, alpha=min(2 * alpha, 1 - 1e-12))
    half = two_sided.p_value / 2
    p_value = half if two_sided.difference > 0 else 1 - half
    return NonInferiority(two_sided.difference, two_sided.low, p_value, p_value < alpha)


def _shrunk(control: Moments, margin: float) -> Moments:
    if control.mean == 0:
        raise InputError(
            "the control's mean is 0, so a share of it is no margin; give the margin as a difference.",
            field="control",
            code="zero_baseline",
        )
    factor = 1 - margin if control.mean > 0 else 1 + margin
    return Moments(control.n, factor * control.mean, factor * factor * control.m2)
