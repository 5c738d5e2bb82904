"""What came of an experiment, read from hand-made logs and compared with reference libraries."""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from bandstand.chance import bits, uniform
from bandstand.errors import UnknownError
from bandstand.events import (
    AnyFact,
    Assignment,
    Decided,
    Draft,
    ExperimentMoved,
    ExperimentPut,
    Exposed,
    Pick,
    Request,
    Rewarded,
)
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.assignment import assign
from bandstand.experiments.definition import Experiment, Metric, Variant
from bandstand.experiments.interleaving import team_draft
from bandstand.report import Comparison, Report, report
from bandstand.report.render import render
from bandstand.store.memory import MemoryLog

DAY = 86_400.0
CLICKS = Metric("clicks", "click")
RATE = Metric("rate", "click", "ratio")
AB = Experiment(
    "x",
    "home",
    (Variant("control", "random", 0.5), Variant("treatment", "default", 0.5)),
    hypothesis="The treatment is clicked more.",
    metrics=(CLICKS, replace(RATE, role="secondary")),
    analysis=Analysis("fixed", units=100),
)
INTERLEAVED = replace(AB, method="interleave", metrics=(CLICKS,))


def put(experiment: Experiment) -> ExperimentPut:
    return ExperimentPut(experiment.name, msgspec.Raw(msgspec.json.encode(experiment)))


def started(experiment: Experiment) -> list[AnyFact]:
    return [put(experiment), ExperimentMoved(experiment.name, "running")]


def decided(decision: str, variant: str, user: str, n: int = 5, **request: Any) -> Decided:
    return Decided(
        decision,
        Request("home", 0.0, user=user, **request),
        strategy="default",
        picks=tuple(Pick(f"i{position}", position, 1.0, 0.0) for position in range(n)),
        as_of=0,
        assignments=(Assignment("other", "a", "b"), Assignment("x", variant, "default")),
    )


def clicked(decision: str, position: int | None = 0, value: float = 1.0, name: str = "click") -> Rewarded:
    return Rewarded(decision, name, value, "home", position)


def log_of(*facts: AnyFact | Iterable[AnyFact], gap_s: float = 1.0) -> MemoryLog:
    """A log of these facts, `gap_s` apart."""
    flat = [fact for group in facts for fact in ([group] if isinstance(group, msgspec.Struct) else group)]
    log = MemoryLog()
    log.append([Draft(fact, at=index * gap_s) for index, fact in enumerate(flat)])
    return log


def visits(variant: str, clicks: Sequence[int], shown: Sequence[int]) -> list[AnyFact]:
    """One user after the other, each with one slate of `shown` picks of which the first `clicks` are clicked."""
    facts: list[AnyFact] = []
    for index, (hits, n) in enumerate(zip(clicks, shown, strict=True)):
        facts.append(decided(f"{variant}{index}", variant, f"{variant}-user{index}", n))
        facts += [clicked(f"{variant}{index}", position) for position in range(hits)]
    return facts


def sample(name: str, units: int, rate: float) -> tuple[list[int], list[int]]:
    """Clicks and picks of some users who differ in how much they see and how much they like."""
    rng = np.random.default_rng(bits(name))
    shown = rng.integers(1, 20, units)
    return rng.binomial(shown, np.clip(rng.beta(2, 2 / rate, units), 0, 1)).tolist(), shown.tolist()


def comparison(found: Report, metric: str, variant: str = "treatment") -> Comparison:
    (one,) = [one for one in found.comparisons if (one.metric, one.variant) == (metric, variant)]
    return one


def check(found: Report, name: str) -> tuple[bool | None, str]:
    (one,) = [one for one in found.health if one.name == name]
    return one.ok, one.text


CONTROL, TREATMENT = sample("control", 60, 0.1), sample("treatment", 64, 0.4)


@pytest.fixture(scope="module")
def result() -> Report:
    return report(log_of(started(AB), visits("control", *CONTROL), visits("treatment", *TREATMENT)), "x")


def test_units_decisions_picks_and_metrics_are_counted_for_each_variant(result: Report) -> None:
    for arm, (clicks, shown) in zip(result.variants, (CONTROL, TREATMENT), strict=True):
        assert (arm.units, arm.decisions, arm.picks) == (len(shown), len(shown), sum(shown))
        mean, rate = arm.metrics
        assert (mean.total, rate.total) == (sum(clicks), sum(clicks))
        assert mean.value == pytest.approx(np.mean(clicks))
        assert rate.value == pytest.approx(sum(clicks) / sum(shown))


def test_a_mean_is_compared_by_welchs_test_of_users(result: Report) -> None:
    expected = stats.ttest_ind(TREATMENT[0], CONTROL[0], equal_var=False)
    found = comparison(result, "clicks")
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.lift == pytest.approx(np.mean(TREATMENT[0]) / np.mean(CONTROL[0]) - 1)


def test_a_ratio_is_compared_by_a_user_clustered_regression_of_picks(result: Report) -> None:
    arms = []
    for clicks, shown in (TREATMENT, CONTROL):
        seen = np.repeat(np.arange(len(shown)), shown)
        hit = np.concatenate([np.arange(n) < hits for hits, n in zip(clicks, shown, strict=True)])
        fit = OLS(hit.astype(float), np.ones(len(hit))).fit(cov_type="cluster", cov_kwds={"groups": seen})
        arms.append((fit.params[0], fit.bse[0] * np.sqrt(len(shown)), len(shown)))
    (rate_t, sd_t, n_t), (rate_c, sd_c, n_c) = arms
    expected = stats.ttest_ind_from_stats(rate_t, sd_t, n_t, rate_c, sd_c, n_c, equal_var=False)
    found = comparison(result, "rate")
    assert found.difference == pytest.approx(rate_t - rate_c)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_the_split_is_checked_against_the_weights(result: Report) -> None:
    expected = stats.chisquare([60, 64]).pvalue
    assert check(result, "sample ratio") == (True, f"60 : 64 units fit the weights (p = {expected:.2g})")


def test_the_verdict_is_a_sentence_with_the_effect_and_how_to_take_it(result: Report) -> None:
    assert (result.verdict.outcome, result.verdict.variant) == ("ship", "treatment")
    assert result.verdict.text.startswith("Ship 'treatment': 'treatment' is ahead of 'control' on clicks: +")


def test_an_experiment_that_was_never_recorded_is_unknown() -> None:
    with pytest.raises(UnknownError, match="experiment 'y' is not defined; known: x"):
        report(log_of(put(AB)), "y")
    with pytest.raises(UnknownError, match="known: none"):
        report(MemoryLog(), "y")


def test_a_draft_says_that_it_has_not_started() -> None:
    found = report(log_of(put(AB)), "x")
    assert (found.state, found.since, found.verdict.outcome) == ("draft", None, "draft")


def test_state_times_and_winner_come_from_the_log() -> None:
    ended = [ExperimentMoved("x", "stopped"), ExperimentMoved("x", "shipped", "treatment")]
    found = report(log_of(started(AB), ended, clicked("d"), gap_s=DAY), "x")
    assert (found.state, found.winner, found.since, found.until) == ("shipped", "treatment", DAY, 2 * DAY)
    assert (found.at, found.as_of) == (4 * DAY, 5)


def test_other_traffic_does_not_count() -> None:
    outside = replace(decided("o", "control", "u"), assignments=())
    elsewhere = replace(decided("e", "control", "u"), assignments=(Assignment("other", "control", "l"),))
    facts = [outside, elsewhere, clicked("o"), clicked("e"), clicked("nowhere"), Exposed("o"), Exposed("nowhere")]
    assert [arm.decisions for arm in report(log_of(started(AB), facts), "x").variants] == [0, 0]


def test_rewards_of_other_names_do_not_count_and_negative_ones_do() -> None:
    facts = [decided("d", "control", "u"), clicked("d", name="sale"), clicked("d"), clicked("d", value=-3.0)]
    assert report(log_of(started(AB), facts), "x").variants[0].metrics[0].total == -2.0


def test_a_late_reward_counts_even_after_the_experiment_stopped() -> None:
    facts = [decided("d", "treatment", "u"), ExperimentMoved("x", "stopped"), clicked("d")]
    assert report(log_of(started(AB), facts, gap_s=100 * DAY), "x").variants[1].metrics[0].total == 1


def test_a_metric_that_is_named_later_is_read_from_the_whole_log() -> None:
    facts = [decided("d", "treatment", "u"), clicked("d", value=20.0, name="sale")]
    later = put(replace(AB, metrics=(Metric("sales", "sale"),)))
    assert report(log_of(started(AB), facts, later), "x").variants[1].metrics[0].total == 20.0


def test_sessions_are_the_units_where_the_experiment_says_so() -> None:
    facts = [decided(f"d{k}", "control", "u", session=f"s{k}") for k in range(3)]
    facts.append(decided("nobody", "control", "u"))
    assert report(log_of(started(replace(AB, unit="session")), facts), "x").variants[0].units == 3
    assert report(log_of(started(AB), facts), "x").variants[0].units == 1


def test_users_who_saw_both_variants_are_left_out_and_counted() -> None:
    # The shared user's click came for the control's slate, after the user had moved on to the treatment.
    shared = [decided("c", "control", "shared"), decided("t", "treatment", "shared"), clicked("c")]
    facts = visits("control", [1, 0], [5, 5]) + visits("treatment", [2, 1, 1], [5, 5, 5])
    found = report(log_of(started(AB), shared, facts), "x")
    assert [arm.units for arm in found.variants] == [2, 3]
    assert [arm.metrics[0].total for arm in found.variants] == [1, 4]
    assert check(found, "one variant each") == (True, "1 of 6 users saw more than one variant and are left out")


def test_many_users_in_both_variants_withhold_the_verdict() -> None:
    shared = [decided(f"{variant}{k}", variant, f"u{k}") for variant in ("control", "treatment") for k in range(10)]
    alone = [decided(f"d{k}", ("control", "treatment")[k % 2], f"alone{k}") for k in range(40)]
    found = report(log_of(started(AB), shared, alone), "x")
    assert check(found, "one variant each")[0] is False
    assert found.verdict.outcome == "broken"
    assert found.verdict.text.startswith("Broken, no verdict: 10 of 50 users saw more than one variant")


def test_deferred_slates_count_once_exposed_and_only_what_was_seen() -> None:
    facts = [
        decided("never", "control", "u1", shown=False),
        clicked("never"),
        decided("part", "control", "u2", shown=False),
        clicked("part", 1),
        clicked("part", 4),
        Exposed("part", (0, 1, 77)),
        Exposed("part", (1, 2)),
        clicked("part", 2),
        decided("all", "control", "u3", shown=False),
        Exposed("all", (0,)),
        Exposed("all"),
        clicked("all", None),
    ]
    found = report(log_of(started(AB), facts), "x")
    control = found.variants[0]
    assert (control.units, control.decisions, control.picks) == (2, 2, 3 + 5)
    assert control.metrics[0].total == 1 + 1 + 1
    assert check(found, "exposures") == (None, "1 of 3 decisions wait for an exposure and do not count until then")


def test_exposure_of_a_slate_that_was_shown_at_once_changes_nothing() -> None:
    facts = [decided("d", "control", "u"), Exposed("d", (0,))]
    assert report(log_of(started(AB), facts), "x").variants[0].picks == 5


def test_an_uneven_split_withholds_the_verdict_however_good_the_figures() -> None:
    facts = visits("control", [0, 1] * 50, [5] * 100) + visits("treatment", [4, 5] * 100, [5] * 200)
    found = report(log_of(started(AB), facts), "x")
    assert comparison(found, "clicks").p_value == pytest.approx(0, abs=1e-9)
    assert check(found, "sample ratio")[0] is False
    assert (found.verdict.outcome, found.verdict.variant) == ("broken", None)
    assert found.verdict.text.startswith("Broken, no verdict: units per variant do not fit the weights")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ([], "variant 'treatment' has 0 users, a comparison needs at least 2"),
        (visits("treatment", [1, 0], [5, 5]), "variant 'control' has 0 users, a comparison needs at least 2"),
        (
            visits("treatment", [1, 2, 3], [5] * 3) + visits("control", [1], [5]),
            "variant 'control' has 1 user, a comparison needs at least 2",
        ),
        (visits("treatment", [0] * 9, [5] * 9) + visits("control", [0] * 9, [5] * 9), "9 and 9 units that do not vary"),
    ],
    ids=["nobody", "no control", "one user", "no clicks"],
)
def test_what_cannot_be_computed_is_a_sentence_and_never_a_p_value(facts: list[AnyFact], reason: str) -> None:
    found = report(log_of(started(AB), facts), "x")
    for one in found.comparisons:
        assert reason in (one.reason or "")
        assert (one.p_value, one.p_adjusted, one.difference) == (None, None, None)
    assert found.verdict.outcome == "keep running"
    assert reason in found.verdict.text


def test_a_ratio_over_empty_slates_is_a_sentence() -> None:
    facts = visits("treatment", [0] * 9, [0] * 9) + visits("control", [1] * 9, [5] * 9)
    found = report(log_of(started(AB), facts), "x")
    assert "denominator of 9 unit(s) is 0" in (comparison(found, "rate").reason or "")
    assert found.variants[1].metrics[1].value is None


def test_several_treatments_share_the_error_rate_by_holms_method() -> None:
    thirds = tuple(Variant(name, "default", 1 / 3) for name in ("control", "good", "fair"))
    both = replace(AB, variants=thirds, metrics=(CLICKS, Metric("sales", "sale", role="guardrail")))
    arms = {name: sample(name, 80, rate)[0] for name, rate in (("control", 0.1), ("good", 0.2), ("fair", 0.15))}
    facts = [fact for name, clicks in arms.items() for fact in visits(name, clicks, [max(clicks)] * 80)]
    found = report(log_of(started(both), facts), "x")
    p_values = [stats.ttest_ind(arms[name], arms["control"], equal_var=False).pvalue for name in ("good", "fair")]
    of_clicks = [comparison(found, "clicks", name) for name in ("good", "fair")]
    assert [one.p_value for one in of_clicks] == pytest.approx(p_values)
    assert [one.p_adjusted for one in of_clicks] == pytest.approx(multipletests(p_values, method="holm")[1])
    assert all(one.p_adjusted is None for one in found.comparisons if one.role == "guardrail")


def test_a_guardrail_that_fell_stands_against_a_winner() -> None:
    metrics = (CLICKS, Metric("margin", "margin", role="guardrail"))
    guarded = replace(AB, metrics=metrics, analysis=Analysis("fixed", units=80))
    facts: list[AnyFact] = []
    for variant, hits, margin in (("control", 1, 5.0), ("treatment", 3, 2.0)):
        facts += visits(variant, [hits, hits + 1] * 20, [5] * 40)
        facts += [clicked(f"{variant}{k}", None, margin + k % 2, "margin") for k in range(40)]
    found = report(log_of(started(guarded), facts), "x")
    assert (found.verdict.outcome, found.verdict.variant) == ("stop", None)
    assert "Guardrail margin fell with 'treatment': -54.5 % [" in found.verdict.text


def test_a_treatment_that_is_worse_is_behind() -> None:
    found = report(log_of(started(AB), visits("control", *TREATMENT), visits("treatment", *CONTROL)), "x")
    assert (found.verdict.outcome, found.verdict.variant) == ("stop", None)
    assert found.verdict.text.startswith("Stop, keep 'control': 'treatment' is behind 'control' on clicks: -")


def test_alike_variants_are_not_told_apart() -> None:
    facts = visits("control", *CONTROL) + visits("treatment", *CONTROL)
    found = report(log_of(started(AB), facts), "x")
    assert found.verdict.outcome == "stop"
    assert "'treatment' cannot be told from 'control' on clicks: +0.0 % [-" in found.verdict.text


def test_means_of_variants_that_learned_from_each_other_are_not_compared() -> None:
    mixed = [replace(one, teaches=("x/control", "x/treatment")) for one in visits("control", [0, 0], [5, 5])]
    found = report(log_of(started(replace(AB, learn_from="all")), mixed, visits("treatment", *TREATMENT)), "x")
    assert check(found, "own learning")[0] is False
    assert all(one.p_value is None and "learn_from" in (one.reason or "") for one in found.comparisons)
    assert found.verdict.outcome == "broken"


def test_strategies_that_do_not_learn_may_share_their_traffic() -> None:
    found = report(log_of(started(replace(AB, learn_from="all")), visits("control", *CONTROL)), "x")
    assert check(found, "own learning")[0] is True


A, B = tuple("abcde"), tuple("badce")


def drafted(decision: str, user: str, a: Sequence[str] = A, b: Sequence[str] = B, **request: Any) -> Decided:
    """A slate interleaved from the control's ranking `a` and the treatment's `b`."""
    slate = team_draft.merge([a, b], 5, coin=lambda round_: uniform(decision, round_))
    names = ("control", "treatment")
    picks = tuple(Pick(one.item, at, 1.0, 0.0, team=names[one.team or 0]) for at, one in enumerate(slate))
    return replace(
        decided(decision, "interleaved", user, **request),
        picks=picks,
        rankings={"control": tuple(a), "treatment": tuple(b)},
    )


def wanting(slate: Decided, item: str) -> Rewarded:
    return clicked(slate.decision, next(pick.position for pick in slate.picks if pick.item == item))


def test_interleaving_is_judged_by_user_for_user_preference() -> None:
    # Each user has four rewarded slates; the k-th user wants the treatment's favourite in k % 5 of them. Users then
    # weigh the same, so the clustered test is a t-test of each one's share of wins.
    facts: list[AnyFact] = []
    shares = []
    for k in range(30):
        for visit in range(4):
            slate = drafted(f"d{k}-{visit}", f"u{k}", a=tuple("abcde"), b=tuple("vwxyz"))
            wanted = "treatment" if visit < k % 5 else "control"
            facts += [slate, wanting(slate, next(pick.item for pick in slate.picks if pick.team == wanted))]
        shares.append(k % 5 / 4 - 0.5)
    found = report(log_of(started(INTERLEAVED), facts, drafted("unrewarded", "u0")), "x")
    one = comparison(found, "clicks")
    expected = stats.ttest_1samp(shares, 0.0)
    assert one.difference == pytest.approx(np.mean(shares), abs=1e-12)
    assert (one.low, one.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert one.p_value == pytest.approx(expected.pvalue)
    assert one.votes is not None
    assert (one.votes.impressions, one.votes.users) == (120, 30)
    assert (one.votes.users_for_control, one.votes.users_for_treatment) == (12, 12)


def test_interleaving_finds_the_ranking_that_puts_the_wanted_item_first() -> None:
    facts: list[AnyFact] = []
    for k in range(200):
        slate = drafted(f"d{k}", f"u{k}", a=tuple("abcdefgh"), b=tuple("habcdefg"))
        facts += [slate] + [wanting(slate, "h") for pick in slate.picks if pick.item == "h"]
        facts += [clicked(f"d{k}", position) for position in range(5) if uniform("noise", k, position) < 0.1]
    found = report(log_of(started(INTERLEAVED), facts, ExperimentMoved("x", "stopped")), "x")
    assert (found.verdict.outcome, found.verdict.variant) == ("ship", "treatment")
    assert found.verdict.text.startswith("Ship 'treatment': 'treatment' is ahead of 'control' on clicks: wins ")
    assert [(one.name, one.ok) for one in found.health] == [("turns", True)]


def test_rewards_of_items_that_both_would_have_contributed_are_ties() -> None:
    facts: list[AnyFact] = []
    for k in range(20):
        slate = drafted(f"d{k}", f"u{k}", a=tuple("abcde"), b=tuple("axyzw"))
        facts += [slate, wanting(slate, "a")]
    one = comparison(report(log_of(started(INTERLEAVED), facts), "x"), "clicks")
    assert one.p_value is None
    assert "all 20 users have the same preference" in (one.reason or "")


def test_interleaved_variants_show_what_each_drafted_and_earned() -> None:
    slate = drafted("d", "u", a=tuple("abcde"), b=tuple("avwxy"), shown=False)
    a_picks = [pick for pick in slate.picks if pick.team == "control" and pick.item != "a"]
    facts = [slate, Exposed("d"), wanting(slate, "a"), wanting(slate, a_picks[0].item), clicked("d", None)]
    control, treatment = report(log_of(started(INTERLEAVED), facts), "x").variants
    assert (control.units, treatment.units, control.decisions, treatment.decisions) == (1, 1, 1, 1)
    assert control.picks == len(a_picks)
    assert control.picks + treatment.picks == 4
    assert (control.metrics[0].total, treatment.metrics[0].total) == (1.0, 0.0)


def test_json_holds_everything_and_reads_back(result: Report) -> None:
    assert msgspec.json.decode(msgspec.json.encode(result), type=Report) == result


def test_the_terminal_shows_health_before_the_verdict_and_the_verdict_before_figures(result: Report) -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(result))
    text = console.export_text()
    order = [text.index(part) for part in ("sample ratio", "ahead of", "decisions", "difference [95 % interval]")]
    assert order == sorted(order)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def world(name: str, experiment: Experiment, users: int) -> MemoryLog:
    """Users of very unequal activity and taste, to whom both variants are the same."""
    rng = np.random.default_rng(bits(name))
    facts: list[AnyFact] = []
    for k in range(users):
        user = f"{name}-{k}"
        taste = rng.beta(1, 4)
        variant = assign(replace(experiment, salt=name), user)
        assert variant is not None
        for visit in range(1 + rng.geometric(0.3)):
            decision = f"{user}-{visit}"
            if experiment.method == "interleave":
                facts.append(drafted(decision, user, b=rng.permutation(list(A)).tolist()))
            else:
                facts.append(decided(decision, variant.name, user))
            facts += [clicked(decision, int(at)) for at in np.flatnonzero(rng.random(5) < taste)]
    return log_of(started(experiment), facts)


@pytest.mark.calibration
@pytest.mark.parametrize(
    ("kind", "experiment"),
    [
        ("mean", replace(AB, metrics=(CLICKS,))),
        ("ratio", replace(AB, metrics=(RATE,))),
        ("interleave", INTERLEAVED),
    ],
)
def test_alike_variants_differ_significantly_as_often_as_alpha_says(kind: str, experiment: Experiment) -> None:
    worlds = 400
    found = [report(world(f"{kind}{k}", experiment, 100), "x") for k in range(worlds)]
    alarms = sum(one.p_value is not None and one.p_value < 0.05 for each in found for one in each.comparisons)
    low, high = stats.binom.interval(0.999, worlds, 0.05)
    assert low <= alarms <= high
    unhealthy = sum(check.ok is False for each in found for check in each.health)
    assert unhealthy <= stats.binom.ppf(0.9999, worlds, 0.001)


def test_who_signs_in_during_a_session_and_sees_the_other_side_is_left_out_of_both() -> None:
    sides = {user: assign(AB, user) for user in (f"u{k}" for k in range(200))}
    names = {
        side: [user for user, got in sides.items() if got and got.name == side] for side in ("control", "treatment")
    }
    facts: list[AnyFact] = started(AB)
    for side, users in names.items():
        for user in users:
            facts.append(decided(f"d-{user}", side, user, session=f"s-{user}"))
    # Under an id of the browser's first, then under their own, in one session.
    anonymous, known = names["control"][0], names["treatment"][0]
    facts.append(decided("again", "treatment", known, session=f"s-{anonymous}"))
    found = report(log_of(facts), "x")
    (crossing,) = [check for check in found.health if check.name == "one variant each"]
    assert crossing.text.startswith(f"2 of {len(sides)} users saw more than one variant and are left out")
    assert "2 of them as two users that turned out to be one person" in crossing.text


def test_split_is_not_judged_by_weights_that_came_later() -> None:
    sticky = replace(AB, sticky=True)
    lopsided = replace(
        sticky, variants=tuple(replace(one, weight=w) for one, w in zip(AB.variants, (0.1, 0.9), strict=True))
    )
    facts: list[AnyFact] = started(sticky)
    for k in range(200):
        facts.append(decided(f"d{k}", ("control", "treatment")[k % 2], f"u{k}"))
    facts.append(put(lopsided))
    (ratio,) = [check for check in report(log_of(facts), "x").health if check.name == "sample ratio"]
    assert ratio.ok is True
    assert ratio.text == "100 : 100 users, each under the weights when it was first assigned, fit them (p = 1)"
