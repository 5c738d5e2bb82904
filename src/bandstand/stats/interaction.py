"""Do two experiments on the same units change each other: a test of the means of all pairs of their variants."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2 as chi_squared

from bandstand.errors import InputError
from bandstand.stats.means import enough_units
from bandstand.stats.moments import Moments


class Interaction(NamedTuple):
    """`contrasts` has a row for each treatment of the first experiment: by how much its effect under each treatment of
    the second is other than under the second's control. `p_value` is of all of them being zero."""

    contrasts: tuple[tuple[float, ...], ...]
    chi2: float
    df: int
    p_value: float


def interaction(cells: Sequence[Sequence[Moments]]) -> Interaction:
    r"""Wald's test of the interaction of two factors, from the moments of each cell.

    .. math:: \chi^2 = (C \bar y)^\top (C D C^\top)^{-1} C \bar y, \qquad
        D = \operatorname{diag}(s_{ij}^2 / n_{ij}), \quad
        (C \bar y)_{ij} = (\bar y_{ij} - \bar y_{0j}) - (\bar y_{i0} - \bar y_{00})

    the least-squares regression on T₁, T₂ and T₁ × T₂ with heteroskedasticity-consistent errors (HC2, which in a model
    of all cells are exactly those of the cells' means [1]_). Ratios and quantiles come as `Moments` too.

    Parameters
    ----------
    cells
        A row for each variant of the first experiment and a column for each of the second, controls first.

    References
    ----------
    .. [1] MacKinnon, White (1985), "Some heteroskedasticity-consistent covariance matrix estimators with improved
       finite sample properties", Journal of Econometrics 29, 305–325.

    Examples
    --------
    >>> even, more = Moments.of([1, 2, 3, 2]), Moments.of([4, 5, 6, 5])
    >>> found = interaction([[even, even], [even, more]])
    >>> found.contrasts, found.df, round(found.p_value, 5)
    (((3.0,),), 1, 0.00024)
    """
    rows, columns = len(cells), len(cells[0])
    for row in cells:
        for one in row:
            enough_units(one.n, arm="a pair of variants")
    mean = np.array([[one.mean for one in row] for row in cells]).ravel()
    noise = np.array([[one.variance / one.n for one in row] for row in cells]).ravel()
    contrast = np.kron(_against_first(rows), _against_first(columns))
    found, spread = contrast @ mean, contrast @ np.diag(noise) @ contrast.T
    if np.linalg.matrix_rank(spread) < len(spread):
        raise InputError(
            "units that do not vary cannot show an interaction; wait for data that vary.", code="no_variation"
        )
    statistic = float(found @ np.linalg.solve(spread, found))
    contrasts = tuple(map(tuple, found.reshape(rows - 1, columns - 1).tolist()))
    return Interaction(contrasts, statistic, len(found), float(chi_squared.sf(statistic, len(found))))


def _against_first(levels: int) -> np.ndarray:
    """A row for each level but the first: it less the first."""
    return np.hstack([-np.ones((levels - 1, 1)), np.eye(levels - 1)])
