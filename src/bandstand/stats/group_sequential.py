"""A few looks planned beforehand: how large |z| must be at each so that all of them together err with α."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import significance

Spending = Literal["obrien-fleming", "pocock"] | float

_NODES = 200  # Gauss–Legendre nodes between the bounds; enough for ten digits of looks that are `_LEAST_STEP` apart
_LEAST_STEP = 1e-3  # of the later look's fraction: a shorter step of the walk falls between the nodes
_REACH = 9.0  # standard deviations, beyond which a walk has 2e-19 of its mass


def spent(fraction: float, *, alpha: float = 0.05, spending: Spending = 2.0) -> float:
    r"""Error spent until a fraction t of the planned units has been seen [1]_, two-sided.

    .. math:: \alpha t^{\rho}, \qquad 4 - 4 \Phi(z_{1 - \alpha/4} / \sqrt t), \qquad \alpha \ln(1 + (e - 1) t)

    for a number ρ, "obrien-fleming" and "pocock".

    References
    ----------
    .. [1] Lan, DeMets (1983), "Discrete sequential boundaries for clinical trials", Biometrika 70, 659–663.

    Examples
    --------
    >>> round(spent(0.5), 4), round(spent(1.0, spending="pocock"), 4)
    (0.0125, 0.05)
    """
    if spending == "obrien-fleming":
        return float(4 * norm.sf(norm.isf(alpha / 4) / math.sqrt(fraction)))
    if spending == "pocock":
        return float(alpha * math.log1p((math.e - 1) * fraction))
    return float(alpha * fraction**spending)


def group_bounds(fractions: Sequence[float], *, alpha: float = 0.05, spending: Spending = 2.0) -> tuple[float, ...]:
    r"""What \|z\| must exceed at each look, at fractions of the planned units that rise to at most 1.

    At look k the bound b is such that the walk leaves there for the first time with probability
    α(t_k) − α(t_{k−1}), by the recursion of [1]_ over the density between the earlier bounds. The fixed test's
    p-value is to be compared with 2Φ(−b). Neither scipy nor statsmodels has it.

    References
    ----------
    .. [1] Armitage, McPherson, Rowe (1969), "Repeated significance tests on accumulating data", JRSS A 132,
       235–244.

    Examples
    --------
    >>> [round(b, 3) for b in group_bounds([0.2, 0.4, 0.6, 0.8, 1.0], spending="pocock")]
    [2.438, 2.427, 2.41, 2.397, 2.386]
    """
    significance(alpha)
    _check(fractions, spending)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    points, mass, before, used = np.zeros(1), np.ones(1), 0.0, 0.0
    bounds: list[float] = []
    for fraction in fractions:
        step, budget = math.sqrt(fraction - before), spent(fraction, alpha=alpha, spending=spending)
        bound = _bound(points, mass, step=step, leave=budget - used)
        # A bound that early looks hardly ever reach is far outside of where the walk is, and so would be the nodes.
        width = min(bound, _REACH * math.sqrt(fraction))
        inside = nodes * width
        density = (norm.pdf((inside[:, None] - points) / step) / step) @ mass
        points, mass, before, used = inside, density * weights * width, fraction, budget
        bounds.append(bound / math.sqrt(fraction))
    return tuple(bounds)


def _bound(points: NDArray[np.float64], mass: NDArray[np.float64], *, step: float, leave: float) -> float:
    """Where a walk that stands at `points` with `mass` leaves in its next step with probability `leave`."""

    def too_many(bound: float) -> float:
        beyond = norm.sf((bound - points) / step) + norm.sf((bound + points) / step)
        return float(mass @ beyond) - leave

    return float(brentq(too_many, 0.0, 40.0, xtol=1e-13))


def _check(fractions: Sequence[float], spending: Spending) -> None:
    known = spending in ("obrien-fleming", "pocock") or (isinstance(spending, int | float) and spending > 0)
    if not known:
        raise InputError(
            f"spending is {spending!r}, must be a power > 0, 'obrien-fleming' or 'pocock'.", field="spending"
        )
    for before, fraction in zip([0.0, *fractions], fractions, strict=False):
        if not (before < fraction <= 1 and fraction - before >= _LEAST_STEP * (1 - 1e-9) * fraction):
            raise InputError(
                f"a look at the fraction {fraction} follows one at {before}, must be later by a thousandth of it, and "
                "at most 1; give the shares of the planned units in rising order, two that are as near as one.",
                field="fractions",
            )
