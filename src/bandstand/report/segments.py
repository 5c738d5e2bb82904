"""The decision metrics broken down by a field of the context, as it was at each unit's first decision."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from scipy.stats import chi2 as chi_squared

from bandstand.experiments.definition import Experiment
from bandstand.report.compare import differences
from bandstand.report.exposure import Units
from bandstand.report.measure import Measured
from bandstand.report.result import Comparison, Segment
from bandstand.stats.multiple import adjusted

MOST = 12
"""Values of one field that are shown, those with most units."""


def segments(experiment: Experiment, units: Units, now: Sequence[Measured]) -> tuple[Segment, ...]:
    """Look at `p_differs` before at any single one: among many segments some are far from the rest by chance."""
    found: list[Segment] = []
    for field in experiment.analysis.segments:
        found.extend(_of_field(experiment, units, list(now), field))
    return _corrected(found)


def _of_field(experiment: Experiment, units: Units, now: list[Measured], field: str) -> Iterator[Segment]:
    codes, names = units.labels[field], units.names[field]
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    rows = []
    for code in np.argsort(-sizes, kind="stable")[:MOST].tolist():
        if sizes[code]:
            among = codes == code
            for one in differences(experiment, units, now, among=among, only=("decision",)):
                rows.append(Segment(field, names[code], int(sizes[code]), one))
    pairs = {(row.comparison.metric, row.comparison.variant) for row in rows}
    differs = {
        pair: _differs([row.comparison for row in rows if (row.comparison.metric, row.comparison.variant) == pair])
        for pair in sorted(pairs)
    }
    for row in rows:
        yield msgspec.structs.replace(row, p_differs=differs[row.comparison.metric, row.comparison.variant])


def _differs(comparisons: Sequence[Comparison]) -> float | None:
    r"""p-value of Cochran's Q [1]_: do the segments' differences spread more than their standard errors say?

    .. math:: Q = \sum_s w_s (\delta_s - \bar\delta_w)^2 \sim \chi^2_{S-1}, \qquad w_s = SE_s^{-2}

    References
    ----------
    .. [1] Cochran (1954), "The combination of estimates from different experiments", Biometrics 10, 101–129.
    """
    told = [one for one in comparisons if one.std_error]
    if len(told) < 2:
        return None
    delta = np.array([one.difference or 0.0 for one in told])
    weight = np.array([(one.std_error or 1.0) ** -2 for one in told])
    spread = float(weight @ (delta - weight @ delta / weight.sum()) ** 2)
    return float(chi_squared.sf(spread, len(told) - 1))


def _corrected(rows: Sequence[Segment]) -> tuple[Segment, ...]:
    """Benjamini and Hochberg's correction over fields, metrics and variants; one p-value belongs to many rows."""
    p_values = {_key(row): row.p_differs for row in rows if row.p_differs is not None}
    corrected = dict(zip(p_values, adjusted(list(p_values.values()), method="fdr_bh"), strict=True))
    return tuple(msgspec.structs.replace(row, p_differs=corrected.get(_key(row))) for row in rows)


def _key(row: Segment) -> tuple[str, str, str]:
    return row.field, row.comparison.metric, row.comparison.variant
