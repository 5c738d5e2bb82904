"""Heat, on touches whose weights can be worked out by hand."""

import itertools

import numpy as np
import pytest

from bandstand.candidates import NOBODY, Ask, Touch
from bandstand.candidates.heat import Heat
from bandstand.candidates.trending import Popular, Trending

START = 1_760_000_000.0
HOUR = 3600.0


def an_ask(*, now: float = START, rows: int = 6, limit: int = 10, allowed: list[int] | None = None) -> Ask:
    mask = np.ones(rows, np.bool_) if allowed is None else np.isin(np.arange(rows), allowed)
    return Ask("d", now, np.zeros(0, np.int64), np.zeros(0), mask, limit)


def heat_of(touches: list[tuple[int, float]], *, now: float, half_life_s: float = HOUR) -> list[float]:
    heat = Heat(half_life_s)
    for row, at in touches:
        heat.add(row, at)
    return heat.of(np.arange(3), now).tolist()


def test_a_touch_counts_one_now_and_half_after_a_half_life() -> None:
    touches = [(0, START), (0, START + HOUR), (1, START)]
    assert heat_of(touches, now=START + HOUR) == pytest.approx([1.5, 0.5, 0.0], rel=1e-12)
    assert heat_of(touches, now=START + 2 * HOUR) == pytest.approx([0.75, 0.25, 0.0], rel=1e-12)


def test_late_touches_count_by_their_own_age_in_any_order() -> None:
    touches = [(0, START), (1, START + 300 * HOUR), (0, START + 299 * HOUR), (0, START + 2 * HOUR)]
    now = START + 300 * HOUR
    expected = heat_of(sorted(touches, key=lambda touch: touch[1]), now=now)
    assert expected[:2] == pytest.approx([0.5, 1.0], rel=1e-12)
    for order in itertools.permutations(touches):
        assert heat_of(list(order), now=now) == pytest.approx(expected, rel=1e-12)


def test_heat_stays_finite_and_right_over_many_half_lives() -> None:
    heat = Heat(HOUR)
    for hour in range(0, 100_000, 100):
        heat.add(0, START + hour * HOUR)
    # The touch before the last is 100 half-lives older: it adds 2^-100.
    assert heat.of(np.array([0]), START + 99_900 * HOUR)[0] == pytest.approx(1.0, rel=1e-12)
    assert np.isfinite(heat.weights).all()


def test_moving_the_landmark_rounds_nothing() -> None:
    heat, other = Heat(HOUR), Heat(HOUR)
    for one in (heat, other):
        one.add(0, START + 0.3)
        one.add(1, START + 0.7)
    ratio = heat.weights[1] / heat.weights[0]
    heat.add(2, START + 400.5 * HOUR)
    assert heat.weights[1] / heat.weights[0] == ratio


def test_a_question_from_before_the_newest_touch_is_answered_as_of_that_touch() -> None:
    touches = [(0, START), (1, START + HOUR)]
    assert heat_of(touches, now=0.0) == heat_of(touches, now=START + HOUR)


def test_rows_that_were_never_touched_are_cold() -> None:
    assert Popular().heat(np.array([0, 500]), START).tolist() == [0.0, 0.0]


def trending(*rows: int, every_s: float = 60.0) -> Trending:
    generator = Trending()
    for n, row in enumerate(rows):
        generator.touched(Touch(row, START + n * every_s, ()))
    return generator


def test_three_clicks_are_no_trend_and_a_handful_are() -> None:
    assert trending(1, 1, 1).propose(an_ask()).rows.tolist() == []
    assert trending(1, 1, 1, 1, 1).propose(an_ask()).rows.tolist() == [1]


def test_a_trend_ends_when_the_touches_do() -> None:
    generator = trending(*[1] * 8)
    assert generator.propose(an_ask(now=START + 6 * HOUR)).rows.tolist() == [1]  # 8 touches, one half-life ago: 4
    assert generator.propose(an_ask(now=START + 12 * HOUR)).rows.tolist() == []


def test_the_latest_trend_comes_first() -> None:
    generator = trending(*[1] * 10, *[2] * 10, every_s=HOUR / 2)
    proposals = generator.propose(an_ask(now=START + 10 * HOUR))
    assert proposals.rows.tolist() == [2, 1]
    # With q = 2^(−1/12) for half an hour: q + q² + … + q¹⁰, and the same 5 hours older.
    latest = sum(2 ** (-n / 12) for n in range(1, 11))
    assert proposals.scores.tolist() == pytest.approx([latest, latest * 2 ** (-5 / 6)], rel=1e-12)
    assert generator.brought(an_ask(), proposals.rows).tolist() == [NOBODY, NOBODY]


def test_one_keen_visitor_is_no_trend_but_makes_a_favourite() -> None:
    trend, popular = Trending(), Popular()
    for n in range(20):
        touch = Touch(3, START + n, (3,) if n else ())
        trend.touched(touch)
        popular.touched(touch)
    assert trend.propose(an_ask()).rows.tolist() == []
    assert popular.propose(an_ask()).rows.tolist()[0] == 3


def test_popular_forgets_over_months_what_trending_forgets_over_a_day() -> None:
    trend, popular = trending(*[4] * 50), Popular()
    for n in range(50):
        popular.touched(Touch(4, START + n * 60, ()))
    week = START + 7 * 24 * HOUR
    assert trend.propose(an_ask(now=week)).rows.tolist() == []
    # A week is 7/30 of a half-life: 50 · 2^(−7/30) = 42.5.
    assert popular.heat(np.array([4]), week)[0] == pytest.approx(42.5, rel=0.01)


def test_popular_always_proposes_as_many_allowed_rows_as_were_asked_for() -> None:
    popular = Popular()
    assert popular.propose(an_ask(limit=4)).rows.tolist() == [0, 1, 2, 3]
    popular.touched(Touch(5, START, ()))
    assert popular.propose(an_ask(limit=4)).rows.tolist() == [5, 0, 1, 2]
    assert popular.propose(an_ask(limit=4, allowed=[1, 5])).rows.tolist() == [5, 1]
