"""Team draft: one slate from two rankings, so that the same person's behaviour says which of them is better."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

Team = Literal[0, 1]
"""The ranking that drafted a pick: 0 for `a`, 1 for `b`."""

_Left = dict[str, None]  # what a ranking has not had drafted yet, in its order


class Credit(NamedTuple):
    a: float
    b: float


def team_draft(a: Sequence[str], b: Sequence[str], n: int, *, coin: Callable[[int], float]) -> list[tuple[str, Team]]:
    """Up to `n` items of the two rankings, each with the team that drafted it.

    In each round a coin says which team goes first; each then adds its highest item that is not in the slate yet [1]_.
    `coin(round)` is uniform in [0, 1), and `a` goes first below one half. It must be fresh for each impression: a coin
    that belonged to a user would give the better position to one ranking for good. Every prefix of the slate is the top
    i of one ranking and the top j of the other. Where one ranking runs out, the other fills the slate.

    References
    ----------
    .. [1] Radlinski, Kurup, Joachims (2008), "How does clickthrough data reflect retrieval quality?", CIKM, section 4.
    """
    left: tuple[_Left, _Left] = (dict.fromkeys(a), dict.fromkeys(b))
    drafted: list[tuple[str, Team]] = []
    turns: tuple[Team, ...]
    rounds = 0
    while len(drafted) < n and any(left):
        turns = (0, 1) if coin(rounds) < 0.5 else (1, 0)
        for team in turns:
            if left[team] and len(drafted) < n:
                item = next(iter(left[team]))
                drafted.append((item, team))
                _remove(item, left)
        rounds += 1
    return drafted


def credited(
    drafted: Sequence[tuple[str, Team]], a: Sequence[str], b: Sequence[str], *, paired: bool = True
) -> list[Team | None]:
    """For each pick of the slate drafted from `a` and `b`, the team that its rewards speak for, or None.

    A pick that the opposite coin would not have mirrored has none: it is there because the other ranking ran out, and
    would credit the longer one for its length. `paired` credit leaves out as well what both would have contributed in
    the same round, where only the coin said whose it became.

    Both are judged from what was left when the round began. Judged at each pick the answer would depend on the coin,
    and leaving picks out would favour one side.
    """
    left: tuple[_Left, _Left] = (dict.fromkeys(a), dict.fromkeys(b))
    teams: list[Team | None] = []
    agreed = one_sided = False
    for index, (item, team) in enumerate(drafted):
        opens_round = index % 2 == 0
        if opens_round or agreed:
            one_sided = one_sided or not all(left)
            agreed = _top(left[0]) == _top(left[1])
        teams.append(None if one_sided or (paired and agreed) else team)
        _remove(item, left)
    return teams


def credit(teams: Sequence[Team | None], rewards: Iterable[tuple[int, float]]) -> Credit:
    """What each side earned on one slate, from the team of each pick and the (index, value) of each reward."""
    earned = [0.0, 0.0]
    for index, value in rewards:
        team = teams[index]
        if team is not None:
            earned[team] += value
    return Credit(*earned)


def _top(left: _Left) -> str | None:
    return next(iter(left), None)


def _remove(item: str, left: tuple[_Left, _Left]) -> None:
    for ranking in left:
        ranking.pop(item, None)
