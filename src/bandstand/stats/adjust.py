"""Smaller intervals from what was known of each unit before the experiment: CUPED and regression adjustment."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from bandstand.errors import InputError
from bandstand.stats.cross import CrossMoments
from bandstand.stats.means import Difference, Lift, difference, enough_units
from bandstand.stats.moments import Moments


def coefficients(pooled: CrossMoments) -> NDArray[np.float64]:
    r"""θ of the regression of the outcome on all covariates, from cross-products: :math:`M_{xx}^{-1} M_{xy}`.

    `InputError` where a covariate does not vary or is a combination of the others.
    """
    products = np.array(pooled.products)
    if len(pooled.means) < 2:
        raise InputError(
            f"{len(pooled.means)} value(s) per unit, an adjustment needs the outcome and a covariate; add a column.",
            field="covariates",
        )
    scale = np.sqrt(np.diag(products)[1:])
    if flat := [i + 1 for i, size in enumerate(scale) if size == 0]:
        raise InputError(
            f"covariate {flat[0]} is the same for all {pooled.n} units, must vary; leave it out.",
            field="covariates",
            code="no_variation",
        )
    correlations = products[1:, 1:] / np.outer(scale, scale)
    if np.linalg.matrix_rank(correlations, hermitian=True) < len(scale):
        raise InputError(
            f"of {len(scale)} covariates one is a combination of the others, none may be; leave it out.",
            field="covariates",
        )
    return np.asarray(np.linalg.solve(correlations, products[1:, 0] / scale) / scale, dtype=np.float64)


def adjusted_moments(treatment: CrossMoments, control: CrossMoments) -> tuple[Moments, Moments]:
    r"""Both arms' moments of :math:`Y^* = Y - \theta^\top (X - \bar X)`, to be given to any test of means.

    .. math:: \theta = M_{xx}^{-1} M_{xy}, \qquad
        s_*^2 = s_Y^2 - 2 \theta^\top s_{XY} + \theta^\top s_{XX} \theta \approx s_Y^2 (1 - R^2)

    with M and X̄ of both arms put together: CUPED [1]_ for one covariate, regression adjustment for several.
    Covariates must be measured before a unit's first exposure; what the treatment can change biases the result.

    Parameters
    ----------
    treatment, control
        The outcome first, then the same covariates in the same order. For a ratio metric:
        `cross.linearised((0, 1), (2, 3))` of clicks and views after and before.

    Raises
    ------
    InputError
        Without covariates, or where one does not vary or repeats the others.

    References
    ----------
    .. [1] Deng, Xu, Kohavi, Walker (2013), "Improving the sensitivity of online controlled experiments by
       utilizing pre-experiment data", WSDM, equations 3 to 5.
    .. [2] Lin (2013), "Agnostic notes on regression adjustments to experimental data", Annals of Applied
       Statistics 7(1), 295–318: adjustment cannot bias in large samples, whatever the true relation.

    Examples
    --------
    >>> treatment = CrossMoments.of([3.0, 5.1, 7.2, 9.0], [1.0, 2.0, 3.0, 4.0])
    >>> control = CrossMoments.of([2.0, 4.0, 5.9, 8.1], [1.0, 2.0, 3.0, 4.0])
    >>> treated, other = adjusted_moments(treatment, control)
    >>> round(treated.mean - other.mean, 3), round(treated.variance / 6.7, 3)
    (1.075, 0.001)
    """
    enough_units(treatment.n, arm="treatment")
    enough_units(control.n, arm="control")
    pooled = treatment + control
    theta = coefficients(pooled)
    weights, offset = np.concatenate([[1.0], -theta]), float(theta @ np.array(pooled.means[1:]))
    return treatment.combination(weights, offset=offset), control.combination(weights, offset=offset)


def adjusted_difference(treatment: CrossMoments, control: CrossMoments, *, alpha: float = 0.05) -> Difference:
    r"""`difference` of the adjusted means, with its lift as a share of the control's plain mean.

    .. math:: \mathrm{Var}(\delta) \approx \frac{s_{*T}^2}{n_T \bar y_C^2} + \frac{1}{n_C \bar y_C^2}
        \Big( r^2 s_{Y,C}^2 - 2 r\, \theta^\top s_{XY,C} + \theta^\top s_{XX,C} \theta \Big),
        \qquad r = \bar y_T / \bar y_C

    [1]_: adjusting the denominator as well would describe another population than the one reported.

    References
    ----------
    .. [1] GrowthBook, packages/stats, `frequentist_variance_relative_cuped`, and its documentation page
       "CUPED: technical details".

    Examples
    --------
    >>> treatment = CrossMoments.of([3.0, 5.1, 7.2, 9.0], [1.0, 2.0, 3.0, 4.0])
    >>> control = CrossMoments.of([2.0, 4.0, 5.9, 8.1], [1.0, 2.0, 3.0, 4.0])
    >>> found = adjusted_difference(treatment, control)
    >>> round(found.difference, 3), round(found.low, 3), round(found.high, 3)
    (1.075, 0.923, 1.227)
    """
    adjusted_t, adjusted_c = adjusted_moments(treatment, control)
    found = difference(adjusted_t, adjusted_c, alpha=alpha)
    return found._replace(relative=_lift(found, adjusted_t, treatment, control, alpha=alpha))


def _lift(
    found: Difference, adjusted: Moments, treatment: CrossMoments, control: CrossMoments, *, alpha: float
) -> Lift | None:
    plain = control.combination([1.0] + [0.0] * (len(control.means) - 1))
    quantile = float(student.isf(alpha / 2, found.df))
    base = abs(plain.mean)
    if base <= quantile * plain.std_error:
        return None
    weights = np.concatenate([[treatment.means[0] / plain.mean], -coefficients(treatment + control)])
    std_error = math.hypot(adjusted.std_error, control.combination(weights).std_error) / base
    value = found.difference / base
    return Lift(value, value - quantile * std_error, value + quantile * std_error, std_error)
