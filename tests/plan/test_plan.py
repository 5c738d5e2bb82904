"""What an experiment would need: read from a log, by formula, and by trying."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.stats import binom, norm

from bandstand.errors import InputError, UnknownError
from bandstand.events import AnyFact, Decided, Draft, Exposed, Pick, Request, Rewarded
from bandstand.plan import Traffic, plan, replayed, traffic
from bandstand.store.memory import MemoryLog

DAY = 86_400.0
START = 1_795_000_000.0


def log_of(facts: Iterable[tuple[float, AnyFact]]) -> MemoryLog:
    log = MemoryLog()
    log.append([Draft(fact, START + at) for at, fact in facts])
    return log


def slate(decision: str, user: str | None, *, n: int = 5, shown: bool = True, surface: str = "home") -> Decided:
    picks = tuple(Pick(f"i{k}", k, 1.0, 0.0) for k in range(n))
    return Decided(decision, Request(surface, START, user=user, shown=shown), "default", picks, as_of=0)


def click(decision: str, user: str, value: float = 1.0, name: str = "click") -> Rewarded:
    return Rewarded(decision, name, value, "home", position=0, item="i0", user=user)


def crowd(users: int = 2_000, *, a_day: int = 100) -> Traffic:
    """As many users a day, half of whom click once or more often."""
    chance = np.random.default_rng(7)
    earned = chance.poisson(1.0, users).astype(np.float64)
    first = np.arange(users) / a_day
    return Traffic("home", "click", "user", users / a_day, first, np.full(users, 10.0), earned)


def test_each_unit_is_counted_once_with_all_that_it_saw_and_earned() -> None:
    log = log_of(
        [
            (0, slate("old", "long gone")),
            (40 * DAY, slate("a", "ann")),
            (40 * DAY + 1, click("a", "ann", 2.0)),
            (41 * DAY, slate("b", "ann")),
            (41 * DAY, slate("c", "bob", shown=False)),
            (41 * DAY, slate("d", None)),
            (41 * DAY, slate("e", "cem", surface="related")),
            (41 * DAY + 1, Exposed("c", (0, 1))),
            (42 * DAY, click("c", "bob", 1.0, name="purchase")),
            (42 * DAY, click("b", "ann", 1.0)),
        ]
    )
    seen = traffic(log, "home", "click", days=28)
    assert (seen.days, seen.first.tolist()) == (pytest.approx(2.0), [0.0, 1.0])
    assert (seen.shown.tolist(), seen.earned.tolist()) == ([10.0, 2.0], [3.0, 0.0])
    assert seen.outcome("mean").mean == 1.5
    assert seen.outcome("proportion").mean == 0.5
    assert seen.outcome("ratio").mean == 3 / 12


def test_newcomers_go_on_coming_as_in_the_second_half() -> None:
    seen = crowd()
    assert seen.units_in(10) == pytest.approx(1000, abs=1)
    assert seen.units_in(30) == pytest.approx(3000, abs=2)
    assert seen.days_for(3000) == pytest.approx(30, abs=0.05)
    assert Traffic(*seen[:4], np.zeros(2000), *seen[5:]).days_for(3000) == math.inf


def test_units_follow_the_formula_and_stricter_methods_need_more() -> None:
    seen = crowd()
    found = plan(seen, lift=0.1)
    outcome = seen.outcome("mean")
    # GrowthBook's: n = (z + z_power)² s² (1 + (1 + δ)²) / (δ² ȳ²)
    z = norm.isf(0.025) + norm.ppf(0.8)
    by_hand = z**2 * outcome.variance * (1 + 1.1**2) / (0.1 * outcome.mean) ** 2
    needs = {need.method: need for need in found.needs}
    assert needs["fixed"].per_arm == math.ceil(by_hand)
    assert needs["noninferiority"].per_arm < needs["fixed"].per_arm < needs["groups"].per_arm
    assert needs["groups"].per_arm < needs["sequential"].per_arm
    assert needs["fixed"].days == pytest.approx(2 * by_hand / 100, abs=0.1)


def test_lift_found_by_then_needs_the_units_that_come_by_then() -> None:
    seen = crowd()
    for need in plan(seen).needs:
        lift = need.found[1]
        assert lift is not None
        again = next(one for one in plan(seen, lift=lift).needs if one.method == need.method)
        assert again.per_arm == pytest.approx(seen.units_in(14) / 2, rel=0.01)


def test_a_share_of_the_units_takes_longer() -> None:
    whole, tenth = (plan(crowd(), lift=0.1, share=share).needs[0] for share in (1.0, 0.1))
    assert whole.per_arm == tenth.per_arm
    assert tenth.days is not None
    assert whole.days is not None
    assert tenth.days == pytest.approx(10 * whole.days, rel=0.02)


def test_an_hour_of_traffic_does_not_say_how_many_come_in_a_week() -> None:
    need = plan(crowd(200, a_day=4800)).needs[0]
    assert (need.days, need.found) == (None, ())


@pytest.mark.calibration
@pytest.mark.parametrize("kind", ["mean", "proportion", "ratio"])
def test_trying_agrees_with_the_formula_and_errs_as_often_as_alpha_says(kind: str) -> None:
    seen, times = crowd(), 400
    # The lift that the formula says 1,000 units in each arm find in eight of ten.
    lift = plan(seen, kind=kind).needs[0].found[-1]
    per_arm = seen.units_in(28) / 2
    assert lift is not None
    lift *= math.sqrt(per_arm / 1000)
    found = replayed(seen, kind=kind, lift=lift, times=times)
    assert binom.cdf(round(found.fixed * times), times, 0.8 - 0.05) > 1e-4
    assert binom.sf(round(found.fixed * times) - 1, times, 0.8 + 0.05) > 1e-4
    assert found.sequential < found.fixed
    none = replayed(seen, kind=kind, lift=0.0, times=times)
    assert binom.sf(round(none.fixed * times) - 1, times, 0.05) > 1e-4
    assert binom.sf(round(none.sequential * times) - 1, times, 0.05) > 1e-4


def test_nothing_can_be_planned_from_nothing() -> None:
    log = log_of([(0, slate("a", "ann")), (DAY, slate("b", "bob"))])
    with pytest.raises(InputError, match="reward 'click': nobody earned any on surface 'home'"):
        plan(traffic(log, "home", "click"))
    with pytest.raises(UnknownError, match="surface 'cart': the log has no decisions on it; it has on: home"):
        traffic(log, "cart", "click")
    with pytest.raises(InputError, match=r"0 session\(s\) came in 28 days, must be at least 2"):
        traffic(log, "home", "click", unit="session")


@pytest.mark.parametrize(
    ("what", "value"), [("lift", 0.0), ("lift", -1.0), ("arms", 1), ("share", 0.0), ("share", 2.0)]
)
def test_what_makes_no_sense_is_refused_by_name(what: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{what} == {value:g}|{what} == {value}"):
        plan(crowd(), **{what: value})


def test_same_log_is_split_the_same_way_again() -> None:
    seen = crowd(200)
    assert replayed(seen, lift=0.2, times=20) == replayed(seen, lift=0.2, times=20)


def test_a_side_that_was_shown_nothing_yet_tells_nothing() -> None:
    few = crowd(60)
    shown = np.where(np.arange(60) < 55, 0.0, 10.0)  # for most of the time nobody was shown anything
    found = replayed(few._replace(shown=shown), kind="ratio", lift=0.1, times=50)
    assert 0 <= found.sequential <= 1
