"""Every method of interleaving makes whole slates that favour nobody, but for the one that is known to."""

from collections import Counter
from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.chance import uniform
from bandstand.experiments.definition import Interleave
from bandstand.experiments.interleaving import (
    Credit,
    Method,
    Placed,
    balanced,
    optimised,
    possible,
    probabilistic,
    summed,
    team_draft,
)
from bandstand.experiments.interleaving.registry import METHODS, mixed

Rankings = list[list[str]]
Likely = Iterator[tuple[list[Placed], float]]
# Small enough to try every coin, with enough overlap for agreement in some rounds.
ranking = st.lists(st.sampled_from("12345"), unique=True, max_size=4)
pairs = st.lists(ranking, min_size=2, max_size=2)
some = st.lists(ranking, min_size=2, max_size=3)
lengths = st.integers(0, 5)
few = settings(max_examples=25, deadline=None)


def rankings_for(name: Interleave) -> st.SearchStrategy[Rankings]:
    return some if name in ("team_draft", "probabilistic") else pairs


def drawn(method: Method, rankings: Rankings, n: int, key: str) -> list[Placed] | None:
    return method.merge(rankings, n, coin=lambda toss: uniform(key, toss))


def likely(name: Interleave, rankings: Rankings, n: int) -> Likely:
    """Every slate, with its probability."""
    match name:
        case "team_draft" | "balanced":
            yield from possible(METHODS[name], rankings, n)
        case "probabilistic":
            yield from by_softmax(rankings, n)
        case "optimised":
            yield from by_plan(rankings, n)


def by_softmax(rankings: Rankings, n: int) -> Likely:
    """Every order of the items, as likely as the paper says: each position from a ranker with items left, each alike,
    by P(d) ∝ 1 / rank³ (Hofmann et al. 2011)."""
    items = sorted({item for ranking in rankings for item in ranking})
    for order in permutations(items, min(n, len(items))):
        chance = 1.0
        for at, item in enumerate(order):
            left = [[d for d in ranking if d not in order[:at]] for ranking in rankings]
            shares = [
                (ranking.index(item) + 1) ** -3 / sum((ranking.index(d) + 1) ** -3 for d in rest)
                if item in rest
                else 0.0
                for ranking, rest in zip(rankings, left, strict=True)
                if rest
            ]
            chance *= sum(shares) / len(shares)
        yield [Placed(item) for item in order], chance


def by_plan(rankings: Rankings, n: int) -> Likely:
    items, a, b = optimised._numbered(rankings, ())
    plan = optimised.plan(a, b, n)

    def on(place: tuple[int, int], placed: list[Placed], chance: float) -> Likely:
        assert plan is not None
        if place not in plan:
            yield placed, chance
        for step in plan.get(place, ()):
            yield from on(step.to, [*placed, Placed(items[step.item], None)], chance * step.chance)

    if plan is not None:
        yield from on((0, 0), [], 1.0)


def bias(name: Interleave, rankings: Rankings, n: int, *, treatment: int = 1) -> list[float]:
    """By position, the mean credit of the treatment less the control's: for whoever clicks there, whatever it is."""
    mean = [0.0] * n
    for placed, chance in likely(name, rankings, n):
        for position, (a, b) in enumerate(METHODS[name].marks(rankings, placed, (0, treatment))):
            mean[position] += chance * (b - a)
    return mean


def mean_credit(name: Interleave, rankings: Rankings, n: int, clicked: str) -> float:
    """b's credit less a's, over all coins, where only the item `clicked` is wanted."""
    total = 0.0
    for placed, chance in likely(name, rankings, n):
        clicks = [(index, 1.0) for index, one in enumerate(placed) if one.item == clicked]
        a, b = METHODS[name].earned(METHODS[name].marks(rankings, placed, (0, 1)), clicks)
        total += chance * (b - a)
    return total


@pytest.mark.parametrize("name", METHODS)
@few
@given(data=st.data(), n=lengths)
def test_a_slate_is_full_has_no_repeats_and_is_the_same_for_the_same_coins(
    name: Interleave, data: st.DataObject, n: int
) -> None:
    rankings = data.draw(rankings_for(name))
    made = mixed(name, rankings, n, coin=lambda toss: uniform("coin", toss))
    items = [one.item for one in made.placed]
    assert len(items) == len(set(items)) == min(n, len({item for one in rankings for item in one}))
    assert all(one.team is None or one.item in rankings[one.team] for one in made.placed)
    assert made == mixed(name, rankings, n, coin=lambda toss: uniform("coin", toss))


@pytest.mark.parametrize("name", ["team_draft", "probabilistic", "optimised"])
@few
@given(data=st.data(), n=st.integers(1, 3))
def test_clicks_by_position_alone_favour_neither(name: Interleave, data: st.DataObject, n: int) -> None:
    # Credit adds over clicks, so a random clicker is a mixture of clicks at fixed positions; each must be fair.
    rankings = data.draw(rankings_for(name))
    for treatment in range(1, len(rankings)):
        assert bias(name, rankings, n, treatment=treatment) == pytest.approx([0.0] * n, abs=1e-8)


def test_balanced_favours_the_ranking_that_has_most_items_a_place_higher() -> None:
    # Radlinski et al. 2008, section 3: one random click on 1, 2, 3, 4 against 2, 3, 4, 1 is b's in three of four cases.
    rankings = [list("1234"), list("2341")]
    mean = sum(
        chance * (b - a) / 4
        for placed, chance in likely("balanced", rankings, 4)
        for position in range(4)
        for a, b in [balanced.earned(balanced.marks(rankings, placed, (0, 1)), [(position, 1.0)])]
    )
    assert mean == 0.5
    for fair in ("team_draft", "probabilistic", "optimised"):
        assert bias(fair, rankings, 4) == pytest.approx([0.0] * 4, abs=1e-8)


def test_team_draft_cannot_see_what_the_others_see() -> None:
    # 3 ranks third in a and second in b, but either team may come to draft it, each as likely (Hofmann et al. 2011,
    # section 2). .190 is what mpkato's library gives for probabilistic interleaving.
    rankings = [list("123"), list("231")]
    assert mean_credit("team_draft", rankings, 3, "3") == 0.0
    assert mean_credit("probabilistic", rankings, 3, "3") == pytest.approx(0.190, abs=5e-4)
    assert mean_credit("balanced", rankings, 3, "3") == 1.0
    assert mean_credit("optimised", rankings, 3, "3") == pytest.approx(1 / 2 - 1 / 3, abs=1e-8)


@pytest.mark.parametrize("name", ["team_draft", "balanced", "probabilistic", "optimised"])
def test_the_ranking_that_puts_the_wanted_item_higher_wins(name: Interleave) -> None:
    assert mean_credit(name, [list("1234"), list("4123")], 2, "4") > 0
    assert mean_credit(name, [list("4123"), list("1234")], 2, "4") < 0


@pytest.mark.parametrize("name", ["team_draft", "probabilistic", "optimised"])
def test_equal_rankings_earn_alike_whatever_is_clicked(name: Interleave) -> None:
    rankings = [list("1234"), list("1234")]
    for placed, _ in likely(name, rankings, 4):
        assert all(a == b for a, b in METHODS[name].marks(rankings, placed, (0, 1)))


@pytest.mark.parametrize("name", ["team_draft", "balanced"])
@few
@given(data=st.data(), first=st.integers(1, 3), second=st.integers(1, 3))
def test_two_pages_are_one_slate_cut_in_two(name: Interleave, data: st.DataObject, first: int, second: int) -> None:
    # The same slates of items and teams, as likely: so what is fair for one page is fair for all.
    rankings = data.draw(rankings_for(name))
    method = METHODS[name]
    whole, paged = Counter[tuple[Placed, ...]](), Counter[tuple[Placed, ...]]()
    for placed, chance in possible(method, rankings, first + second):
        whole[tuple(placed)] += chance  # type: ignore[assignment]
    for page, chance in possible(method, rankings, first):
        for more, then in possible(method, rankings, second, before=page):
            paged[(*page, *more)] += chance * then  # type: ignore[assignment]
            marks = method.marks(rankings, [*page, *more], (0, 1))
            assert marks[len(page) :] == method.marks(rankings, more, (0, 1), before=page)
    assert paged == pytest.approx(whole)


@few
@given(rankings=some, first=st.integers(0, 3), second=st.integers(0, 3))
def test_a_later_page_goes_on_with_the_same_draws(rankings: Rankings, first: int, second: int) -> None:
    page = drawn(METHODS["probabilistic"], rankings, first, "key") or []
    more = probabilistic.merge(rankings, second, coin=lambda toss: uniform("key", toss + 2 * len(page)), before=page)
    assert [*page, *more] == drawn(METHODS["probabilistic"], rankings, first + second, "key")


@few
@given(rankings=pairs, n=st.integers(0, 3))
def test_each_page_of_an_optimised_slate_is_fair_by_itself(rankings: Rankings, n: int) -> None:
    page = drawn(METHODS["optimised"], rankings, n, "key") or []
    gone = {one.item for one in page}
    left = [[item for item in one if item not in gone] for one in rankings]
    more = optimised.merge(rankings, 2, coin=lambda toss: uniform("more", toss), before=page)
    assert more == drawn(METHODS["optimised"], left, 2, "more")
    if more:
        assert optimised.marks(rankings, more, (0, 1), before=page) == optimised.marks(left, more, (0, 1))


@few
@given(rankings=some, n=st.integers(0, 4))
def test_the_recorded_chances_are_those_of_the_slate(rankings: Rankings, n: int) -> None:
    placed = drawn(METHODS["probabilistic"], rankings, n, "key") or []
    expected = {tuple(one.item for one in slate): chance for slate, chance in by_softmax(rankings, n)}
    product = 1.0
    for one in placed:
        product *= one.chance or 0.0
    assert product == pytest.approx(expected[tuple(one.item for one in placed)])


def test_slates_are_drawn_as_often_as_their_chances_say() -> None:
    rankings = [list("123"), list("314")]
    for name, exact in (("probabilistic", by_softmax(rankings, 2)), ("optimised", by_plan(rankings, 2))):
        expected = {tuple(one.item for one in slate): chance for slate, chance in exact}
        found = Counter(
            tuple(one.item for one in drawn(METHODS[name], rankings, 2, f"{name} {k}") or []) for k in range(4000)
        )
        for slate, chance in expected.items():
            assert found[slate] / 4000 == pytest.approx(chance, abs=4.5 * (chance * (1 - chance) / 4000) ** 0.5 + 1e-9)


def test_optimised_mixture_equals_that_of_mpkatos_library() -> None:
    # github.com/mpkato/interleaving (MIT), tests/test_optimized.py: credit 1/rank, absent 1/(length + 1).
    found = {"".join(one.item for one in slate): chance for slate, chance in by_plan([list("12"), list("23")], 2)}
    assert found == pytest.approx({"12": 3 / 7, "21": 13 / 35, "23": 1 / 5})


def test_rankings_of_one_length_always_have_a_fair_mixture() -> None:
    for b in permutations("12345", 4):
        assert list(likely("optimised", [list("1234"), list(b)], 4))


def test_what_has_no_fair_mixture_is_drafted_by_teams() -> None:
    made = mixed("optimised", [list("1"), list("23")], 3, coin=lambda toss: uniform("coin", toss))
    assert made.method == "team_draft"
    long = [[f"{k}" for k in range(30)], [f"{29 - k}" for k in range(30)]]
    assert mixed("optimised", long, optimised.LONGEST + 1, coin=lambda toss: 0.0).method == "team_draft"


@few
@given(rankings=some, n=lengths)
def test_every_prefix_of_a_draft_is_the_tops_of_the_rankings(rankings: Rankings, n: int) -> None:
    for placed, _ in possible(METHODS["team_draft"], rankings, n):
        for end in range(len(placed) + 1):
            there = {one.item for one in placed[:end]}
            for one in placed[:end]:
                own = rankings[one.team or 0]
                assert set(own[: own.index(one.item)]) <= there


@few
@given(a=ranking, b=ranking, n=lengths)
def test_swapping_the_rankings_swaps_the_credit(a: list[str], b: list[str], n: int) -> None:
    def seen(rankings: Rankings, pair: tuple[int, int]) -> list[tuple[object, ...]]:
        return sorted(
            (chance, [one.item for one in placed], team_draft.marks(rankings, placed, pair))
            for placed, chance in possible(METHODS["team_draft"], rankings, n)
        )

    assert seen([a, b], (0, 1)) == seen([b, a], (1, 0))


@few
@given(rankings=some, n=lengths)
def test_classic_credit_of_clicks_by_position_favours_neither_too(rankings: Rankings, n: int) -> None:
    mean = [0.0] * n
    for placed, chance in possible(METHODS["team_draft"], rankings, n):
        for position, team in enumerate(team_draft.credited(rankings, placed, paired=False)):
            mean[position] += {0: -chance, 1: chance, None: 0.0}[team]
    assert mean == pytest.approx([0.0] * n, abs=1e-12)


def test_sums_of_credit_are_fair_where_wins_need_not_be() -> None:
    # Two clicks, at the second and third position. After a round that begins in agreement, what is agreed on next
    # depends on who went first, and so does whether a second click can make up for the first.
    rankings = [list("xpqs"), list("xrpt")]
    wins = total = 0.0
    for placed, chance in possible(METHODS["team_draft"], rankings, 3):
        a, b = summed(team_draft.marks(rankings, placed, (0, 1)), [(1, 1.0), (2, 1.0)])
        wins += chance * ((b > a) - (a > b))
        total += chance * (b - a)
    assert (wins, total) == (0.25, 0.0)


def drafted(*tosses: float, n: int, a: str, b: str) -> list[tuple[str, int | None]]:
    rankings = [list(a), list(b)]
    return [(one.item, one.team) for one in team_draft.merge(rankings, n, coin=tosses.__getitem__)]


def speaks(picks: list[tuple[str, int | None]], a: str, b: str, *, paired: bool = True) -> list[int | None]:
    return team_draft.credited([list(a), list(b)], [Placed(*pick) for pick in picks], paired=paired)


def test_agreement_in_a_round_is_neutral_only_for_paired_credit() -> None:
    picks = drafted(0.0, 0.0, n=4, a="123", b="145")
    assert picks == [("1", 0), ("4", 1), ("2", 0), ("5", 1)]
    assert speaks(picks, "123", "145", paired=False) == [0, 1, 0, 1]
    assert speaks(picks, "123", "145") == [None, 1, 0, 1]


def test_what_both_would_contribute_later_in_a_round_is_judged_from_its_start() -> None:
    # After a drafts 1, item 2 is on top of both. Had b gone first it would have drafted 2, and a 1: a true pair.
    picks = drafted(0.0, n=2, a="123", b="231")
    assert picks == [("1", 0), ("2", 1)]
    assert speaks(picks, "123", "231") == [0, 1]


def test_a_longer_ranking_fills_the_slate_and_earns_nothing_for_it() -> None:
    picks = drafted(*[0.9] * 5, n=5, a="1", b="23456")
    assert picks == [("2", 1), ("1", 0), ("3", 1), ("4", 1), ("5", 1)]
    assert speaks(picks, "1", "23456") == [1, 0, None, None, None]


def test_against_an_empty_ranking_there_is_a_slate_and_no_contest() -> None:
    picks = drafted(0.0, 0.0, n=5, a="", b="12")
    assert picks == [("1", 1), ("2", 1)]
    assert speaks(picks, "", "12") == [None, None]
    assert drafted(n=5, a="", b="") == []


def test_a_page_that_ends_within_a_round_leaves_the_next_turn_to_the_other() -> None:
    rankings = [list("abcd"), list("wxyz")]
    first = team_draft.merge(rankings, 3, coin=lambda toss: 0.0)
    second = team_draft.merge(rankings, 3, coin=lambda toss: 0.0, before=first)
    assert [one.team for one in first] == [0, 1, 0]
    assert [one.team for one in second] == [1, 0, 1]


def test_a_third_ranking_that_runs_out_in_a_round_favours_neither_of_the_others() -> None:
    # If 1 goes to the third before the second's turn, the second has none, and whoever is last has its position.
    assert bias("team_draft", [list("21xy"), list("1"), list("12zw")], 2, treatment=2) == [0.0, 0.0]


def test_among_three_each_order_of_turns_is_as_likely() -> None:
    rankings = [list("ab"), list("cd"), list("ef")]
    orders = Counter(
        tuple(one.team for one in team_draft.merge(rankings, 3, coin=lambda toss, k=k: (k + 0.5) / 6)) for k in range(6)
    )
    assert orders == Counter(permutations(range(3)))


@pytest.mark.parametrize("name", METHODS)
def test_what_was_put_between_by_neither_ranking_tells_nothing(name: Interleave) -> None:
    rankings = [list("123"), list("321")]
    page = drawn(METHODS[name], rankings, 2, "key") or []
    with_pin = [page[0], Placed("pin"), page[1]]
    method = METHODS[name]
    marks = method.marks(rankings, with_pin, (0, 1))
    assert [marks[0], marks[2]] == method.marks(rankings, page, (0, 1))
    assert method.earned(marks, [(1, 1.0)]) == (0.0, 0.0)


def test_credit_sums_the_rewards_of_each_side_and_drops_the_rest() -> None:
    marks = [Credit(1, 0), Credit(0, 0), Credit(0, 1), Credit(0, 1)]
    assert summed(marks, [(0, 1.0), (0, 0.5), (1, 9.0), (3, 2.0)]) == (1.5, 2.0)
