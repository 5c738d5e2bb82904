"""An interleaving's report: by the method that was named, at every look, and by the coins alone."""

from io import StringIO
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console
from scipy import stats

from bandstand.chance import bits, uniform
from bandstand.erasure import erase
from bandstand.events import Assignment, Decided, Draft, Exposed, Interleaved, Pick, Request, Rewarded
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Interleave
from bandstand.experiments.interleaving.registry import mixed
from bandstand.experiments.metrics import Metric
from bandstand.report import Comparison, Report, digest, report
from bandstand.report.coins import tossed
from bandstand.report.interleaved import guarded, preferred
from bandstand.report.keeping import Keeping
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.report.slates import Slate, slates
from bandstand.state import mark
from bandstand.stats.coin_sequence import coin_sequence
from bandstand.stats.interleaving import Preference, preference_sequence
from bandstand.stats.moments import Moments
from bandstand.store.memory import MemorySnapshots

from .logs import CLICKS, START, At, check, comparison, experiment, log_of, reported

ONCE, ALWAYS = Analysis("fixed", units=100), Analysis(units=300)
LEFT, RIGHT = tuple("abcdefgh"), tuple("stuvwxyz")


def trial(analysis: Analysis = ALWAYS, **fields: Any) -> Any:
    return experiment(analysis=analysis, method="interleave", **fields)


def slate(
    decision: str,
    user: str,
    a: Any = LEFT,
    b: Any = RIGHT,
    *,
    n: int = 6,
    at: float = START,
    interleave: Interleave = "team_draft",
) -> Decided:
    made = mixed(interleave, [a, b], n, coin=lambda toss: uniform(decision, toss))
    names = {None: None, 0: "control", 1: "treatment"}
    picks = tuple(Pick(one.item, k, 1.0, 0.0, team=names[one.team]) for k, one in enumerate(made.placed))
    rankings = {"control": tuple(a), "treatment": tuple(b)}
    assigned = (Assignment("x", "control", "popular"),)
    request = Request("home", at, user=user)
    how = Interleaved(interleave) if interleave != "team_draft" else None
    return Decided(decision, request, "popular", picks, 0, assignments=assigned, rankings=rankings, interleaved=how)


def clicked(decision: str, position: int, *, at: float = START) -> At:
    return at, Rewarded(decision, "click", 1.0, "home", position)


def wins(treatment: int, control: int) -> list[At]:
    """So many users with one slate each, whose highest pick of the one or the other side is clicked."""
    facts: list[At] = []
    for k in range(treatment + control):
        one, at = slate(f"d{k}", f"u{k}"), START + k
        side = "treatment" if k < treatment else "control"
        position = next(pick.position for pick in one.picks if pick.team == side)
        facts += [(at, one), clicked(f"d{k}", position, at=at)]
    return facts


def votes(found: Report) -> Any:
    assert comparison(found).votes is not None, comparison(found).reason
    return comparison(found).votes


def test_by_its_coins_a_fixed_interleaving_has_the_sign_test_where_nothing_is_shared() -> None:
    # A click in the k-th round is a fair coin's to give, whatever the rounds above it were.
    found = reported(trial(ONCE), wins(70, 40))
    assert votes(found).coins_p_value == pytest.approx(stats.binomtest(70, 110).pvalue)


def test_an_interleaving_that_is_always_valid_is_so_by_users_and_by_coins() -> None:
    found = reported(trial(), wins(80, 40))
    expected = preference_sequence([0] * 80 + [1] * 40, [1] * 80 + [0] * 40, [1] * 120, horizon=300)
    one = comparison(found)
    assert (one.difference, one.low, one.high, one.p_value) == pytest.approx(
        (expected.value, expected.low, expected.high, expected.p_value)
    )
    by_coins = coin_sequence([[0.5, 0.0, 0.5]] * 120, [1] * 80 + [-1] * 40, horizon=300)
    assert votes(found).coins_p_value == pytest.approx(by_coins)


def test_coins_that_decided_nothing_or_are_too_many_to_count_give_no_p_value() -> None:
    facts: list[At] = []
    for k in range(120):
        long = [f"{side}{place}" for side in "ab" for place in range(40)]
        one = slate(f"d{k}", f"u{k}", long[:40], long[40:], n=60)
        facts += [(START + k, one), clicked(f"d{k}", 50 + k % 10, at=START + k)]
    assert votes(reported(trial(ONCE), facts)).coins_p_value is None
    drawn = alike("drawn", 120, interleave="probabilistic")
    assert votes(reported(trial(ONCE, interleave="probabilistic"), drawn)).coins_p_value is None


def test_a_fixed_interleaving_gives_no_verdict_before_its_planned_end() -> None:
    early, late = (reported(trial(ONCE), wins(n, 5)) for n in (60, 95))
    assert early.verdict.outcome == "keep running"
    assert "65 of the planned 100 users took part, and a fixed test holds for one look" in early.verdict.text
    assert late.verdict.outcome == "ship"


def test_the_report_says_by_which_method_it_is_to_be_read() -> None:
    for rule, read, looks in ((ONCE, "holds for one look", "one look"), (ALWAYS, "hold at every look", "every look")):
        found = reported(trial(rule), wins(80, 40))
        console = Console(width=80, record=True, file=StringIO())
        console.print(render(found))
        text = console.export_text()
        assert max(map(len, text.splitlines())) <= 80
        for shown in (" ".join(text.split()), page(found)):
            assert read in shown
            assert "won 66.7 % of 120 rewarded slates, preferred by 80 users, the control by 40; by the coins" in shown
            assert f"(exact, for {looks})" in shown


def test_who_won_is_said_where_coins_cannot_be_counted_too() -> None:
    facts = [(START + k, slate(f"d{k}", f"u{k}", interleave="probabilistic", at=START + k)) for k in range(30)]
    found = reported(
        trial(ONCE, interleave="probabilistic"), [*facts, *(clicked(f"d{k}", 0, at=START + k) for k in range(30))]
    )
    assert votes(found).coins_p_value is None
    text = page(found)
    assert f"won {100 * votes(found).win_rate:.1f} % of 30 rewarded slates" in text
    assert "by the coins alone" not in text


def test_the_page_of_an_interleaving_shows_how_its_share_came_to_be() -> None:
    rail = Metric("rail", "hide", role="guardrail", better="lower")
    made = log_of(trial(metrics=(CLICKS, rail)), wins(80, 40), end=START + 200)
    found = report(made, "x", history=True)
    assert found.timeline[-1].value == comparison(found).difference
    assert found.entered[-1].units == (120, 120)
    last = next(each for each in found.entered if each.units[0] == 120)
    assert sum(1 for each in found.entered if each.at < last.at and each.units[0] > each.at - START + 1) == 0
    text = page(found)
    for title in ("clicks: the interval over time", "All metrics", "Users that took part"):
        assert title in text
    assert text.count("share won, %") == 2
    assert text.count("<svg") == 3


def test_the_timeline_of_an_interleaving_is_of_the_slates_that_had_been_shown() -> None:
    # The first hundred users prefer the treatment, the next hundred the control.
    facts = wins(100, 100)
    found = report(log_of(trial(), facts, end=START + 199), "x", history=True)
    middle = min(found.timeline, key=lambda point: abs(point.at - START - 99.5))
    so_far = reported(trial(), [(at, fact) for at, fact in facts if at <= middle.at])
    assert middle.value == comparison(so_far).difference
    assert middle.low == comparison(so_far).low
    assert found.timeline[-1].value == 0.0


def test_a_slate_counts_from_the_moment_at_which_it_was_first_shown() -> None:
    waiting = replace(slate("d0", "u0"), request=Request("home", START, user="u0", shown=False))
    exposed = [(START + 50, Exposed("d0", (0,))), (START + 60, Exposed("d0", (1,)))]
    (one,) = slates(log_of(trial(), [(START, waiting), *exposed]), trial(), upto=100).values()
    assert one.at == START + 50


def test_a_balanced_interleaving_is_told_to_be_confirmed() -> None:
    biased, fair = (reported(trial(interleave=how), wins(8, 4)) for how in ("balanced", "team_draft"))
    ok, text = check(biased, "balanced")
    assert ok is None
    assert "confirm the result by team_draft or an A/B test" in text
    assert [one.name for one in fair.health] == ["turns"]


def test_slates_that_begin_too_often_with_one_side_break_the_report() -> None:
    # As where the slates of one order are served from a cache, or fall out on the way.
    fair = reported(trial(), wins(80, 40))
    assert check(fair, "turns")[0] is True
    kept = [(at, fact) for at, fact in wins(80, 80) if not isinstance(fact, Decided) or fact.picks[0].team == "control"]
    foul = reported(trial(), kept)
    ok, text = check(foul, "turns")
    assert (ok, foul.verdict.outcome) == (False, "broken")
    assert "look whether slates are cached, reordered or lost on the way" in text


def alike(name: str, users: int, **options: Any) -> list[At]:
    """Rankings that differ at random from visit to visit, before users of unequal activity and taste."""
    chance = np.random.default_rng(bits(name))
    facts: list[At] = []
    for k in range(users):
        taste = chance.beta(1, 4)
        for visit in range(int(chance.geometric(0.4))):
            decision, at = f"{name}-{k}-{visit}", START + 10.0 * k + visit
            orders = (chance.permutation(LEFT).tolist() for _ in range(2))
            facts.append((at, slate(decision, f"u{k}", *orders, at=at, **options)))
            facts += [clicked(decision, int(p), at=at) for p in np.flatnonzero(chance.random(6) < taste)]
    return facts


def looked_at(name: str, users: int, **fields: Any) -> tuple[Any, list[Slate], list[int]]:
    """The slates of an experiment in which nothing differs, and up to where each of a hundred looks sees them."""
    rule = trial(Analysis(units=200), **fields)
    every = list(slates(log_of(rule, alike(name, users, **fields)), rule, upto=1 << 40).values())
    return rule, every, np.linspace(200, len(every), 100, dtype=int).tolist()


@pytest.mark.parametrize("rule", [ALWAYS, Analysis("fixed", units=10_000)], ids=lambda rule: rule.method)
def test_a_guardrail_of_an_interleaving_raises_the_alarm_at_any_look(rule: Analysis) -> None:
    rail = Metric("rail", "click", role="guardrail")
    asked = {"treatment": 30, "control": 170}
    found = reported(trial(rule, metrics=(Metric("orders", "order"), rail)), wins(**asked))
    one = comparison(found, "rail")
    assert (one.alarm, one.harmed, found.verdict.outcome) == (True, True, "stop")
    assert found.verdict.text.startswith("Stop, keep 'control': Guardrail rail fell with 'treatment': 15.0 % [")
    hides = replace(rail, better="lower")  # of which the treatment has the fewer
    well = comparison(reported(trial(rule, metrics=(Metric("orders", "order"), hides)), wins(**asked)), "rail")
    assert (well.alarm, well.harmed) == (False, False)
    few = comparison(reported(trial(rule, metrics=(Metric("orders", "order"), rail)), wins(10, 60)), "rail")
    assert few.alarm is False  # it begins where always-valid intervals do


def test_alarms_of_an_interleaving_share_alpha_out() -> None:
    # 1,000 worlds of 400 users who click on either side alike: one-sided, at 20 looks, of two guardrails.
    worlds, alarms = 1000, 0
    rails = tuple(Metric(better, "click", role="guardrail", better=better) for better in ("higher", "lower"))
    rule = trial(Analysis(units=400), metrics=rails)
    for world in range(worlds):
        votes = np.random.default_rng(bits(f"alarms {world}")).integers(0, 2, 400) - 0.5
        for look in range(20, 401, 20):
            seen = Moments.of(votes[:look])
            one = Preference(seen.mean, 0.0, 0.0, 1.0, seen.std_error, look, look, 0, 0, 1.0)
            if any(guarded(rule, rail, Comparison(rail.name, "guardrail", "t", "c"), one).alarm for rail in rails):
                alarms += 1
                break
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.05)


@pytest.mark.calibration
def test_an_interleaving_of_alike_rankings_alarms_within_alpha_under_a_hundred_looks() -> None:
    worlds, alarms = 60, 0
    for world in range(worlds):
        rule, every, looks = looked_at(f"looks {world}", 200, interleave="probabilistic")
        alarms += any(preferred(rule, CLICKS, every[:upto]).significant for upto in looks)
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.05)


@pytest.mark.calibration
def test_coins_of_alike_rankings_alarm_within_alpha_under_a_hundred_looks() -> None:
    worlds, alarms = 60, 0
    for world in range(worlds):
        _, every, looks = looked_at(f"coins {world}", 120)
        found = tossed(CLICKS, every)
        assert found is not None
        upto = (max(1, len(found.results) * look // len(every)) for look in looks)
        alarms += any(coin_sequence(found.chances[:n], found.results[:n], horizon=200) < 0.05 for n in upto)
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.05)


@pytest.mark.parametrize("interleave", ["team_draft", "balanced", "probabilistic"])
def test_an_interleaving_from_a_digest_is_the_one_from_the_log(
    interleave: Interleave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandstand.report.digest._DRAFTS", 7)  # on several pages
    rule = trial(Analysis("fixed", units=40), interleave=interleave)
    facts = alike("kept", 60, interleave=interleave)
    log, snapshots = log_of(rule, facts[:150]), MemorySnapshots()
    keeping = Keeping(log, snapshots, least=30)
    assert keeping.turn([rule]) == ["x"]
    known = digest.newest(snapshots, log, "x")
    assert known is not None
    assert len(known.drafts.slates) > 14
    log.append([Draft(fact, at) for at, fact in facts[150:]])
    log.append([Draft(Exposed("kept-0-0", (0, 1)), START), Draft(clicked("kept-0-0", 1)[1], START)])
    log.append([Draft(erase(log, "u3", pseudonym="erased-1"), START)])
    assert report(log, "x").comparisons[0].told
    assert report(log, "x", snapshots=snapshots) == report(log, "x")
    assert keeping.turn([rule]) == ["x"]
    known = digest.newest(snapshots, log, "x")
    assert known is not None
    assert not any(slate.unit in ("u3", mark("u3")) for slate in known.drafts.slates.values())
    assert report(log, "x", snapshots=snapshots) == report(log, "x")
