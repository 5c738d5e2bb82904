"""What `bandstand check` says that an experiment needs: of its own metrics, weights, audience and rule."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from bandstand.errors import InputError, UnknownError
from bandstand.events import AnyFact, Decided, Draft, Pick, Request, Rewarded, UserPut
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.plan import Proposal, Rule, plan, preferring, proposed, traffic
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.power import critical, shared_units, units_per_arm
from bandstand.store.memory import MemoryLog

DAY = 86_400.0
START = 1_795_000_000.0
SIDES = (Variant("a", "default", 0.5), Variant("b", "random", 0.5))
FIXED = Analysis("fixed", minimum_effect=0.2)


def log() -> MemoryLog:
    """400 users in ten days, each with a device and one slate of five: some click, who clicks may buy, and half of
    them are on a phone."""
    facts: list[tuple[float, AnyFact]] = [(0.0, UserPut(f"u{n}", {"tier": "gold"})) for n in range(0, 400, 4)]
    for n in range(400):
        at, user = n * DAY / 40, f"u{n}"
        context: dict[str, Any] = {"device": "mobile" if n % 2 else "desktop"}
        request = Request("home", START + at, user=user, session=f"s{n}", device=f"d{n // 2}", context=context)
        facts.append((at, Decided(f"d{n}", request, "default", tuple(Pick(f"i{k}", k, 1.0, 0.0) for k in range(5)), 0)))
        facts += [(at + 1 + k, Rewarded(f"d{n}", "click", 1.0, "home", k, "i0", user)) for k in range(n % 3)]
        if n % 6 == 2:
            facts.append((at + 10, Rewarded(f"d{n}", "sale", 10.0 + n, "home", 0, "i0", user)))
    made = MemoryLog()
    made.append([Draft(fact, START + at) for at, fact in sorted(facts, key=lambda one: one[0])])
    return made


def experiment(*metrics: Metric, **fields: Any) -> Experiment:
    asked = metrics or (Metric("click", "click"),)
    return replace(Experiment("x", "home", SIDES, metrics=asked, analysis=FIXED), **fields)


def one(definition: Experiment, **fields: Any) -> Proposal:
    (found,) = proposed(log(), definition, **fields)
    return found


def units(definition: Experiment) -> int:
    found = one(definition)
    assert found.units is not None
    return found.units


CLICKS = [float(n % 3) for n in range(400)]


def test_units_and_days_are_those_of_the_plan_for_an_even_split() -> None:
    found = one(experiment(traffic=0.5))
    need = plan(traffic(log(), "home", "click"), lift=0.2, share=0.5).needs[0]
    assert (found.metric, found.told, found.effect) == ("click", "found", 0.2)
    assert found.units == 2 * need.per_arm
    assert found.days == pytest.approx(need.days)
    assert one(experiment(), share=0.5).days == pytest.approx(need.days)


def test_looking_at_any_time_and_several_decisions_need_more() -> None:
    lone = units(experiment())
    assert units(experiment(analysis=Analysis(minimum_effect=0.2))) > lone
    both = experiment(Metric("click", "click"), Metric("sale", "sale"))
    shared = proposed(log(), both)[0].units
    assert shared == 2 * units_per_arm(Moments.of(CLICKS), effect=0.2, z=critical(alpha=0.025), relative=True)
    assert proposed(log(), replace(both, analysis=replace(FIXED, correction="none")))[0].units == lone


def test_bayesian_experiment_needs_what_its_own_prior_and_accepted_loss_ask_for() -> None:
    for prior_std, loss in ((0.3, 0.0025), (0.1, 0.0025), (0.1, 1e-5)):
        rule = Analysis("bayesian", minimum_effect=0.2, prior_std=prior_std, accepted_loss=loss)
        needs = plan(traffic(log(), "home", "click"), lift=0.2, rule=Rule(0.05, prior_std, loss)).needs
        (need,) = (need for need in needs if need.method == "bayesian")
        assert units(experiment(analysis=rule)) == 2 * need.per_arm


def test_an_uneven_split_needs_more_units_than_an_even_one() -> None:
    uneven = (Variant("a", "default", 0.9), Variant("b", "random", 0.1))
    assert units(experiment(variants=uneven)) == shared_units(Moments.of(CLICKS), [0.9, 0.1], effect=0.2)
    assert units(experiment(variants=uneven)) > 2 * units(experiment())


def test_only_the_audience_counts() -> None:
    mobile = one(experiment(audience='context.device == "mobile"'))
    assert mobile.units == 2 * units_per_arm(Moments.of(CLICKS[1::2]), effect=0.2, relative=True)
    assert mobile.days is not None
    assert mobile.days > 1.8 * (one(experiment()).days or 0.0)
    gold = Moments.of(CLICKS[::4])
    assert units(experiment(audience='user.tier == "gold"')) == 2 * units_per_arm(gold, effect=0.2, relative=True)


@pytest.mark.parametrize(
    ("metric", "outcome"),
    [
        (Metric("m", "sale", "ratio", per="click"), lambda sales: PairMoments.of(sales, CLICKS).ratio()),
        (
            Metric("m", kind="custom", expression="sum('sale') / picks"),
            lambda sales: PairMoments.of(sales, [5.0] * 400).ratio(),
        ),
        (
            Metric("m", kind="custom", expression="min(count('sale'), 1)"),
            lambda sales: Moments.of([s > 0 for s in sales]),
        ),
        (Metric("m", "sale", window_s=5.0), None),
        (Metric("m", "sale", cap=0.5), lambda sales: Moments.of([min(s, 213.0) for s in sales])),
    ],
    ids=["per reward", "custom ratio", "custom", "window", "capped"],
)
def test_every_metric_is_measured_as_the_report_will_measure_it(metric: Metric, outcome: Any) -> None:
    sales = [10.0 + n if n % 6 == 2 else 0.0 for n in range(400)]
    found = one(experiment(metric))
    if outcome is None:  # sales come after ten seconds, and the last unit has not had five
        assert found.units is None
        assert "m is 0 of the 399 who came" in (found.reason or "")
        return
    assert found.units == pytest.approx(2 * units_per_arm(outcome(sales), effect=0.2, relative=True), rel=0.02)


def test_quantiles_and_retention_have_needs_too_and_a_window_takes_its_time() -> None:
    assert units(experiment(Metric("m", "sale", "quantile"))) > 0
    found = one(experiment(Metric("m", kind="retention", after_days=1.0)))
    assert "is 0 of the" in (found.reason or "")
    longer = one(experiment(Metric("m", "click", window_s=2 * DAY)))
    assert longer.days is not None
    assert longer.days > 2.0


def test_devices_and_sessions_are_counted_where_they_are_split() -> None:
    pairs = [CLICKS[n] + CLICKS[n + 1] for n in range(0, 400, 2)]
    expected = 2 * units_per_arm(Moments.of(pairs), effect=0.2, relative=True)
    assert units(experiment(unit="device")) == expected
    assert units(experiment(unit="session")) == units(experiment())
    seen = traffic(log(), "home", "click", unit="device")
    assert seen.earned.tolist() == pairs


def test_a_guardrail_with_a_margin_says_when_it_is_shown_to_be_safe() -> None:
    guard = Metric("g", "click", role="guardrail", margin=0.1)
    _, found = proposed(log(), experiment(Metric("click", "click"), guard))
    z = critical(one_sided=True)
    assert (found.metric, found.told, found.effect) == ("g", "safe", 0.1)
    assert found.units == shared_units(Moments.of(CLICKS), [0.5, 0.5], effect=-0.1, z=z)


def test_an_interleaving_needs_those_who_reward_something() -> None:
    found = one(experiment(method="interleave", traffic=0.5))
    seen = traffic(log(), "home", "click")
    need = preferring(seen, share=0.5).needs[0]
    assert (found.told, found.effect, found.units) == ("preferred", 0.05, need.units)
    assert found.days == pytest.approx(need.days)
    assert need.days is not None
    assert need.days > 1.9 * (preferring(seen).needs[0].days or math.inf)


def test_what_ran_already_does_not_change_who_would_take_part() -> None:
    """A draft that was forced, or an experiment that runs, finds its own assignments in the log."""
    made = MemoryLog()
    for entry in log().read():
        fact = entry.fact
        if isinstance(fact, Decided):
            fact = replace(fact, teaches=("x/a",))
        made.append([Draft(fact, entry.at)])
    assert proposed(made, experiment()) == proposed(log(), experiment())


def test_where_nobody_new_comes_any_more_it_takes_for_ever_and_says_why() -> None:
    made = log()
    made.append([Draft(UserPut("later"), START + 25 * DAY)])
    found = one(experiment(analysis=Analysis("fixed", minimum_effect=0.01)))
    assert found.days is not None
    assert math.isfinite(found.days)
    (never,) = proposed(made, experiment(analysis=Analysis("fixed", minimum_effect=0.01)))
    assert never.units == found.units
    assert never.days == math.inf
    assert never.reason == "nobody new came in the second half of the 25 days that the log has"


def test_what_cannot_be_told_is_said() -> None:
    with pytest.raises(UnknownError, match="nobody came to 'feed' in the last 28 days of the log"):
        proposed(log(), experiment(surface="feed"))
    none = experiment(audience='context.device == "fridge"')
    with pytest.raises(UnknownError, match="nobody came to 'home'"):
        proposed(log(), none)
    empty = MemoryLog()
    with pytest.raises(UnknownError):
        proposed(empty, experiment())
    few = MemoryLog()
    few.append([Draft(entry.fact, entry.at) for entry in log().read() if entry.seq == 101])
    with pytest.raises(InputError, match="1 user came to 'home' in the last 28 days of the log, must be at least 2"):
        proposed(few, experiment())
