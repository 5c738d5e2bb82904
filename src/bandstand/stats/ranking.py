"""How good ranked lists are: what they find, and what they are like; for all lists at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from bandstand.errors import InputError

Floats = NDArray[np.float64]

NONE = -1  # fills up a list that is shorter than the others


class Judged(NamedTuple):
    """n ranked lists beside what was relevant: `hits` (bool[n, depth]) says which places hold a relevant item,
    `relevant` (int64[n], at least 1) how many there were to find, `lengths` (int64[n]) how many places are filled."""

    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, ranked: ArrayLike, relevant: ArrayLike) -> "Judged":
        """`ranked` (n × depth, best first) and `relevant` (n × m) hold item numbers, filled up with NONE; no list
        holds an item twice.

        Examples
        --------
        >>> Judged.of([[7, 3, 5], [2, NONE, NONE]], [[5, 7], [4, NONE]]).hits.astype(int).tolist()
        [[1, 0, 1], [0, 0, 0]]
        """
        lists, wanted = np.asarray(ranked, np.int64), np.asarray(relevant, np.int64)
        if lists.ndim != 2 or wanted.ndim != 2 or len(lists) != len(wanted):
            raise InputError(
                f"ranked is {lists.shape} and relevant {wanted.shape}, must both be tables with a row a list; "
                f"fill short rows up with {NONE}.",
                field="ranked",
            )
        counts = (wanted != NONE).sum(axis=1)
        if not counts.all():
            raise InputError(
                f"row {int(np.argmin(counts))} of relevant is empty, must name an item; leave such lists out.",
                field="relevant",
            )
        span = max(lists.max(initial=0), wanted.max(initial=0)) + 1
        own = np.arange(len(lists), dtype=np.int64)[:, None] * span
        hits = np.isin(own + lists, (own + wanted)[wanted != NONE]) & (lists != NONE)
        return cls(hits, counts, (lists != NONE).sum(axis=1))


def precision(judged: Judged, k: int) -> Floats:
    """Hits among the first k, over k: also where a list is shorter, for what it lacks was not found."""
    found: Floats = _top(judged, k).sum(axis=1) / k
    return found


def recall(judged: Judged, k: int) -> Floats:
    """Hits among the first k, over all that was relevant."""
    found: Floats = _top(judged, k).sum(axis=1) / judged.relevant
    return found


def hit_rate(judged: Judged, k: int) -> Floats:
    """1 where the first k hold anything relevant."""
    found: Floats = (_top(judged, k).sum(axis=1) > 0).astype(np.float64)
    return found


def reciprocal_rank(judged: Judged, k: int) -> Floats:
    """1 / (rank of the first hit), ranks from 1, and 0 where the first k hold none; its mean is MRR (Voorhees 1999)."""
    hits = _top(judged, k)
    ranks: Floats = 1.0 + hits.argmax(axis=1)
    return hits.any(axis=1) / ranks


def average_precision(judged: Judged, k: int) -> Floats:
    r"""AP@k, whose mean is MAP.

    .. math:: AP@k = \frac{1}{|R|} \sum_{i=1}^{k} P@i \, [i \in R]

    with all |R| relevant items below the line, found or not (Manning, Raghavan and Schütze 2008, equation 8.8): what
    gorse does too. RecBole divides by min(k, |R|), which gives more where |R| > k.
    """
    hits = _top(judged, k)
    at = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    found: Floats = (at * hits).sum(axis=1) / judged.relevant
    return found


def ndcg(judged: Judged, k: int) -> Floats:
    r"""Normalised discounted cumulative gain, relevance being 0 or 1.

    .. math:: NDCG@k = \frac{\sum_{i=1}^{k} [i \in R] / \log_2(1 + i)}{\sum_{i=1}^{\min(k, |R|)} 1 / \log_2(1 + i)}

    (Järvelin and Kekäläinen 2002, with the discount of Burges et al. 2005). The best list possible has min(k, |R|)
    hits, so that it scores 1.
    """
    hits = _top(judged, k)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(judged.relevant, k) - 1]
    gained: Floats = (hits * discounts[: hits.shape[1]]).sum(axis=1) / ideal
    return gained


def auc(judged: Judged, candidates: ArrayLike) -> Floats:
    r"""The probability that a relevant item stands above an irrelevant one, of all `candidates` (int64[n]).

    .. math:: AUC = \frac{1}{|R| \, |I|} \sum_{r \in R} \sum_{i \in I} [r > i] + \tfrac{1}{2} [r = i]

    (Hanley and McNeil 1982). Candidates that the list does not hold come after it and are tied. NaN where nothing is
    irrelevant.
    """
    total = np.asarray(candidates, np.int64)
    hits = judged.hits
    found = hits.sum(axis=1)
    irrelevant = total - judged.relevant
    above = ((np.arange(hits.shape[1]) - (hits.cumsum(axis=1) - hits)) * hits).sum(axis=1)
    listed = judged.lengths - found
    missed = judged.relevant - found
    lost = above + missed * (listed + (irrelevant - listed) / 2)
    pairs = judged.relevant * irrelevant
    return 1.0 - _ratio(lost, pairs)


def shares(shown: ArrayLike, items: int) -> NDArray[np.int64]:
    """How often each of `items` items is shown in the lists `shown` (n × k, filled up with NONE)."""
    rows = np.asarray(shown, np.int64)
    return np.bincount(rows[rows != NONE], minlength=items)


def coverage(counts: ArrayLike) -> float:
    """The part of the catalogue that is shown to anybody; `counts` as from `shares`."""
    each = np.asarray(counts)
    return float(np.count_nonzero(each) / len(each)) if len(each) else float("nan")


def gini(counts: ArrayLike) -> float:
    r"""How unevenly the lists are shared out among the n items of the catalogue: 0 all alike, near 1 all to one.

    .. math:: G = \frac{1}{n - 1} \sum_{j=1}^{n} (2j - n - 1) \, p_{(j)}

    with the shares p rising (Shani and Gunawardana 2011). NaN below two items or where nothing is shown.
    """
    rising = np.sort(np.asarray(counts, np.float64))
    n, total = len(rising), rising.sum()
    if n < 2 or not total:
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) @ rising) / total / (n - 1))


def novelty(shown: ArrayLike, touches: ArrayLike) -> Floats:
    r"""How surprising each list's items are: the mean of :math:`-\log_2 p(i)`; NaN for an empty list.

    .. math:: p(i) = \frac{touches(i) + 1}{\sum_j (touches(j) + 1)}

    (Vargas and Castells 2011, section 3: the self-information of meeting i, with one touch added so that an item which
    nobody knew is finite).
    """
    known = np.asarray(touches, np.float64) + 1
    return _mean(shown, -np.log2(known / known.sum()))


def popularity(shown: ArrayLike, touches: ArrayLike) -> Floats:
    """How often each list's items had been touched, on average: its mean over lists is ARP (Yin et al. 2012)."""
    return _mean(shown, np.asarray(touches, np.float64))


def diversity(shown: ArrayLike, vectors: csr_array) -> Floats:
    r"""How different each list's items are from one another: the mean of 1 - cosine over pairs.

    .. math:: ILD = 1 - \frac{2}{m (m - 1)} \sum_{i < j} \cos(i, j)

    (Ziegler et al. 2005; Vargas and Castells 2011). `vectors` holds a row an item, of length 1, or 0 where nothing is
    known of it; such items are left out. NaN where fewer than two remain.
    """
    rows = np.asarray(shown, np.int64)
    place, _ = np.nonzero(rows != NONE)
    held = csr_array((np.ones(len(place)), (place, rows[rows != NONE])), shape=(len(rows), vectors.shape[0]))
    norms = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    sums = held @ vectors
    m = held @ (norms > 0).astype(np.float64)
    likeness = np.asarray(sums.multiply(sums).sum(axis=1)).ravel() - held @ norms
    pairs = m * (m - 1)
    return 1.0 - _ratio(likeness, pairs)


def _top(judged: Judged, k: int) -> NDArray[np.bool_]:
    if k < 1:
        raise InputError(f"k is {k}, must be >= 1; 10 is usual.", field="k")
    return judged.hits[:, :k]


def _mean(shown: ArrayLike, values: Floats) -> Floats:
    """The mean value of each list's items."""
    rows = np.asarray(shown, np.int64)
    held = rows != NONE
    return _ratio(np.where(held, values[rows], 0.0).sum(axis=1), held.sum(axis=1))


def _ratio(above: Floats, below: ArrayLike) -> Floats:
    """NaN where there is nothing to divide by."""
    parts = np.asarray(below, np.float64)
    ratio: Floats = np.full(len(parts), np.nan)
    np.divide(above, parts, out=ratio, where=parts > 0)
    return ratio
