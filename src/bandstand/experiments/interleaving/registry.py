"""Every method of interleaving there is. An experiment names one as `interleave`."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bandstand.experiments.definition import Interleave
from bandstand.experiments.interleaving import (
    Coin,
    Method,
    Placed,
    Ranking,
    balanced,
    optimised,
    probabilistic,
    team_draft,
)

METHODS: Final[Mapping[Interleave, Method]] = {
    "team_draft": Method(team_draft.merge, team_draft.marks, sides=team_draft.sides),
    "balanced": Method(balanced.merge, balanced.marks, balanced.earned, balanced.sides),
    "probabilistic": Method(probabilistic.merge, probabilistic.marks),
    "optimised": Method(optimised.merge, optimised.marks),
}


class Mixed(NamedTuple):
    """A slate, and the method that made it."""

    method: Interleave
    placed: list[Placed]


def mixed(
    method: Interleave, rankings: Sequence[Ranking], n: int, *, coin: Coin, before: Sequence[Placed] = ()
) -> Mixed:
    """The rankings as one slate; by team draft where the method has no fair one."""
    placed = METHODS[method].merge(rankings, n, coin=coin, before=before)
    if placed is None:
        method = "team_draft"
        placed = team_draft.merge(rankings, n, coin=coin, before=before)
    return Mixed(method, placed)
