"""Which of two interleaved rankings is preferred, by the coins of the impressions alone, and at every look."""

import math

import numpy as np
from numpy.typing import ArrayLike

from bandstand.stats.checks import refuse_where
from bandstand.stats.interleaving import decided_rows
from bandstand.stats.mixture import best_rho

_NODES = np.linspace(-4.0, 4.0, 81)
"""Standard deviations of the prior: any weights over any tilts are valid, and these come near the normal mixture."""


def coin_sequence(chances: ArrayLike, results: ArrayLike, *, horizon: float) -> float:
    r"""`interleaving.randomisation` for looks at any time: a p-value from the coins alone that holds at all looks.

    .. math:: M = \sum_\lambda w_\lambda \prod_i
        \frac{e^{\lambda y_i}}{p_{i0} + p_{i+} e^{\lambda} + p_{i-} e^{-\lambda}}, \qquad p = \min(1, 1/M)

    where impression i came out as :math:`y_i \in \{-1, 0, 1\}`. Each factor has mean 1 over the coins of its
    impression, so M is a martingale and exceeds 1/α at any time with probability at most α (Ville) [1]_. Nothing is
    assumed of users, and nothing holds only for many.

    Parameters
    ----------
    chances
        One row an impression, as for `randomisation`.
    results
        -1 where A won, 1 where B did, else 0.
    horizon
        The number of impressions at which you expect to decide. It must stay the same throughout.

    References
    ----------
    .. [1] Ramdas, Grünwald, Vovk, Shafer (2023), "Game-theoretic statistics and safe anytime-valid inference",
       Statistical Science 38(4), 576–601.

    Examples
    --------
    >>> fair = [[0.5, 0.0, 0.5]] * 40
    >>> round(coin_sequence(fair, [1] * 30 + [-1] * 10, horizon=40), 3)
    0.028
    >>> round(coin_sequence(fair, [1] * 20 + [-1] * 20, horizon=40), 3)
    1.0
    """
    rows = decided_rows(chances)
    fallen = np.asarray(results, np.float64)
    refuse_where(~np.isin(fallen, (-1, 0, 1)), fallen, name="result", rule="must be -1, 0 or 1")
    tilts = _NODES / math.sqrt(best_rho(horizon))
    different, counts = np.unique(rows, axis=0, return_counts=True)
    means = different[:, 1, None] + different[:, 2, None] * np.exp(tilts) + different[:, 0, None] * np.exp(-tilts)
    weights = np.exp(-np.square(_NODES) / 2)
    evidence = tilts * fallen.sum() - counts @ np.log(means) + np.log(weights / weights.sum())
    return float(np.exp(-max(0.0, float(np.logaddexp.reduce(evidence)))))
