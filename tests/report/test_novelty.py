"""Effects that fade, grow or stay, by days since each user's own first exposure."""

from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console
from scipy import stats

from bandstand.chance import bits
from bandstand.events import Assignment, Decided, ExperimentPut
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric
from bandstand.report import Report, report
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.notes import steady
from bandstand.report.novelty import novelty
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.report.result import Novelty

from .logs import CLICKS, DAY, START, At, earned, experiment, log_of, saw

DAYS = 10
CTR = Metric("rate", "click", "ratio")


def visits(name: str, users: int, *, first: float = 0.0, last: float = 0.0, calendar: float = 0.0) -> list[At]:
    """Users who come on every day from their first on, which are spread over ten; the effect on each goes from `first`
    on their first day to `last` on their tenth, and `calendar` is what every day adds to all of them."""
    chance = np.random.default_rng(bits(name))
    facts: list[At] = []
    for k in range(users):
        arm = ("control", "treatment")[int(chance.integers(2))]
        taste, begin = chance.gamma(4, 0.5), k * DAYS // users
        for day in range(begin, 2 * DAYS):
            decision, at = f"{k}-{day}", START + day * DAY + k
            effect = np.interp(day - begin, (0, DAYS - 1), (first, last)) if arm == "treatment" else 0.0
            facts.append(saw(decision, arm, f"u{k}", at=at, n=1))
            value = chance.poisson(max(taste + effect + calendar * day, 0.0))
            if value:
                facts.append(earned(decision, f"u{k}", value=float(value), at=at + 1))
    return facts


def seen(facts: list[At], *metrics: Metric, rule: Analysis | None = None, **log: Any) -> Report:
    made = log_of(experiment(*metrics, analysis=rule or Analysis(units=1000)), facts, end=START + 2 * DAYS * DAY, **log)
    return report(made, "x", history=True)


def alone(facts: list[At], *metrics: Metric, rule: Analysis | None = None) -> tuple[Novelty, ...]:
    """Without the rest of the report, which takes longer."""
    made = experiment(*metrics, analysis=rule or Analysis(units=1000))
    end = START + 2 * DAYS * DAY
    return novelty(made, units(gather(log_of(made, facts, end=end), "x"), slates=True), until=end)


@pytest.fixture(scope="module")
def faded() -> Report:
    return seen(FADING)


FADING = visits("fades", 600, first=1.5, last=0.4)


def test_an_effect_that_fades_is_told_with_its_slope_and_both_ends(faded: Report) -> None:
    (one,) = faded.novelty
    assert one.change == "fades"
    assert one.low is not None
    assert one.slope is not None
    assert one.high is not None
    assert one.low < one.slope < one.high < 0
    assert [day.day for day in one.days] == list(range(1, len(one.days) + 1))
    assert one.days[0].low < 1.5 < one.days[0].high
    assert "clicks, treatment: the effect fades, from +1." in one.text
    assert "on days 1 to 5 of a user to " in one.text


def test_only_units_that_were_there_on_all_days_count_on_any(faded: Report) -> None:
    # Users begin on days 0 to 9 of 20: half of them have been there for 14 days or more.
    (one,) = faded.novelty
    assert len(one.days) in (14, 15)
    assert one.units == pytest.approx(300, abs=30)


def test_the_slope_is_the_difference_of_users_own_slopes() -> None:
    (one,) = alone(FADING, rule=Analysis("fixed", units=2))
    days = len(one.days)
    table: dict[str, np.ndarray] = {}
    began: dict[str, float] = {}
    for at, fact in sorted(FADING, key=lambda each: each[0]):
        user = fact.request.user if hasattr(fact, "request") else fact.user
        began.setdefault(user, at)
        row = table.setdefault(user, np.zeros(30))
        if not hasattr(fact, "request"):
            row[int((at - began[user]) // DAY)] += fact.value
    arm = {fact.request.user: fact.assignments[0].variant for _, fact in FADING if hasattr(fact, "request")}
    whole = [user for user, at in began.items() if at + days * DAY <= START + 2 * DAYS * DAY]
    found = {
        side: [stats.linregress(range(days), table[user][:days]).slope for user in whole if arm[user] == side]
        for side in ("control", "treatment")
    }
    expected = stats.ttest_ind(found["treatment"], found["control"], equal_var=False)
    assert one.units == len(whole)
    assert one.p_value == pytest.approx(expected.pvalue)
    assert (one.low, one.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_an_effect_that_grows_or_turns_is_told_as_such() -> None:
    assert alone(visits("grows", 600, first=0.2, last=1.5))[0].change == "grows"
    assert alone(visits("turns", 600, first=1.2, last=-1.2))[0].change == "turns"


def test_a_season_that_lifts_everybody_is_no_change_of_the_effect() -> None:
    # Trap: by calendar day the figures of both arms climb, and old users are compared with new ones.
    (one,) = alone(visits("season", 600, first=0.5, last=0.5, calendar=0.3))
    assert one.change is None
    assert "no change of the effect can be told" in one.text


def test_a_ratio_is_one_on_every_day() -> None:
    (one,) = alone(FADING, CTR)
    assert one.change == "fades"
    assert one.days[0].difference == pytest.approx(1.5, abs=0.5)  # one pick a day, so that it is as clicks


def test_before_users_have_been_there_for_three_days_nothing_is_said() -> None:
    young = [one for one in FADING if one[0] < START + 4 * DAY]
    early = report(log_of(experiment(analysis=Analysis()), young, end=START + 4 * DAY), "x", history=True)
    assert early.novelty == ()
    assert "there for three days" in steady(early)[0]
    assert alone(visits("few", 150, first=1.0)) == ()
    assert alone(FADING, Metric("q", "click", "quantile")) == ()
    assert report(log_of(experiment(CLICKS), FADING), "x").novelty == ()  # where nobody asked


def test_whoever_asks_is_told_that_no_change_was_found(faded: Report) -> None:
    calm = report(log_of(experiment(), visits("season", 600, first=0.5, last=0.5)), "x", history=True)
    assert ["no change of the effect can be told" in one for one in steady(calm)] == [True]
    assert steady(faded) == []


def test_text_and_page_say_that_an_effect_fades(faded: Report) -> None:
    pytest.importorskip("matplotlib")
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(faded))
    assert "the effect fades" in " ".join(console.export_text().split())
    text = page(faded)
    assert "clicks: the effect by days since first exposure" in text
    assert "the effect fades" in text


def reweighed(name: str, *, later: float, users: int = 500) -> list[At]:
    """Users of whom the second half come a little later, when the treatment's weight is `later`. What they do falls in
    the first half from day to day and rises in the second, whatever their variant."""
    chance = np.random.default_rng(bits(name))
    facts: list[At] = []
    if later != 0.5:
        sides = zip(experiment().variants, (1 - later, later), strict=True)
        put = experiment(sticky=True, variants=tuple(replace(one, weight=weight) for one, weight in sides))
        facts.append((START + users // 2 - 0.5, ExperimentPut("x", msgspec.Raw(msgspec.json.encode(put)))))
    for k in range(users):
        phase = int(k >= users // 2)
        arm = ("control", "treatment")[int(chance.random() < (0.5, later)[phase])]
        for day in range(6):
            at, fact = saw(f"{k}-{day}", arm, f"u{k}", at=START + day * DAY + k, n=1)
            assert isinstance(fact, Decided)
            facts.append((at, replace(fact, assignments=(Assignment("x", arm, "default", phase * (later != 0.5)),))))
            value = 2 + (-0.3, 0.3)[phase] * (day - 2.5) + chance.normal(0, 0.5)
            facts.append(earned(f"{k}-{day}", f"u{k}", value=value, at=at + 1))
    return facts


def followed(facts: list[At], *metrics: Metric) -> Report:
    made = experiment(*metrics, analysis=Analysis(units=1000), sticky=True)
    return report(log_of(made, facts, end=START + 7 * DAY), "x", history=True)


def test_nothing_is_told_where_weights_changed_between_the_users() -> None:
    # Trap: the treatment has more of the later users, whose figures rise from day to day; nothing has an effect.
    found = followed(reweighed("moved", later=0.9))
    (one,) = found.novelty
    assert (one.change, one.days, one.slope, one.p_value) == (None, (), None, None)
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(found))
    text = " ".join(console.export_text().split())
    assert "Whether effects last is not told: the weights changed between the units" in text
    assert "Compare within one phase" in text
    assert steady(found) == []
    (calm,) = followed(reweighed("stayed", later=0.5)).novelty
    assert calm.change is None
    assert len(calm.days) == 6


def test_weights_that_changed_after_the_users_came_hide_nothing() -> None:
    facts = reweighed("later", later=0.5)
    sides = zip(experiment().variants, (0.1, 0.9), strict=True)
    put = experiment(sticky=True, variants=tuple(replace(one, weight=weight) for one, weight in sides))
    (one,) = followed([*facts, (START + 6 * DAY, ExperimentPut("x", msgspec.Raw(msgspec.json.encode(put))))]).novelty
    assert len(one.days) == 6


def test_several_metrics_are_corrected_for_their_number_and_say_that_they_hold_for_one_look() -> None:
    metrics = tuple(Metric(f"clicks {k}", "click", cap=0.99 - k / 100) for k in range(4))
    found = alone(FADING, *metrics, rule=Analysis("fixed", units=2))
    p_values = sorted(one.p_value for one in found if one.p_value is not None)
    holm = np.maximum.accumulate([min(1.0, (4 - k) * p) for k, p in enumerate(p_values)])
    assert sorted(one.p_adjusted for one in found if one.p_adjusted is not None) == pytest.approx(holm)
    assert all("after correction for 4, for one look" in one.text for one in found)


def test_a_slope_that_is_told_by_itself_only_is_no_change_among_many() -> None:
    def asked(count: int, last: float) -> Novelty:
        metrics = tuple(Metric(f"clicks {k}", "click", cap=0.99 - k / 1000) for k in range(count))
        return alone(visits("weak", 500, first=0.9, last=last), *metrics, rule=Analysis("fixed", units=2))[0]

    one, many = asked(1, 0.6), asked(8, 0.6)
    assert one.p_value is not None
    assert 0.05 / 8 < one.p_value < 0.05
    assert one.change is not None
    assert many.change is None


@pytest.mark.calibration
def test_effects_that_last_are_said_to_change_as_often_as_alpha_says() -> None:
    worlds = 45
    rule = Analysis("fixed", units=2)
    found = [alone(visits(f"lasts {world}", 600, first=0.6, last=0.6), rule=rule)[0] for world in range(worlds)]
    low, high = stats.binom.interval(0.999, worlds, 0.05)
    assert low <= sum(one.change is not None for one in found) <= high
