"""Team draft is fair to both rankings, whatever people click, and tells them apart where one is better."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.experiments.interleaving import Team, credit, credited, team_draft

Ranking = list[str]
Drafted = list[tuple[str, Team]]
# Small enough to try every coin, with enough overlap for agreement in some rounds.
rankings = st.lists(st.sampled_from("123456"), unique=True, max_size=6)
lengths = st.integers(0, 7)


def drafts(a: Ranking, b: Ranking, n: int) -> Iterator[Drafted]:
    """The slate of every sequence of coins, each as likely as the others."""
    for tosses in product((0.0, 0.5), repeat=max(1, len({*a, *b}))):
        yield team_draft(a, b, n, coin=tosses.__getitem__)


def bias_by_position(a: Ranking, b: Ranking, n: int, *, paired: bool) -> list[int]:
    """Over all coins, how much more often a position counts for b than for a."""
    bias = [0] * n
    for drafted in drafts(a, b, n):
        for position, team in enumerate(credited(drafted, a, b, paired=paired)):
            if team is not None:
                bias[position] += 1 if team == 1 else -1
    return bias


def mean_credit(a: Ranking, b: Ranking, n: int, clicked: str) -> float:
    """b's credit less a's, over all coins, where only the item `clicked` is wanted."""
    found = []
    for drafted in drafts(a, b, n):
        clicks = [(index, 1.0) for index, (item, _) in enumerate(drafted) if item == clicked]
        won = credit(credited(drafted, a, b), clicks)
        found.append(won.b - won.a)
    return sum(found) / len(found)


@pytest.mark.parametrize("paired", [True, False], ids=["paired", "classic"])
@given(a=rankings, b=rankings, n=lengths)
def test_clicks_by_position_alone_favour_neither(a: Ranking, b: Ranking, n: int, paired: bool) -> None:
    # Random clicks are a mixture of clicks at fixed positions, so each position must be fair on its own.
    assert bias_by_position(a, b, n, paired=paired) == [0] * n


@given(a=rankings, b=rankings, n=lengths)
def test_every_prefix_is_the_top_of_both_rankings(a: Ranking, b: Ranking, n: int) -> None:
    tops = {frozenset(a[:i] + b[:j]) for i in range(len(a) + 1) for j in range(len(b) + 1)}
    for drafted in drafts(a, b, n):
        items = [item for item, _ in drafted]
        assert all(frozenset(items[:end]) in tops for end in range(len(items) + 1))


@given(a=rankings, b=rankings, n=lengths)
def test_a_slate_is_full_has_no_repeats_and_each_pick_comes_from_its_team(a: Ranking, b: Ranking, n: int) -> None:
    for drafted in drafts(a, b, n):
        assert len(drafted) == len({item for item, _ in drafted}) == min(n, len({*a, *b}))
        assert all(item in (a, b)[team] for item, team in drafted)


@given(a=rankings, b=rankings, n=lengths)
def test_teams_take_turns_while_both_have_items(a: Ranking, b: Ranking, n: int) -> None:
    for drafted in drafts(a, b, n):
        teams = [team for team in credited(drafted, a, b, paired=False) if team is not None]
        pairs = [set(teams[k : k + 2]) for k in range(0, len(teams) - 1, 2)]
        assert all(pair == {0, 1} for pair in pairs)


@pytest.mark.parametrize("paired", [True, False], ids=["paired", "classic"])
def test_shifted_rankings_are_not_favoured(paired: bool) -> None:
    # Balanced interleaving prefers a by a mean of 0.5 here under random clicks (Radlinski et al. 2008, section 3).
    assert bias_by_position(list("1234"), list("2341"), 4, paired=paired) == [0, 0, 0, 0]


@given(a=rankings, n=lengths)
def test_equal_rankings_count_for_nobody(a: Ranking, n: int) -> None:
    for drafted in drafts(a, a, n):
        assert [item for item, _ in drafted] == a[:n]
        assert set(credited(drafted, a, a)) <= {None}


@given(a=rankings, b=rankings, n=lengths)
def test_swapping_the_rankings_swaps_the_credit(a: Ranking, b: Ranking, n: int) -> None:
    swap: dict[Team | None, Team | None] = {0: 1, 1: 0, None: None}
    # Reversed, the sequences of coins are their opposites.
    for here, there in zip(drafts(a, b, n), reversed(list(drafts(b, a, n))), strict=True):
        assert [item for item, _ in here] == [item for item, _ in there]
        assert [swap[team] for team in credited(here, a, b)] == credited(there, b, a)


def test_the_ranking_that_puts_the_wanted_item_higher_wins() -> None:
    # On a slate of 2, b's first item is always there and a's last one never: every click is b's.
    assert mean_credit(list("1234"), list("4123"), 2, "4") == 1.0


def test_agreement_in_a_round_is_neutral_only_for_paired_credit() -> None:
    a, b = list("123"), list("145")
    drafted = team_draft(a, b, 4, coin=[0.0, 0.0].__getitem__)
    assert drafted == [("1", 0), ("4", 1), ("2", 0), ("5", 1)]
    assert credited(drafted, a, b, paired=False) == [0, 1, 0, 1]
    assert credited(drafted, a, b) == [None, 1, 0, 1]


def test_what_both_would_contribute_later_in_a_round_is_judged_from_its_start() -> None:
    # After a drafts 1, item 2 is on top of both. Had b gone first it would have drafted 2, and a 1: a true pair.
    a, b = list("123"), list("231")
    drafted = team_draft(a, b, 2, coin=[0.0].__getitem__)
    assert drafted == [("1", 0), ("2", 1)]
    assert credited(drafted, a, b) == [0, 1]


def test_a_longer_ranking_fills_the_slate_and_earns_nothing_for_it() -> None:
    a, b = list("1"), list("23456")
    drafted = team_draft(a, b, 5, coin=lambda round_: 0.9)
    assert drafted == [("2", 1), ("1", 0), ("3", 1), ("4", 1), ("5", 1)]
    assert credited(drafted, a, b) == [1, 0, None, None, None]


def test_against_an_empty_ranking_there_is_a_slate_and_no_contest() -> None:
    drafted = team_draft([], list("12"), 5, coin=lambda round_: 0.0)
    assert drafted == [("1", 1), ("2", 1)]
    assert credited(drafted, [], list("12")) == [None, None]
    assert team_draft([], [], 5, coin=lambda round_: 0.0) == []


def test_credit_sums_the_rewards_of_each_side_and_drops_the_rest() -> None:
    assert credit([0, None, 1, 1], [(0, 1.0), (0, 0.5), (1, 9.0), (3, 2.0)]) == (1.5, 2.0)
