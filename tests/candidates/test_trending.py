"""Heat, on touches whose weights can be worked out by hand."""

import itertools

import numpy as np
import pytest

from bandstand.candidates import NOBODY, Ask, Touch
from bandstand.candidates.heat import Heat
from bandstand.candidates.trending import MOST_SEGMENTS, ROWS_OF_A_SEGMENT, Popular, Trending

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
    assert generator.propose(an_ask(now=START + HOUR)).rows.tolist() == [1]  # S is 4
    assert generator.propose(an_ask(now=START + 4 * HOUR)).rows.tolist() == []  # S is 1/2, less than is expected


def test_the_latest_trend_comes_first() -> None:
    generator = trending(*[1] * 20, *[2] * 20)
    proposals = generator.propose(an_ask(now=START + 40 * 60))
    assert proposals.rows.tolist() == [2, 1]
    assert proposals.scores[0] > proposals.scores[1] > 1
    assert generator.brought(an_ask(), proposals.rows).tolist() == [NOBODY, NOBODY]


def test_what_is_always_touched_is_no_trend_until_it_is_touched_more() -> None:
    generator = Trending()
    for n in range(24 * 5 * 30):  # 30 an hour for five days
        generator.touched(Touch(1, START + n * HOUR / 30, ()))
    days = START + 5 * 24 * HOUR
    assert generator.propose(an_ask(now=days)).rows.tolist() == []
    for n in range(90):
        generator.touched(Touch(1, days + n * HOUR / 90, ()))
    assert generator.propose(an_ask(now=days + HOUR)).rows.tolist() == [1]


def test_signals_that_tell_more_make_a_stronger_trend_but_not_of_one_purchase() -> None:
    def bought(times: int) -> Trending:
        generator = Trending()
        for n in range(times):
            generator.touched(Touch(1, START + n, (), worth=5.0))
        return generator

    assert bought(1).propose(an_ask()).rows.tolist() == []
    assert bought(4).propose(an_ask()).scores[0] > trending(1, 1, 1, 1).propose(an_ask()).scores[0]


def in_segments(*touches: tuple[int, tuple[str, ...]]) -> Trending:
    generator = Trending()
    for n, (row, segments) in enumerate(touches):
        generator.touched(Touch(row, START + n, (), segments=segments))
    return generator


def test_trends_of_the_users_own_segment_lead_and_those_of_all_follow() -> None:
    generator = in_segments(*[(1, ("country=NL",))] * 10, *[(2, ("country=FR",))] * 15)
    dutch = an_ask()._replace(segments=("country=NL",))
    assert generator.propose(an_ask()).rows.tolist() == [2, 1]
    assert generator.propose(dutch).rows.tolist() == [1, 2]
    assert [generator.among(dutch, row) for row in (1, 2)] == ["country=NL", None]


def test_a_segment_that_knows_too_little_falls_back_on_all() -> None:
    generator = in_segments(*[(1, ("country=NL",))] * 3, *[(1, ("country=FR",))] * 3)
    for segments in (("country=NL",), ("country=DE",), ()):  # three in NL are no trend there, six of all are one
        assert generator.propose(an_ask()._replace(segments=segments)).rows.tolist() == [1]


def test_segments_and_the_rows_of_each_are_bounded_and_the_busiest_stay() -> None:
    generator = Trending()
    for n in range(3000):
        at = START + n
        generator.touched(Touch(n % 2000, at, (), segments=(f"country=c{n}", "device=mobile")))
        generator.touched(Touch(7, at, (), segments=("device=mobile",)))
    assert len(generator.names) == len(generator.segments) == MOST_SEGMENTS
    assert max(pulse.used for pulse in generator.segments) <= ROWS_OF_A_SEGMENT
    mobile = an_ask(rows=2000, now=START + 3000)._replace(segments=("device=mobile",))
    assert generator.propose(mobile).rows[0] == 7
    assert generator.among(mobile, 7) == "device=mobile"


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


def test_a_signal_that_tells_more_makes_more_popular() -> None:
    popular = Popular()
    for row, worth in ((2, 1.0), (3, 5.0), (2, 1.0)):
        popular.touched(Touch(row, START, (), worth))
    assert popular.propose(an_ask(limit=2)).rows.tolist() == [3, 2]
    assert popular.heat(np.array([2, 3]), START).tolist() == [2.0, 5.0]


def test_popular_always_proposes_as_many_allowed_rows_as_were_asked_for() -> None:
    popular = Popular()
    assert popular.propose(an_ask(limit=4)).rows.tolist() == [0, 1, 2, 3]
    popular.touched(Touch(5, START, ()))
    assert popular.propose(an_ask(limit=4)).rows.tolist() == [5, 0, 1, 2]
    assert popular.propose(an_ask(limit=4, allowed=[1, 5])).rows.tolist() == [5, 1]
