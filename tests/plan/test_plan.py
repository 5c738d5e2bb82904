"""What an experiment would need: read from a log, by formula, and by trying."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.stats import binom, norm

from bandstand.errors import InputError, UnknownError
from bandstand.events import AnyFact, Decided, Draft, Exposed, Pick, Request, Rewarded
from bandstand.plan import METHODS, USUAL, Method, Rule, Traffic, Tried, plan, replayed, traffic
from bandstand.plan.traffic import Kind
from bandstand.stats.bayes import Prior, posterior
from bandstand.stats.group_sequential import group_bounds
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
def test_trying_agrees_with_the_formula_and_errs_as_often_as_alpha_says(kind: Kind) -> None:
    seen, times = crowd(), 400
    # The lift that the formula says 1,000 units in each arm find in eight of ten.
    lift = plan(seen, kind=kind).needs[0].found[-1]
    per_arm = seen.units_in(28) / 2
    assert lift is not None
    lift *= math.sqrt(per_arm / 1000)
    found = tried(seen, kind, lift, times)
    assert within(found["fixed"], 0.8 - 0.05, 0.8 + 0.05, times)
    assert found["sequential"].found < found["fixed"].found
    none = tried(seen, kind, 0.0, times)
    assert within(none["fixed"], 0.0, 0.05, times)
    assert within(none["sequential"], 0.0, 0.05, times)


@pytest.mark.calibration
@pytest.mark.parametrize(("rule", "sign"), [(Rule(), 1), (Rule(), -1), (Rule(alpha=0.2, prior_std=0.1), 1)])
@pytest.mark.parametrize("kind", ["mean", "proportion", "ratio"])
def test_every_method_finds_by_trying_what_its_formula_says(kind: Kind, rule: Rule, sign: int) -> None:
    seen, times = crowd(4_000), 400
    # About seven of ten, far from all and from none, so that an error of the formula shows.
    lift = (plan(seen, kind=kind, rule=rule, power=0.7).needs[0].found[-1] or 0.0) * math.sqrt(
        seen.units_in(28) / 4_000
    )
    found = tried(seen, kind, sign * lift, times, rule=rule)
    for method, one in found.items():
        more = 0.3 if method in ("groups", "sequential") else 0.05  # whose looks before the last only add
        assert within(one, one.formula - 0.05, min(1.0, one.formula + more), times), method


@pytest.mark.calibration
def test_every_method_errs_as_seldom_as_it_says() -> None:
    times = 400
    none = tried(crowd(), "mean", 0.0, times)
    for method, rate in {"fixed": 0.05, "groups": 0.05, "sequential": 0.05, "bayesian": 0.025}.items():
        assert within(none[method], 0.0, rate, times), method
    assert within(none["noninferiority"], 0.0, 0.05, times)  # at a margin of 0 nothing is shown but by chance


def tried(seen: Traffic, kind: Kind, lift: float, times: int, rule: Rule = USUAL) -> dict[Method, Tried]:
    found = replayed(seen, kind=kind, lift=lift, times=times, rule=rule)
    assert [one.method for one in found.methods] == [*METHODS]
    return {one.method: one for one in found.methods}


def within(one: Tried, low: float, high: float, times: int) -> bool:
    """Whether so many finds are to be expected of a probability between the two."""
    count = round(one.found * times)
    return bool(binom.cdf(count, times, max(low, 0.0)) > 1e-4 and binom.sf(count - 1, times, min(high, 1.0)) > 1e-4)


@pytest.mark.parametrize("rule", [Rule(), Rule(0.2, 0.02, 0.001), Rule(0.2, 5.0, 1e-4)])
@pytest.mark.parametrize("lift", [0.1, -0.1])
def test_bayesian_ships_as_surely_as_was_wanted_with_the_units_that_it_needs(lift: float, rule: Rule) -> None:
    seen = crowd()
    outcome, need = (
        seen.outcome("mean"),
        {one.method: one for one in plan(seen, lift=lift, rule=rule).needs}["bayesian"],
    )
    std_error = math.sqrt(outcome.variance * (1 + (1 + lift) ** 2) / need.per_arm) / outcome.mean
    estimates = np.random.default_rng(3).normal(abs(lift), std_error, 20_000)
    prior = Prior(0.0, rule.prior_std)
    believed = (posterior(one, std_error, prior=prior, alpha=rule.alpha) for one in estimates)
    ships = sum(b.chance_to_win >= 1 - rule.alpha / 2 and b.risk_treatment <= rule.accepted_loss for b in believed)
    assert binom.cdf(ships, 20_000, 0.8) > 1e-4
    assert binom.sf(ships - 1, 20_000, 0.8) > 1e-4


def test_proportion_has_the_variance_that_its_share_gives_by_every_method() -> None:
    seen = crowd()
    p = seen.outcome("proportion").mean
    for lift in (0.3, -0.3):
        q = p * (1 + lift)
        needs = {need.method: need.per_arm for need in plan(seen, kind="proportion", lift=lift).needs}
        z = group_bounds([0.2, 0.4, 0.6, 0.8, 1.0])[-1] + norm.ppf(0.8)
        by_hand = z**2 * (p * (1 - p) * 2000 / 1999 + q * (1 - q)) / (lift * p) ** 2
        assert needs["groups"] == math.ceil(by_hand)
        assert needs["fixed"] == pytest.approx(needs["bayesian"], rel=0.1)


def test_a_proportion_cannot_rise_above_all() -> None:
    few = crowd(20, a_day=1)
    for need in plan(few, kind="proportion", lift=0.1).needs[:4]:
        assert all(lift is None or few.outcome("proportion").mean * (1 + lift) <= 1 for lift in need.found)


def test_a_doubtful_prior_and_a_small_accepted_loss_need_more() -> None:
    def needed(rule: Rule) -> int:
        return {one.method: one.per_arm for one in plan(crowd(), lift=0.1, rule=rule).needs}["bayesian"]

    fixed = plan(crowd(), lift=0.1).needs[0].per_arm
    assert needed(Rule(prior_std=math.inf, accepted_loss=1.0)) == fixed
    assert fixed < needed(Rule()) < needed(Rule(prior_std=0.05)) < needed(Rule(prior_std=0.02))
    assert needed(Rule(prior_std=0.05)) < needed(Rule(prior_std=0.05, accepted_loss=1e-5))


def test_an_equal_variant_is_shown_not_to_be_worse_with_the_units_of_its_margin() -> None:
    seen = crowd()
    outcome, margin = seen.outcome("mean"), 0.2
    # The treatment beyond 1 − m times the control, of equal means: s² (1 + (1 − m)²) in each pair of units.
    z = norm.isf(0.05) + norm.ppf(0.8)
    by_hand = z**2 * outcome.variance * (1 + (1 - margin) ** 2) / (margin * outcome.mean) ** 2
    assert plan(seen, lift=margin).needs[-1].per_arm == math.ceil(by_hand)


def test_nothing_can_be_planned_from_nothing() -> None:
    log = log_of([(0, slate("a", "ann")), (DAY, slate("b", "bob"))])
    with pytest.raises(InputError, match="reward 'click': nobody earned any on surface 'home'"):
        plan(traffic(log, "home", "click"))
    with pytest.raises(UnknownError, match="surface 'cart': the log has no decisions on it; it has on: home"):
        traffic(log, "cart", "click")
    with pytest.raises(InputError, match="0 sessions came in 28 days, must be at least 2"):
        traffic(log, "home", "click", unit="session")


@pytest.mark.parametrize(
    ("what", "value"), [("lift", 0.0), ("lift", -1.0), ("arms", 1), ("share", 0.0), ("share", 2.0), ("power", 0.05)]
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
    assert all(0 <= one.found <= 1 for one in found.methods)
