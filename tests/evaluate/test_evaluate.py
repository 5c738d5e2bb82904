"""Evaluation is anchored in published values, in exact expectations, and in what a strategy says of its own log."""

import json
from collections.abc import Callable, Sequence
from io import StringIO
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bandstand import data
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.errors import InputError, UnknownError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.evaluate.render import render
from bandstand.evaluate.result import Answer, Evaluation
from bandstand.events import AnyFact, Assignment, Decided, Draft, Exposed, ItemPut, Pick, Request, Rewarded
from bandstand.formats.transfer import import_
from bandstand.model import Model
from bandstand.policy.baseline import Fixed, Random
from bandstand.policy.explore import EpsilonGreedy
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "obd_men.json").read_text())["cases"]
ITEMS = ("a", "b", "c")


def ask(log: MemoryLog, strategy: str | Strategy, **options: object) -> Evaluation:
    return evaluate(log, Question((strategy,), **options))


def answer(log: MemoryLog, strategy: str | Strategy, **options: object) -> Answer:
    """The one over all decisions."""
    return ask(log, strategy, **options).answers[0]


@pytest.fixture(scope="module")
def campaign() -> Callable[[str], MemoryLog]:
    """The men's campaign as each of its loggers recorded it."""
    logs: dict[str, MemoryLog] = {}

    def log(logger: str) -> MemoryLog:
        if logger not in logs:
            logs[logger] = MemoryLog()
            import_(logs[logger], "obd", [data.path(f"obd/{logger}/men")], now=NOON)
        return logs[logger]

    return log


@pytest.mark.parametrize(
    ("logger", "target", "estimator", "name"),
    [("random", "bts", "ips", "ipw"), ("bts", "random", "snips", "snipw")],
)
def test_open_bandit_campaign_gives_the_published_estimates(
    campaign: Callable[[str], MemoryLog], logger: str, target: str, estimator: str, name: str
) -> None:
    case = REFERENCE[f"men:{logger}->{target}"]
    found = answer(campaign(logger), target, estimator=estimator)
    assert found.estimate.value == pytest.approx(case["estimates"][name], abs=1e-9)
    assert found.logged.value == pytest.approx(case["on_policy_logging"]["mean"], abs=1e-12)
    assert found.logged.std_error == pytest.approx(case["on_policy_logging"]["se"], abs=1e-12)
    assert found.rows == case["n"]
    assert found.diagnostics.events == case["on_policy_logging"]["clicks"]
    assert not found.refused


def test_logger_evaluated_on_its_own_imported_log_weighs_every_row_alike(
    campaign: Callable[[str], MemoryLog],
) -> None:
    found = answer(campaign("random"), "random")
    assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=1e-12)
    assert found.diagnostics.ess == pytest.approx(10_000)
    assert found.estimate.value == pytest.approx(found.logged.value, abs=1e-12)
    assert found.diagnostics.inverse_propensity_ratio == pytest.approx(1.0)
    assert found.doubts == ()


def test_strategy_taught_by_imported_traffic_is_evaluated_with_the_weights_of_each_moment(
    campaign: Callable[[str], MemoryLog],
) -> None:
    learned = ask(campaign("random"), "default")
    # Had it no weights, it would be indifferent between all 34 items, as the logger is.
    assert learned.answers[0].diagnostics.ess < 5_000
    assert "with the weights that it had at each moment" in learned.question


def shop(**surface: object) -> MemoryLog:
    log = MemoryLog()
    made = definitions(Model().state, surfaces={"home": {"n": 2, **surface}})
    log.append([Draft(fact, NOON) for fact in (*made, *(ItemPut(item) for item in ITEMS))])
    return log


def append(log: MemoryLog, *facts: AnyFact, at: float = NOON) -> None:
    log.append([Draft(fact, at) for fact in facts])


def slate(decision: str, items: Sequence[str], propensities: Sequence[float], **fields: object) -> Decided:
    """A slate of another system's, from the candidates a, b and c."""
    options = {name: fields.pop(name) for name in ("user", "shown", "surface") if name in fields}
    request = Request(**{"surface": "home", "time": NOON, "candidates": ITEMS} | options)
    picks = tuple(Pick(item, at, p, 0.0) for at, (item, p) in enumerate(zip(items, propensities, strict=True)))
    return Decided(decision, request, "theirs", picks, as_of=0, imported=True, **fields)


def reward(decision: str, value: float, position: int | None = None, name: str = "click") -> Rewarded:
    return Rewarded(decision, name, value, "home", position=position)


def uniform(log: MemoryLog, earned: Callable[[tuple[str, ...]], list[Rewarded]], **fields: object) -> None:
    """Every slate of two out of three items once: just what a uniform logger shows in six decisions."""
    for number, items in enumerate(permutations(ITEMS, 2)):
        append(log, slate(f"d{number}", items, [1 / 3, 1 / 2], **fields))
        for one in earned(items):
            append(log, msgspec.structs.replace(one, decision=f"d{number}"))


TARGET = Strategy(generators={}, policy=Fixed({"a": [0.6, 0.2], "b": [0.3, 0.3], "c": [0.1, 0.5]}))
# Without replacement: P(first), then the second position's shares among the items left.
TARGET_SLATES = {
    ("a", "b"): 0.6 * 0.3 / 0.8,
    ("a", "c"): 0.6 * 0.5 / 0.8,
    ("b", "a"): 0.3 * 0.2 / 0.7,
    ("b", "c"): 0.3 * 0.5 / 0.7,
    ("c", "a"): 0.1 * 0.2 / 0.5,
    ("c", "b"): 0.1 * 0.3 / 0.5,
}


def test_slates_whose_rewards_depend_on_the_picks_above_are_estimated_without_bias() -> None:
    worth = {"a": 3.0, "b": 1.0, "c": 0.5}

    def cascade(items: tuple[str, ...]) -> list[float]:
        """The second pick earns less below a good first one."""
        return [worth[items[0]], worth[items[1]] / (1 + worth[items[0]])]

    log = shop()
    uniform(log, lambda items: [reward("", value, at) for at, value in enumerate(cascade(items))])
    truth = sum(p * sum(cascade(items)) for items, p in TARGET_SLATES.items())
    # The log is the uniform logger's distribution itself, so the mean over it is the estimator's expectation.
    found = answer(log, TARGET, estimator="reward_interaction_ips")
    assert found.estimate.value == pytest.approx(truth, abs=1e-12)
    # Both weights have mean 1 over the logger's distribution, so normalising changes nothing.
    assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=1e-12)
    assert answer(log, TARGET).estimate.value == pytest.approx(truth, abs=1e-12)


def test_reward_for_the_whole_slate_is_weighted_by_the_whole_slate() -> None:
    value = {items: 1.0 + number for number, items in enumerate(permutations(ITEMS, 2))}
    log = shop(default_reward=7.0)  # which a slate with a reward of its own does not get
    uniform(log, lambda items: [reward("", value[items])])
    truth = sum(p * value[items] for items, p in TARGET_SLATES.items())
    found = answer(log, TARGET)
    assert found.estimate.value == pytest.approx(truth, abs=1e-12)
    assert found.logged.value == pytest.approx(3.5)


def test_rewards_count_at_the_surfaces_worth_however_late_and_the_default_where_none_came() -> None:
    log = shop(rewards={"click": 2.0}, default_reward=-1.0, window_s=60.0)
    append(log, slate("d0", "ab", [1 / 3, 1 / 2]), slate("d1", "ba", [1 / 3, 1 / 2]))
    append(log, reward("d0", 1.0, 0), reward("d0", 1.0, 0), reward("d1", 1.0, 1, name="look"), at=NOON + 10_000)
    # d0: two clicks worth 2, and -1 for the second pick; d1: -1, and 0 for a name that is worth nothing.
    assert answer(log, "random").logged.value == pytest.approx(((2 + 2 - 1) + (-1 + 0)) / 2)


def test_interleaved_empty_and_unseen_slates_are_left_out_and_counted() -> None:
    log = shop()
    uniform(log, lambda items: [reward("", float("ab".find(items[0])), 0)])
    alone = answer(log, TARGET)
    append(
        log,
        slate("mixed", "ab", [1 / 3, 1 / 2], assignments=(Assignment("x", "interleaved", "default"),)),
        slate("empty", "", [], empty="nothing there"),
        slate("unseen", "ab", [1 / 3, 1 / 2], shown=False),
        reward("unseen", 5.0, 0),
    )
    found = ask(log, TARGET)
    assert found.left_out == {"interleaved": 1, "empty": 1, "not shown": 1}
    assert (found.answers[0].estimate, found.decisions) == (alone.estimate, 6)


def test_slate_that_was_shown_later_is_evaluated_with_default_rewards_for_what_was_seen() -> None:
    log = shop(default_reward=1.0)
    for number, exposed in enumerate((Exposed("d0"), Exposed("d1", (0,)))):
        append(log, slate(f"d{number}", "ab", [1 / 3, 1 / 2], shown=False), exposed)
    found = answer(log, "random")
    assert (found.rows, found.logged.value) == (2, pytest.approx((2 + 1) / 2))


def test_decisions_of_one_user_are_not_taken_for_independent() -> None:
    once, often = shop(), shop()
    for number, items in enumerate(permutations(ITEMS, 2)):
        for log, times in ((once, 1), (often, 4)):
            for time in range(times):
                append(log, slate(f"{number}/{time}", items, [1 / 3, 1 / 2], user=f"u{number}"))
                append(log, reward(f"{number}/{time}", number, 0))
    # To see each user four times over tells nothing new about users.
    for estimator in ("reward_interaction_ips", "reward_interaction_snips"):
        errors = [
            answer(log, TARGET, estimator=estimator, interval="normal").estimate.std_error for log in (once, often)
        ]
        assert errors[0] == pytest.approx(errors[1])


@pytest.fixture(scope="module")
def served() -> Engine:
    """A server that learns from users who like items with an even number."""
    engine = Engine(Model(), MemoryLog())
    surfaces = {"home": {"n": 3, "window_s": 30.0}}
    bold = {"policy": {"kind": "epsilon_greedy", "epsilon": 0.1}, "learning": {"bits": 12, "rate": 0.5}}
    strategies = {"soft": {"policy": {"kind": "softmax"}}, "default": bold}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=strategies), at=NOON)
    engine.commit([ItemPut(f"i{k}", {"even": k % 2 == 0}) for k in range(12)], at=NOON)
    for k in range(150):
        at = NOON + 5 * k
        decided = engine.rank(Request("home", at, user=f"u{k % 9}"), decision=f"d{k}", at=at)
        liked = [pick for pick in decided.picks if int(pick.item[1:]) % 2 == 0]
        engine.commit([engine.reward(f"d{k}", "click", 1.0, item=pick.item) for pick in liked], at=at + 1)
        if k % 4 == 0:
            engine.model.publish()
    return engine


def test_server_would_have_earned_what_it_earned(served: Engine) -> None:
    for estimator in ("reward_interaction_ips", "reward_interaction_snips"):
        found = answer(served.log, "default", estimator=estimator)
        assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=1e-9)
        assert found.diagnostics.max_weight == pytest.approx(1.0, abs=1e-9)
        assert found.estimate.value == pytest.approx(found.logged.value, abs=1e-9)


def test_another_policy_is_tried_on_the_weights_of_one_that_learned(served: Engine) -> None:
    default = Strategy(policy=EpsilonGreedy(0.1))
    same = answer(served.log, default, weights="default")
    assert same.estimate.value == pytest.approx(same.logged.value, abs=1e-9)
    question = ask(served.log, default, weights="default").question
    assert "with the weights that 'default' had at each moment" in question
    chance = answer(served.log, Strategy(policy=Random()))
    assert chance.estimate.value < same.estimate.value


def test_estimate_that_cannot_be_believed_says_why(served: Engine) -> None:
    doubts = answer(served.log, "popular").doubts
    assert any("effective sample size" in doubt for doubt in doubts)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"strategy": "bold"}, UnknownError, "'bold' is not in the log; known: default, popular, random, soft"),
        ({"surface": "hmoe"}, UnknownError, "surface 'hmoe': the log has no decisions on it; it has on: home"),
        ({"metrics": ("buy",)}, UnknownError, "metric 'buy': no reward of that name came; known: worth, click"),
        ({"estimator": "best"}, UnknownError, "estimator 'best' is not known; known: ips, snips"),
        ({"against": "bold"}, UnknownError, "strategy 'bold' is not in the log"),
        ({"against": "random"}, InputError, "strategy: random, random named, must be different ones"),
        ({"by": ("devise",)}, UnknownError, "by 'devise': no decision has it in its context; known: .*daypart"),
        ({"by": ("item.price > 3",)}, InputError, "asks about an item, must be about context or user"),
        ({"max_weight": 0.5}, InputError, "max_weight == 0.5, must be > 1"),
        ({"level": -1.0, "estimator": "clipped_ips"}, InputError, "level == -1, must be finite and > 0"),
        ({"reward_range": (1.0, 0.0)}, InputError, "reward_range == .*, must be finite and rise"),
        ({"estimator": "position_based_ips"}, InputError, "needs the chance that each position is looked at"),
        ({"estimator": "mips"}, InputError, "knows items by their features; name some"),
        ({"weights": "soft"}, UnknownError, "weights 'soft': nothing ever taught them; known: default"),
        ({"strategy": Strategy()}, InputError, "weights: a strategy without a name has none of its own; name some"),
        ({"alpha": 1.5}, InputError, "alpha"),
    ],
)
def test_question_that_the_log_cannot_answer_is_refused(
    served: Engine, options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        answer(served.log, **{"strategy": "random"} | options)


def test_surface_must_be_named_where_there_are_several() -> None:
    log = shop()
    append(log, slate("d0", "ab", [1 / 3, 1 / 2]), slate("d1", "ab", [1 / 3, 1 / 2], surface="related"))
    with pytest.raises(InputError, match="name one of those on which the log has decisions: home, related"):
        answer(log, "random")


def test_log_without_decisions_is_refused() -> None:
    with pytest.raises(InputError, match="it holds no decision, must hold some; serve some, or"):
        answer(shop(), "random")
    log = shop()
    append(log, slate("d0", "ab", [1 / 3, 1 / 2], shown=False))
    with pytest.raises(InputError, match="surface 'home': no decision can be evaluated; left out: 1 not shown"):
        answer(log, "random")


def test_log_without_rewards_withholds_the_estimate() -> None:
    log = shop()
    uniform(log, lambda items: [])
    found = answer(log, TARGET)
    assert found.refused
    assert any("Only 0 weighted row(s) have a reward" in doubt for doubt in found.doubts)
    assert found.bounds == (0.0, 2.0)  # two picks, each worth from 0 to the 1 that is taken for possible


def test_evaluation_reads_within_80_columns_and_as_json(served: Engine) -> None:
    evaluation = ask(served.log, "popular", alpha=0.1)
    console = Console(width=80, file=StringIO())
    console.print(render(evaluation))
    text = console.file.getvalue()
    assert "90% interval" in text
    assert "144 decisions of 9 users" in text
    assert "left out: 6 pending" in text
    assert "withheld" in text
    assert "✗ " in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert msgspec.json.decode(msgspec.json.encode(evaluation), type=Evaluation) == evaluation


def test_progress_tells_decisions_done(served: Engine) -> None:
    told: list[tuple[int, int | None]] = []
    evaluate(served.log, Question(("random",)), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (150, 150)
