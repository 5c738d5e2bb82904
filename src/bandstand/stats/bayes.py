"""How likely is it that treatment is better, and what is lost by choosing wrong, given a prior on the difference?"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.means import Lift, difference
from bandstand.stats.moments import Moments

_REACH = 9.0  # standard errors, beyond which a normal has 2e-19 of its mass
_PANELS = 18  # of each arm's reach, so that the narrowest arm is resolved as well as the widest
_NODES = 16  # Gauss–Legendre, of each panel: enough that the integral over a dozen arms is right to ten digits

_CERTAIN = 40.0  # posterior standard deviations from 0, beyond which no loss is left that a double can hold


class Prior(NamedTuple):
    """Normal prior of a lift: most changes move a metric by little, 0.1 says by less than 20 % in 19 of 20."""

    mean: float = 0.0
    std: float = math.inf


class Posterior(NamedTuple):
    """What is believed of a difference; `risk_…` is what is lost on average by choosing that arm."""

    value: float
    low: float
    high: float
    std_error: float
    chance_to_win: float
    risk_treatment: float
    risk_control: float


FLAT = Prior()


def posterior(value: float, std_error: float, *, prior: Prior = FLAT, alpha: float = 0.05) -> Posterior:
    r"""Normal prior times normal likelihood, with the risk in closed form.

    .. math:: \sigma^{-2} = SE^{-2} + \sigma_0^{-2}, \quad
        \mu = \sigma^2 \Big(\frac{\text{value}}{SE^2} + \frac{\mu_0}{\sigma_0^2}\Big), \quad
        P(\text{win}) = \Phi(\mu / \sigma), \quad
        \text{risk}_T = \sigma \phi(\mu / \sigma) - \mu \Phi(-\mu / \sigma), \quad
        \text{risk}_C = \text{risk}_T + \mu

    The risk is E[max(0, −δ)] [1]_. A prior does not make it safe to stop at the first look that pleases.
    Where less is better, give the negated value.

    References
    ----------
    .. [1] Stucchio (2015), "Bayesian A/B testing at VWO": expected loss; in closed form as the
       expected improvement of Jones, Schonlau, Welch (1998), Journal of Global Optimization 13, equation 15.

    Examples
    --------
    >>> found = posterior(0.05, 0.0357)
    >>> round(found.chance_to_win, 3), round(found.risk_treatment, 4), round(found.risk_control, 4)
    (0.919, 0.0013, 0.0513)
    """
    significance(alpha)
    if not (math.isfinite(std_error) and std_error > 0 and prior.std > 0):
        raise InputError(
            f"std_error is {std_error} and that of the prior {prior.std}, must be finite and > 0; "
            "wait for data that vary.",
            field="std_error",
            code="no_variation",
        )
    of_data, of_prior = std_error**-2, prior.std**-2
    spread = (of_data + of_prior) ** -0.5
    centre = spread**2 * (value * of_data + prior.mean * of_prior)
    margin, z = float(norm.isf(alpha / 2)) * spread, centre / spread
    return Posterior(
        value=centre,
        low=centre - margin,
        high=centre + margin,
        std_error=spread,
        chance_to_win=float(norm.cdf(z)),
        # Each by its own tail: risk_C as risk_T + μ would lose its digits where it is small.
        risk_treatment=_expected_loss(z) * spread,
        risk_control=_expected_loss(-z) * spread,
    )


def difference_posterior(
    treatment: Moments, control: Moments, *, prior: Prior = FLAT, alpha: float = 0.05
) -> Posterior:
    """`posterior` of treatment minus control, under a prior of the lift, scaled by the control's mean.

    Examples
    --------
    >>> arms = Moments(500, 1.1, 500.0), Moments(500, 1.0, 500.0)
    >>> round(difference_posterior(*arms, prior=Prior(0.0, 0.05)).chance_to_win, 3)
    0.836
    """
    found = difference(treatment, control, alpha=alpha)
    scale = abs(control.mean)
    if scale == 0 and math.isfinite(prior.std):
        raise InputError(
            "the control's mean is 0, so a prior of the lift says nothing of the difference; "
            "take the flat prior, or wait for more data.",
            field="control",
            code="zero_baseline",
        )
    scaled = Prior(prior.mean * scale, prior.std * scale) if math.isfinite(prior.std) else prior
    return posterior(found.difference, found.std_error, prior=scaled, alpha=alpha)


def lift_posterior(lift: Lift | None, *, prior: Prior = FLAT, alpha: float = 0.05) -> Posterior:
    """`posterior` of a lift as `difference`, `ratio_difference` or `adjusted_difference` give it."""
    if lift is None:
        raise InputError(
            "the control's mean cannot be told from zero, so a lift has no meaning; "
            "look at the absolute difference, or wait for more data.",
            field="lift",
            code="zero_baseline",
        )
    return posterior(lift.value, lift.std_error, prior=prior, alpha=alpha)


def bayesian_critical(
    std_error: float, *, prior_std: float = math.inf, accepted_loss: float = math.inf, alpha: float = 0.05
) -> float:
    r"""What value / std_error must exceed, so that the chance to win is 1 − α/2 and the expected loss is accepted.

    .. math:: z \sqrt{1 + SE^2 / \sigma_0^2}, \qquad z = \max(z_{\alpha/2}, L^{-1}(\ell / \sigma)), \qquad
        L(z) = \phi(z) - z \Phi(-z)

    which is `posterior` solved for the value, under a prior with mean 0. It rises with the standard error, and where
    prior and loss are infinite it is the fixed test's. A lift has its loss as a share of the control.

    Examples
    --------
    >>> [round(bayesian_critical(0.05, prior_std=std), 3) for std in (math.inf, 0.3, 0.05)]
    [1.96, 1.987, 2.772]
    """
    significance(alpha)
    for name, least in (("std_error", std_error), ("prior_std", prior_std), ("accepted_loss", accepted_loss)):
        if not least > 0:
            raise InputError(f"{name} is {least}, must be above 0; a prior of 0.3 and a loss of 0.0025 are usual.")
    shrunk = math.hypot(1.0, std_error / prior_std)
    spread, z = std_error / shrunk, float(norm.isf(alpha / 2))

    def too_dear(z: float) -> float:
        return _expected_loss(z) - accepted_loss / spread

    return shrunk * (float(brentq(too_dear, z, _CERTAIN)) if too_dear(z) > 0 else z)


def best_arm(arms: Sequence[Moments]) -> tuple[float, ...]:
    r"""Probability of each arm to have the largest mean, under flat priors.

    .. math:: w_k = \int \prod_{i \ne k} \Phi\Big(\frac{x - m_i}{s_i}\Big)
        \phi\Big(\frac{x - m_k}{s_k}\Big) \frac{dx}{s_k}

    by Gauss–Legendre quadrature between points of every arm, whose errors may differ by far: an arm with a
    hundredth of another's units is a step where the other is smooth. m and s are means and standard errors.

    References
    ----------
    .. [1] Scott (2010), "A modern Bayesian look at the multi-armed bandit", Applied Stochastic Models in
       Business and Industry 26, 639–658.

    Examples
    --------
    >>> [round(w, 4) for w in best_arm([Moments(101, m, 101.0) for m in (0.0, 0.1, 0.2)])]
    [0.0472, 0.2241, 0.7288]
    """
    errors = np.array([arm.std_error for arm in arms])
    if not errors.size or not errors.all():
        raise InputError(
            f"{np.sum(errors == 0)} of {errors.size} arms do not vary, all must, and there must be one; "
            "wait for data that vary.",
            field="arms",
            code="no_variation",
        )
    means = np.array([arm.mean for arm in arms])
    edges = np.unique(means + np.linspace(-_REACH, _REACH, _PANELS + 1)[:, None] * errors)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half * (nodes + 1)).ravel()
    z = (x[:, None] - means) / errors
    below = norm.logcdf(z)
    density = np.exp(below.sum(axis=1, keepdims=True) - below + norm.logpdf(z)) / errors
    return tuple(((half * weights).ravel() @ density).tolist())


def _expected_loss(z: float) -> float:
    """E[max(0, −Z)] of a normal Z with mean z and variance 1; the difference may round below zero far out."""
    return max(0.0, float(norm.pdf(z) - z * norm.cdf(-z)))
