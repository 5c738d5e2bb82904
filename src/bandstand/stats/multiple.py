"""Many comparisons at once: p-values corrected for their number, and discoveries among e-values."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from bandstand.stats.checks import column, refuse_where, significance

Adjustment = Literal[
    "bonferroni", "sidak", "holm", "holm-sidak", "simes-hochberg", "hommel", "fdr_bh", "fdr_by", "fdr_tsbh"
]


def adjusted(p_values: Sequence[float], *, method: Adjustment = "holm", alpha: float = 0.05) -> tuple[float, ...]:
    """P-values corrected for their number, in the order given, to be compared with `alpha`.

    Only those of `fdr_tsbh` depend on it: it first counts at this level how many are null.

    `holm` and `fdr_by` hold under any dependence; `simes-hochberg` and `fdr_bh` where metrics do not pull against
    each other. Corrected intervals exist for none of them, so show plain ones beside corrected p-values.

    References
    ----------
    .. [1] Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
       Statistics 6, 65–70.
    .. [2] Hochberg (1988), "A sharper Bonferroni procedure for multiple tests of significance", Biometrika 75.
    .. [3] Benjamini, Hochberg (1995), "Controlling the false discovery rate", JRSS B 57, 289–300.
    .. [4] Benjamini, Yekutieli (2001), "The control of the false discovery rate in multiple testing under
       dependency", Annals of Statistics 29, 1165–1188.

    Examples
    --------
    >>> adjusted([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    from statsmodels.stats.multitest import multipletests  # takes two seconds to import, and few callers need it

    significance(alpha)
    values = column(p_values, name="p_value")
    refuse_where((values < 0) | (values > 1), values, name="p_value", rule="must lie between 0 and 1")
    return tuple(multipletests(values, alpha=alpha, method=method)[1].tolist()) if values.size else ()


def discoveries(e_values: Sequence[float], *, alpha: float = 0.05) -> tuple[bool, ...]:
    r"""e-BH: which nulls to reject, at a false discovery rate of α under any dependence, at any look.

    The k largest are rejected, for the largest k with :math:`e_{(k)} \ge m / (k \alpha)` [1]_. The e-value of a
    sequence is exp of `mixture.log_mixture`.

    References
    ----------
    .. [1] Wang, Ramdas (2022), "False discovery rate control with e-values", JRSS B 84, 822–852.

    Examples
    --------
    >>> discoveries([100.0, 1.0, 35.0])
    (True, False, True)
    """
    significance(alpha)
    values = column(e_values, name="e_value")
    refuse_where(values < 0, values, name="e_value", rule="must be >= 0")
    ordered = np.sort(values)[::-1]
    enough = np.flatnonzero(ordered * np.arange(1, values.size + 1) * alpha >= values.size)
    if not enough.size:
        return (False,) * values.size
    return tuple((values >= ordered[enough[-1]]).tolist())
