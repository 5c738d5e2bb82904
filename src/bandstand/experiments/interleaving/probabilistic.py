"""Probabilistic: every position is drawn from a ranking that is drawn first, and credit is shared by probability."""

from collections.abc import Sequence

from bandstand.experiments.interleaving import NEUTRAL, Coin, Credit, Pair, Placed, Ranking

# τ of Hofmann et al. (2011). As an integer the powers are exact, and so the same on every machine.
_DECAY = 3


def merge(rankings: Sequence[Ranking], n: int, *, coin: Coin, before: Sequence[Placed] = ()) -> list[Placed]:
    r"""At each position a ranking is drawn, each alike, and from it an item that is not in the slate yet [1]_, [2]_:

    .. math:: P_j(d) = \frac{r_j(d)^{-\tau}}{\sum_{d' \text{ left}} r_j(d')^{-\tau}}, \qquad
        P(d) = \frac{1}{k} \sum_j P_j(d)

    `chance` is P(d) given the items above: where the rankings themselves are not random, the slate's exact propensity.
    Any order of the items may come, so slates are worse than either ranking's.

    References
    ----------
    .. [1] Hofmann, Whiteson, de Rijke (2011), "A probabilistic method for inferring preferences from clicks", CIKM.
    .. [2] Schuth et al. (2015), "Probabilistic multileave for online retrieval evaluation", SIGIR. There the rankings
       of a round are drawn without replacement; with it, the positions' credits stay unbiased one by one.
    """
    weights = _weights(rankings, before)
    placed: list[Placed] = []
    while len(placed) < n and any(weights):
        alive = [team for team, left in enumerate(weights) if left]
        team = alive[int(coin(2 * len(placed)) * len(alive))]
        item = _drawn(weights[team], coin(2 * len(placed) + 1))
        placed.append(Placed(item, team, sum(_shares(weights, item)) / len(alive)))
        for left in weights:
            left.pop(item, None)
    return placed


def marks(
    rankings: Sequence[Ranking], placed: Sequence[Placed], pair: Pair, *, before: Sequence[Placed] = ()
) -> list[Credit]:
    r"""Credit marginalised over all assignments that could have made the slate: :math:`P_j(d) / \sum_l P_l(d)`.

    Hofmann et al. sum over the 2^n assignments; credit that adds over clicks factorises by position. At every position
    its mean is 1/k for each ranking, as long as all have items left: after that, nobody has any.
    """
    weights = _weights(rankings, before)
    credits: list[Credit] = []
    for item, _, _ in placed:
        shares = _shares(weights, item)
        total = sum(shares)
        fair = total > 0 and all(weights)
        credits.append(Credit(shares[pair[0]] / total, shares[pair[1]] / total) if fair else NEUTRAL)
        for left in weights:
            left.pop(item, None)
    return credits


def _weights(rankings: Sequence[Ranking], before: Sequence[Placed]) -> list[dict[str, float]]:
    """The unnormalised probability of each item that a ranking has left."""
    gone = {placed.item for placed in before}
    return [
        {item: 1.0 / rank**_DECAY for rank, item in enumerate(dict.fromkeys(ranking), start=1) if item not in gone}
        for ranking in rankings
    ]


def _shares(weights: Sequence[dict[str, float]], item: str) -> list[float]:
    """How likely each ranking is to give this item now."""
    return [left[item] / sum(left.values()) if item in left else 0.0 for left in weights]


def _drawn(left: dict[str, float], chance: float) -> str:
    place = chance * sum(left.values())
    for item, weight in left.items():
        place -= weight
        if place < 0:
            return item
    return item  # the last bit may be missing from the sum
