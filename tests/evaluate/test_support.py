"""What the log cannot support is withheld, whatever the figure; and what can be said all the same is right."""

import random
from collections.abc import Callable

import msgspec
import pytest

from bandstand import data
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.evaluate.result import Answer, Evaluation
from bandstand.events import Decided, Draft, ItemPut, Pick, Request, Rewarded
from bandstand.formats.transfer import import_
from bandstand.model import Model
from bandstand.policy.baseline import Fixed
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0
DAY_S = 86400.0
ITEMS = tuple("abcdef")
EVEN = {item: [1.0] for item in ITEMS}
LIKED = {"a": 0.6, "b": 0.5, "c": 0.4, "d": 0.3, "e": 0.2, "f": 0.1}


def fixed(shares: dict[str, list[float]]) -> Strategy:
    return Strategy(generators={}, policy=Fixed(shares))


def shop(logger: dict[str, object], *, decisions: int = 600, users: int = 200, n: int = 1) -> MemoryLog:
    """A server of six items with this policy, whose users come back, and click by taste alone."""
    engine = Engine(Model(), MemoryLog())
    surfaces = {"home": {"n": n, "strategy": "logger", "window_s": 60.0}}
    strategies = {"logger": {"generators": {}, "policy": logger}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=strategies), at=NOON)
    engine.commit([ItemPut(item) for item in ITEMS], at=NOON)
    chance = random.Random("shop")
    for k in range(decisions):
        at = NOON + 600.0 * k
        request = Request(
            "home", at, user=f"u{k % users}", candidates=ITEMS, context={"device": ("tv", "phone")[k % 2]}
        )
        decided = engine.rank(request, decision=f"d{k}", at=at)
        for pick in decided.picks:
            if chance.random() < LIKED[pick.item]:
                engine.commit([engine.reward(f"d{k}", "click", 1.0, item=pick.item)], at=at + 1)
    engine.commit([ItemPut("z")], at=NOON + 600.0 * decisions)
    assert isinstance(engine.log, MemoryLog)
    return engine.log


def ask(log: MemoryLog, strategy: str | Strategy, **options: object) -> Evaluation:
    return evaluate(log, Question((strategy,), **options))


def answer(log: MemoryLog, strategy: str | Strategy, **options: object) -> Answer:
    return ask(log, strategy, **options).answers[0]


@pytest.fixture(scope="module")
def explored() -> MemoryLog:
    """Every item alike."""
    return shop({"kind": "fixed", "table": EVEN})


@pytest.fixture(scope="module")
def blind() -> MemoryLog:
    """All but the item 'a', which is never shown."""
    return shop({"kind": "fixed", "table": {item: [1.0] for item in ITEMS[1:]}})


@pytest.mark.slow
@pytest.mark.parametrize("campaign", ["men", "women"])
@pytest.mark.parametrize("logger", ["random", "bts"])
def test_of_the_open_bandit_data_exactly_womens_bts_says_nothing_of_random(logger: str, campaign: str) -> None:
    log = MemoryLog()
    import_(log, "obd", [data.path(f"obd/{logger}/{campaign}")], now=NOON)
    found = answer(log, "random")
    assert found.refused == ((logger, campaign) == ("bts", "women"))
    if found.refused:
        assert found.diagnostics.ess == pytest.approx(2.08, abs=0.005)
        assert found.details.heaviest[0].share == pytest.approx(0.69, abs=0.005)
        assert found.bounds == pytest.approx((0.0, 1.0), abs=0.02)


def test_what_the_logger_never_shows_is_withheld_and_bounded(blind: MemoryLog) -> None:
    found = answer(blind, fixed({"a": [0.3], "b": [0.7]}))
    assert found.refused
    assert found.diagnostics.unsupported == pytest.approx(0.3)
    assert any("shows what the logger never could" in doubt for doubt in found.doubts)
    low, high = found.bounds
    # Of "a" all that the log can say is that it earns something from 0 to 1; the truth is 0.53.
    assert low <= 0.7 * 0.5 <= 0.3 + 0.7 * 0.5 <= high


def test_little_that_the_logger_never_shows_widens_what_is_said(blind: MemoryLog) -> None:
    found = answer(blind, fixed({"a": [0.005], "b": [0.4], "c": [0.595]}))
    assert not found.refused
    assert found.diagnostics.unsupported == pytest.approx(0.005)
    assert found.bounds[1] == pytest.approx(found.estimate.high + 0.005)


def test_slates_below_a_lost_prefix_are_lost_too() -> None:
    log = shop({"kind": "fixed", "table": {item: [1.0] for item in ITEMS[1:]}}, n=2, decisions=300)
    found = answer(log, fixed({item: [1.0] for item in ITEMS}))
    # Of two picks out of six alike, one is "a" in a third of all slates.
    assert found.diagnostics.unsupported == pytest.approx(1 / 3)


def test_logger_without_chance_is_told_from_one_that_explores(explored: MemoryLog) -> None:
    always = shop({"kind": "fixed", "table": {"a": [1.0]}}, decisions=150)
    found = answer(always, "random")
    assert found.refused
    assert any("100% of the decisions left nothing to chance" in note for note in found.notes)
    assert answer(explored, "random").notes == ()


def test_target_that_the_log_never_followed_has_no_estimate(blind: MemoryLog) -> None:
    found = answer(blind, fixed({"a": [1.0]}))
    assert (found.estimate, found.difference, found.bounds) == (None, None, (0.0, 1.0))
    assert found.refused


def test_model_may_speak_where_weights_cannot(blind: MemoryLog) -> None:
    found = answer(blind, fixed({"a": [0.3], "b": [0.7]}), estimator="dm")
    assert not found.refused
    assert any("a model's opinion" in note for note in found.notes)


def test_largest_weight_comes_from_the_floor_of_what_was_served() -> None:
    log = shop({"kind": "softmax", "epsilon": 0.3}, decisions=150)
    # Six items: none is shown less often than in 0.3 / 6 of the decisions.
    assert answer(log, fixed({"a": [1.0]})).max_weight == pytest.approx(20.0)
    assert answer(log, "random").max_weight == pytest.approx((1 / 6) / 0.05)


def test_largest_weight_is_unknown_of_a_logger_without_a_floor_unless_it_is_named(explored: MemoryLog) -> None:
    assert answer(explored, "random").max_weight is None
    assert answer(explored, "random", max_weight=6.0).max_weight == 6.0


def test_bound_that_a_weight_exceeds_is_refused(explored: MemoryLog) -> None:
    with pytest.raises(InputError, match="max_weight == 2, but a weight of 6 was seen"):
        answer(explored, fixed({"a": [1.0]}), max_weight=2.0)


@pytest.mark.parametrize("interval", ["likelihood", "normal", "bootstrap", "anytime"])
def test_every_interval_holds_the_truth_and_says_what_it_is(explored: MemoryLog, interval: str) -> None:
    target = fixed({"a": [0.3], "b": [0.3], "c": [0.4]})
    truth = 0.3 * 0.6 + 0.3 * 0.5 + 0.4 * 0.4
    found = answer(explored, target, interval=interval, max_weight=6.0)
    assert found.estimate.low < truth < found.estimate.high
    assert found.interval.startswith(
        {
            "likelihood": "empirical likelihood, no weight above 6, by user",
            "normal": "normal, by user",
            "bootstrap": "Poisson bootstrap of 1,000, by user",
            "anytime": "confidence sequence",
        }[interval]
    )
    plain = answer(explored, target, interval="normal").estimate
    assert 0.8 < (found.estimate.high - found.estimate.low) / (plain.high - plain.low) < 3.0


def test_a_bound_on_weights_that_nobody_can_picture_is_said_in_words(explored: MemoryLog) -> None:
    target = fixed({"a": [0.3], "b": [0.3], "c": [0.4]})
    found = answer(explored, target, interval="likelihood", max_weight=9e19)
    assert found.interval == "empirical likelihood, weights as good as unbounded, by user"


def test_interval_that_cannot_be_had_is_refused(explored: MemoryLog) -> None:
    with pytest.raises(InputError, match="needs independent rows"):
        answer(explored, "random", interval="bernstein", max_weight=6.0)
    with pytest.raises(InputError, match="this estimator's scores are not; take normal"):
        answer(explored, "random", estimator="dr", interval="likelihood")


def test_bernstein_holds_where_nobody_comes_twice() -> None:
    log = shop({"kind": "fixed", "table": EVEN}, users=600)
    for entry in log.read(limit=3000):
        assert not isinstance(entry.fact, Decided) or entry.fact.request.user is not None
    with pytest.raises(InputError, match="max_weight is inf"):
        answer(log, "random", interval="bernstein")
    found = answer(log, "random", interval="bernstein", max_weight=6.0)
    assert found.interval.startswith("empirical Bernstein")
    assert found.estimate.low < sum(LIKED.values()) / 6 < found.estimate.high


def test_segments_are_answered_for_themselves(explored: MemoryLog) -> None:
    found = ask(explored, "random", by=("device", 'context.device == "tv"'))
    segments = {one.segment: one for one in found.answers if one.segment is not None}
    assert {"device: tv", "device: phone"} <= segments.keys()
    assert segments["device: tv"].rows == segments['context.device == "tv": yes'].rows == 300
    assert segments["device: tv"].estimate == segments['context.device == "tv": yes'].estimate


def test_several_metrics_and_strategies_share_a_pass_and_correct_their_p_values() -> None:
    log = shop({"kind": "fixed", "table": EVEN}, decisions=600)
    target = fixed({"a": [1.0], "b": [1.0]})
    alone = answer(log, target).difference
    found = evaluate(log, Question((target, "random", "logger"), metrics=("worth", "click")))
    assert [(one.strategy, one.metric) for one in found.answers] == [
        (strategy, metric) for metric in ("worth", "click") for strategy in ("given", "random", "logger")
    ]
    first = found.answers[0]
    # A click is worth itself here, so both metrics are the same. Two differences of four have a spread at all.
    assert found.answers[3].estimate == first.estimate
    assert first.difference.value == alone.value
    assert first.difference.p_value == pytest.approx(2 * alone.p_value)


def test_decisions_that_may_still_earn_something_are_left_out_and_counted() -> None:
    log = shop({"kind": "fixed", "table": EVEN}, decisions=50)
    last = log.read(limit=1000)[-1].at
    facts = [
        Decided(
            "late", Request("home", last, candidates=ITEMS), "logger", (Pick("a", 0, 1 / 6, 0.0),), as_of=log.head()
        )
    ]
    log.append([Draft(fact, last) for fact in facts])
    found = ask(log, "random")
    assert found.left_out == {"pending": 1}
    assert found.decisions == 50
    assert found.pending == pytest.approx(1 / 51)
    everything = ask(log, "random", pending=True)
    assert (everything.decisions, everything.left_out) == (51, {})
    assert everything.pending == pytest.approx(1 / 51)


def test_decision_that_does_not_come_out_as_it_was_logged_is_left_out_where_the_whole_logger_is_needed() -> None:
    log = shop({"kind": "fixed", "table": EVEN}, decisions=50, n=2)
    last = log.read(limit=1000)[-1].at
    picks = (Pick("a", 0, 0.9, 0.0), Pick("b", 1, 0.9, 0.0))  # the policy says 1/6 and 1/5
    request = Request("home", last, candidates=ITEMS)
    log.append([Draft(Decided("odd", request, "logger", picks, as_of=log.head()), last)])
    log.append([Draft(ItemPut("later"), last + DAY_S)])
    assert ask(log, "random", estimator="independent_ips").left_out == {"made otherwise today": 1}
    plain = ask(log, "random")
    assert (plain.decisions, plain.left_out) == (51, {})
    assert plain.answers[0].max_weight is None


def test_slates_of_different_length_are_one_log() -> None:
    log = shop({"kind": "fixed", "table": EVEN}, decisions=120, n=3)
    last = log.read(limit=1000)[-1].at
    request = Request("home", last, candidates=ITEMS, n=1)
    log.append([Draft(Decided("short", request, "logger", (Pick("a", 0, 1 / 6, 0.0),), as_of=log.head()), last)])
    log.append([Draft(ItemPut("later"), last + DAY_S)])
    for estimator in ("reward_interaction_snips", "whole_slate_ips", "independent_snips", "cascade_dr"):
        found = answer(log, "random", estimator=estimator)
        assert found.rows == 121
        assert found.estimate.value == pytest.approx(found.logged.value, rel=0.02)
    assert [slot.rows for slot in answer(log, "random").details.positions] == [121, 120, 120]


def test_reward_of_a_whole_slate_has_no_place_where_positions_are_apart() -> None:
    log = shop({"kind": "fixed", "table": EVEN}, decisions=50, n=2)
    log.append([Draft(Rewarded("d3", "click", 1.0, "home"), NOON + 1e6)])
    with pytest.raises(InputError, match="'worth' came for slates as a whole too; take whole_slate_snips"):
        ask(log, "random", estimator="independent_ips")
    plain = answer(log, "random", estimator="pseudo_inverse_ips").logged.value
    assert plain == pytest.approx(answer(log, "random").logged.value)


def test_rewards_beyond_what_was_said_to_be_possible_are_refused(explored: MemoryLog) -> None:
    with pytest.raises(InputError, match="rewards lie between 0 and 1, must lie in"):
        answer(explored, "random", reward_range=(0.0, 0.5))


def test_marginal_chances_of_many_candidates_are_drawn_and_their_noise_is_told() -> None:
    engine = Engine(Model(), MemoryLog())
    made = definitions(
        engine.model.state,
        surfaces={"home": {"n": 3, "strategy": "logger", "window_s": 60.0}},
        strategies={"logger": {"generators": {}, "policy": {"kind": "random"}}},
    )
    items = tuple(f"i{k}" for k in range(60))
    engine.commit([*made, *map(ItemPut, items)], at=NOON)
    for k in range(30):
        decided = engine.rank(Request("home", NOON + k, candidates=items), decision=f"d{k}", at=NOON + k)
        engine.commit([engine.reward(f"d{k}", "click", 1.0, item=decided.picks[k % 3].item)], at=NOON + k)
    engine.commit([ItemPut("z")], at=NOON + DAY_S)
    found = evaluate(engine.log, Question(("random",), estimator="independent_ips")).answers[0]
    # 1 + 60 + 1,770 sets lie above the third position: the last count that is still gone through.
    assert not any("drawn slates" in note for note in found.notes)
    table = {item: [1.0] for item in items} | {"i0": [3.0]}
    engine.commit(definitions(engine.model.state, surfaces={"home": {"n": 4, "strategy": "logger"}}), at=NOON + DAY_S)
    engine.rank(Request("home", NOON + DAY_S, candidates=items, n=4), decision="long", at=NOON + DAY_S)
    engine.commit([ItemPut("y")], at=NOON + 3 * DAY_S)
    found = evaluate(engine.log, Question((fixed(table),), estimator="independent_ips")).answers[0]
    assert any("Marginal chances of 1 decisions come from drawn slates" in note for note in found.notes)
    assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=0.1)


@pytest.fixture(scope="module")
def theirs() -> Callable[[float], MemoryLog]:
    """Of another system: one item of six, all alike, with the propensity that is said."""

    def log(propensity: float) -> MemoryLog:
        found = MemoryLog()
        made = definitions(Model().state, surfaces={"home": {"n": 1}})
        found.append([Draft(fact, NOON) for fact in (*made, *map(ItemPut, ITEMS))])
        chance = random.Random("theirs")
        for k in range(400):
            item = chance.choice(ITEMS)
            request = Request("home", NOON, candidates=ITEMS)
            decided = Decided(f"d{k}", request, "x", (Pick(item, 0, propensity, 0.0),), as_of=0, imported=True)
            found.append([Draft(decided, NOON + k)])
            if chance.random() < LIKED[item]:
                found.append([Draft(Rewarded(f"d{k}", "click", 1.0, "home", position=0), NOON + k)])
        return found

    return log


def test_scores_in_place_of_propensities_are_noticed(theirs: Callable[[float], MemoryLog]) -> None:
    wrong = answer(theirs(0.4), "random")
    assert wrong.refused
    assert any("The mean weight is" in doubt for doubt in wrong.doubts)
    assert any("scores in place of probabilities" in note for note in wrong.notes)
    right = answer(theirs(1 / 6), "random")
    assert (right.doubts, right.notes) == ((), ())


@pytest.mark.parametrize("estimator", ["mips", "pseudo_inverse_ips"])
def test_estimator_that_needs_the_whole_logger_refuses_the_log_of_another_system(
    theirs: Callable[[float], MemoryLog], estimator: str
) -> None:
    with pytest.raises(InputError, match=f"{estimator} needs every chance that the logger had.*another system made"):
        answer(theirs(1 / 6), "random", estimator=estimator, embedding=("kind",))


def test_marginals_of_single_picks_are_their_propensities(theirs: Callable[[float], MemoryLog]) -> None:
    log = theirs(1 / 6)
    plain, marginal = (answer(log, fixed({"a": [2.0]} | EVEN), estimator=name) for name in ("ips", "independent_ips"))
    assert marginal.estimate.value == pytest.approx(plain.estimate.value, abs=1e-12)


def test_item_that_no_decision_ever_showed_is_mass_without_support(theirs: Callable[[float], MemoryLog]) -> None:
    log = theirs(1 / 6)
    widened = MemoryLog()
    for entry in log.read(limit=10_000):
        fact = entry.fact
        if isinstance(fact, Decided):
            request = msgspec.structs.replace(fact.request, candidates=(*ITEMS, "new"))
            fact = msgspec.structs.replace(fact, request=request)
        if entry.seq == 3:
            widened.append([Draft(ItemPut("new"), NOON)])
        widened.append([Draft(fact, entry.at)])
    assert answer(widened, "random").diagnostics.unsupported == pytest.approx(1 / 7)


def test_item_that_just_had_no_chance_yet_is_not_taken_for_one_without_support() -> None:
    found = MemoryLog()
    items = tuple(f"i{k}" for k in range(2000))
    made = definitions(Model().state, surfaces={"home": {"n": 1}})
    found.append([Draft(fact, NOON) for fact in (*made, *map(ItemPut, items))])
    for k in range(120):
        request = Request("home", NOON, candidates=items)
        decided = Decided(f"d{k}", request, "x", (Pick(items[16 * k], 0, 1 / 2000, 0.0),), as_of=0, imported=True)
        found.append([Draft(decided, NOON + k)])
        found.append([Draft(Rewarded(f"d{k}", "click", float(k % 3 == 0), "home", position=0), NOON + k)])
    assert not answer(found, "random").refused
