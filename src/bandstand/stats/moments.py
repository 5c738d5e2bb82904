"""Mean and spread of one variable or of a pair, as values that add: of days, of shards, or out of SQL."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from bandstand.errors import InputError
from bandstand.native import native
from bandstand.stats.checks import column, same_length

# Cancellation leaves about this share of the squares that were subtracted; a smaller spread is rounding.
_ROUNDING = 1e-12


class Moments(Struct, frozen=True):
    r"""Count, mean and centred second moment of one value per unit.

    Two parts merge by [1]_, which forms no sum of squares and so keeps its digits when the mean is large:

    .. math:: M_2 = M_2^a + M_2^b + \delta^2 \frac{n_a n_b}{n}, \qquad \delta = \bar y_b - \bar y_a

    References
    ----------
    .. [1] Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance", The American
       Statistician 37(3), 242–247: the pairwise algorithm.

    Examples
    --------
    >>> part = Moments.of([1.0, 2.0]) + Moments.of([6.0])
    >>> part
    Moments(n=3, mean=3.0, m2=14.0)
    >>> part.variance
    7.0
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike) -> "Moments":
        """Moments of one finite value per unit."""
        array = column(values, name="value")
        if not array.size:
            return cls()
        if native is not None:
            out = np.empty(2)
            native.crossed(out, np.ascontiguousarray(array))
            return cls(array.size, *out.tolist())
        # Taken from the first value, so that equal values have a spread of exactly zero.
        shifted = array - array[0]
        centre = shifted.mean()
        return cls(array.size, float(array[0] + centre), float(np.square(shifted - centre).sum()))

    def __add__(self, other: "Moments") -> "Moments":
        n = self.n + other.n
        if not n:
            return self
        delta = other.mean - self.mean
        return Moments(
            n=n,
            mean=self.mean + delta * other.n / n,
            m2=self.m2 + other.m2 + delta * delta * self.n * other.n / n,
        )

    @property
    def variance(self) -> float:
        """Sample variance, with n − 1; `InputError` below two units."""
        if self.n < 2:
            raise InputError(
                f"variance of {self.n} unit(s) is not defined, needs at least 2; wait for more data.",
                code="too_few",
            )
        return self.m2 / (self.n - 1)

    @property
    def std_error(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.variance / self.n)


class PairMoments(Struct, frozen=True):
    """Moments of two values per unit, for ratios such as clicks over impressions, with the user as the unit.

    `cross` is Σ(num − mean num)(den − mean den). Parts add as `Moments` do.

    Examples
    --------
    >>> clicks, impressions = [1, 0, 3], [10, 5, 15]
    >>> pair = PairMoments.of(clicks, impressions)
    >>> pair == PairMoments.of(clicks[:1], impressions[:1]) + PairMoments.of(clicks[1:], impressions[1:])
    True
    >>> round(pair.ratio().mean, 4)
    0.1333
    """

    num: Moments = Moments()
    den: Moments = Moments()
    cross: float = 0.0

    @classmethod
    def of(cls, num: ArrayLike, den: ArrayLike) -> "PairMoments":
        """Moments of a finite numerator and denominator per unit."""
        above, below = column(num, name="num"), column(den, name="den")
        same_length(num=above, den=below)
        if native is not None and above.size:
            out = np.empty(6)
            native.crossed(out, np.ascontiguousarray(above), np.ascontiguousarray(below))
            mean, mean_below, m2, cross, _, m2_below = out.tolist()
            return cls(Moments(above.size, mean, m2), Moments(above.size, mean_below, m2_below), cross)
        over, under = Moments.of(above), Moments.of(below)
        return cls(over, under, float(np.dot(above - over.mean, below - under.mean)))

    def __add__(self, other: "PairMoments") -> "PairMoments":
        n = self.num.n + other.num.n
        if not n:
            return self
        shift = (other.num.mean - self.num.mean) * (other.den.mean - self.den.mean)
        return PairMoments(
            num=self.num + other.num,
            den=self.den + other.den,
            cross=self.cross + other.cross + shift * self.num.n * other.num.n / n,
        )

    def ratio(self) -> Moments:
        r"""Moments of the linearised ratio: mean R = Σnum/Σden, standard error that of the delta method.

        .. math:: s^2 = \frac{s_m^2 - 2 R s_{md} + R^2 s_d^2}{\bar d^2}

        which is the sample variance of :math:`(m_i - R d_i) / \bar d` [1]_. Rows within a unit may depend on
        each other in any way.

        References
        ----------
        .. [1] Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD, section 3:
           analysis unit and randomisation unit differ.
        """
        if self.den.mean == 0:
            raise InputError(
                f"the denominator of {self.den.n} unit(s) is 0, which has no ratio; wait for more data.",
                field="den",
                code="too_few",
            )
        ratio = self.num.mean / self.den.mean
        squares = self.num.m2 + ratio * ratio * self.den.m2
        m2, mean_squared = squares - 2 * ratio * self.cross, self.den.mean * self.den.mean
        if not (math.isfinite(squares) and math.isfinite(mean_squared)):
            raise InputError("num and den: values are too large to be squared; look at the rewards", field="den")
        return Moments(self.num.n, ratio, 0.0 if m2 <= _ROUNDING * squares else m2 / mean_squared)
