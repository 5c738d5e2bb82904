"""Means and spread of an outcome and its covariates, unit by unit, as one value that adds."""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.native import native
from bandstand.stats.checks import column, same_length
from bandstand.stats.moments import Moments

# As in `moments`: cancellation leaves about this share of what was subtracted; a smaller spread is rounding.
_ROUNDING = 1e-12
_MOST_COMPILED = 8  # columns
_PRODUCTS = 1 << 18  # of two numbers, at a time


class CrossMoments(Struct, frozen=True):
    r"""Count, means and centred cross-products of k values per unit: the outcome first, then its covariates.

    Plain numbers throughout, so that it can come out of SQL. Parts add by the matrix form of [1]_:

    .. math:: M = M^a + M^b + \delta \delta^\top \frac{n_a n_b}{n}, \qquad \delta = \bar y_b - \bar y_a

    References
    ----------
    .. [1] Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance", The American
       Statistician 37(3), 242–247.

    Examples
    --------
    >>> spent, before = [3.0, 5.0, 4.0], [1.0, 3.0, 2.0]
    >>> whole = CrossMoments.of(spent, before)
    >>> whole == CrossMoments.of(spent[:1], before[:1]) + CrossMoments.of(spent[1:], before[1:])
    True
    >>> whole.combination([1.0, -1.0])
    Moments(n=3, mean=2.0, m2=0.0)
    """

    n: int = 0
    means: tuple[float, ...] = ()
    products: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, *columns: ArrayLike) -> "CrossMoments":
        """Moments of one finite value per unit in each column; all columns have the same length."""
        named = {f"column {i}": column(values, name=f"column {i}") for i, values in enumerate(columns)}
        if not named:
            raise InputError("no columns given, needs at least the outcome; add one column a value.")
        same_length(**named)
        given = list(named.values())
        if native is not None and given[0].size and len(given) <= _MOST_COMPILED:
            out = np.empty((len(given) + 1, len(given)))
            native.crossed(out, *(np.ascontiguousarray(each) for each in given))
            return _cross(given[0].size, out[0], out[1:])
        # So few rows at a time that their products stay in the caches, and BLAS does not start its threads.
        step = max(_PRODUCTS // len(given) ** 2, 64)
        n, means, products = 0, np.zeros(len(given)), np.zeros((len(given), len(given)))
        for start in range(0, given[0].size, step):
            rows = np.stack([each[start : start + step] for each in given])
            first = rows[:, :1].copy()
            rows -= first  # so that equal values have a spread of exactly zero
            centre = rows.mean(axis=1, keepdims=True)
            rows -= centre
            delta = (first + centre)[:, 0] - means
            more = rows.shape[1]
            products += rows @ rows.T + np.outer(delta, delta) * (n * more / (n + more))
            means += delta * (more / (n + more))
            n += more
        return _cross(n, means, products) if n else cls()

    def __add__(self, other: "CrossMoments") -> "CrossMoments":
        if not (self.n and other.n):
            return self if self.n else other
        if len(self.means) != len(other.means):
            raise InputError(
                f"moments of {len(self.means)} and of {len(other.means)} values per unit do not add; "
                "give both the same columns in the same order."
            )
        n = self.n + other.n
        means, delta = np.array(self.means), np.subtract(other.means, self.means)
        products = np.add(self.products, other.products) + np.outer(delta, delta) * self.n * other.n / n
        return _cross(n, means + delta * other.n / n, products)

    def combination(self, weights: ArrayLike, *, offset: float = 0.0) -> Moments:
        """Moments of `offset` + Σ weight × value per unit, one weight a value."""
        factors = column(weights, name="weight")
        if factors.size != len(self.means):
            raise InputError(
                f"{factors.size} weights for {len(self.means)} values per unit, must be one each; "
                "give 0 to those that do not count.",
                field="weights",
            )
        terms = np.outer(factors, factors) * np.array(self.products)
        m2, size = float(terms.sum()), float(np.abs(terms).sum())
        mean = offset + float(factors @ np.array(self.means))
        return Moments(self.n, mean, 0.0 if m2 <= _ROUNDING * size else m2)

    def linearised(self, *ratios: tuple[int, int]) -> "CrossMoments":
        r"""Each (numerator, denominator) as the linearised ratio R + (m − R d) / d̄ of the delta method [1]_.

        A ratio metric and the same ratio before the experiment become an outcome and its covariate this way.

        References
        ----------
        .. [1] Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD, sections 3 and 4.

        Examples
        --------
        >>> clicks, views = [1.0, 0.0, 3.0], [10.0, 5.0, 15.0]
        >>> round(CrossMoments.of(clicks, views).linearised((0, 1)).means[0], 4)
        0.1333
        """
        matrix = np.zeros((len(ratios), len(self.means)))
        values = np.zeros(len(ratios))
        for row, (above, below) in enumerate(ratios):
            base = self.means[below]
            if base == 0:
                raise InputError(
                    f"the denominator (column {below}) of {self.n} unit(s) is 0, which has no ratio; "
                    "wait for more data, or look at what it counts.",
                    field="den",
                    code="too_few",
                )
            values[row] = self.means[above] / base
            matrix[row, above] += 1 / base
            matrix[row, below] -= values[row] / base
        return _cross(self.n, values, matrix @ np.array(self.products) @ matrix.T)


def _cross(n: int, means: NDArray[np.float64], products: NDArray[np.float64]) -> CrossMoments:
    return CrossMoments(n, tuple(means.tolist()), tuple(tuple(row) for row in products.tolist()))
