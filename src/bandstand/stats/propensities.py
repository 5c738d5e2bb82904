"""Were items really drawn with the probabilities that were logged? If not, no off-policy figure can be trusted."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2 as chi_squared

from bandstand.errors import InputError
from bandstand.stats.checks import refuse_where

_ROUNDING = 1e-9  # probabilities that were summed, and eigenvalues of their covariance, are off by rounding


class PropensityFit(NamedTuple):
    """X² of what was chosen against what was logged, with its degrees of freedom and p-value."""

    chi2: float
    df: int
    p_value: float


def propensity_fit(propensities: ArrayLike, chosen: ArrayLike) -> PropensityFit:
    r"""The sample ratio test of a bandit, whose intended shares change from decision to decision.

    .. math:: D = \sum_t (e_{a_t} - p_t), \qquad V = \sum_t (\mathrm{diag}\, p_t - p_t p_t^\top), \qquad
        X^2 = D^\top V^- D \sim \chi^2_{\mathrm{rank}\, V}

    by the martingale central limit theorem [1]_, for p may depend on all that happened before. With constant
    p this is Pearson's test. Of slates take one position, with probabilities given those above it.

    Parameters
    ----------
    propensities
        Shape (decisions, arms): probabilities that sum to one in each row; 0 where an arm was not to be had.
    chosen
        Index of the arm that was shown, one a decision.

    Raises
    ------
    InputError
        Where a row is no distribution, an arm of probability 0 was chosen, or nothing was left to chance.

    References
    ----------
    .. [1] Hall, Heyde (1980), "Martingale limit theory and its application", corollary 3.1.

    Examples
    --------
    >>> fair = propensity_fit([[0.5, 0.5]] * 100, [0] * 60 + [1] * 40)
    >>> round(fair.chi2, 9), fair.df, round(fair.p_value, 4)
    (4.0, 1, 0.0455)
    """
    p, arm = np.asarray(propensities, dtype=np.float64), np.asarray(chosen)
    _check(p, arm)
    surprise = np.bincount(arm, minlength=p.shape[1]) - p.sum(axis=0)
    values, vectors = np.linalg.eigh(np.diag(p.sum(axis=0)) - p.T @ p)
    free = values > _ROUNDING * max(values[-1], 1.0)
    if not free.any():
        raise InputError(
            f"all {len(p)} decisions were certain, so there is no chance to check; give decisions that explore.",
            field="propensities",
            code="no_variation",
        )
    chi2 = float(((surprise @ vectors[:, free]) ** 2 / values[free]).sum())
    df = int(free.sum())
    return PropensityFit(chi2, df, float(chi_squared.sf(chi2, df)))


def _check(p: np.ndarray, arm: np.ndarray) -> None:
    if p.ndim != 2 or arm.shape != p.shape[:1] or not p.size:
        raise InputError(
            f"shapes are {p.shape} and {arm.shape}, must be (decisions, arms) and (decisions,); "
            "give a row of probabilities and one choice a decision.",
            field="propensities",
        )
    refuse_where(~((p >= 0) & (p <= 1 + _ROUNDING)), p, name="propensity", rule="must lie between 0 and 1")
    total = p.sum(axis=1)
    refuse_where(np.abs(total - 1) > 1e-6, total, name="sum of propensities", rule="must be 1")
    if not np.issubdtype(arm.dtype, np.integer) or arm.min() < 0 or arm.max() >= p.shape[1]:
        raise InputError(f"chosen must be indices from 0 to {p.shape[1] - 1}; give the arm's column.", field="chosen")
    shown = p[np.arange(len(arm)), arm]
    refuse_where(shown == 0, shown, name="propensity of the choice", rule="must be > 0", remedy="find who chose it")
