"""Logs that hold just what their logger shows, each slate as often as it must: the mean over them is an expectation.

So an estimate must equal the truth under its own assumption, and miss it where the world is another.
"""

from collections.abc import Callable
from functools import cache
from itertools import permutations

import pytest
from msgspec import to_builtins

from bandstand.configuration import definitions
from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.evaluate.result import Answer, Evaluation
from bandstand.events import AnyFact, Decided, Draft, Entry, ItemPut, Request, Rewarded
from bandstand.experiments.analysis import Analysis
from bandstand.model import Model, fold
from bandstand.policy.baseline import Fixed
from bandstand.rank import decide
from bandstand.stats.sequences import always_valid
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0
LATER = NOON + 1e6  # when no reward may come any more
ITEMS = ("a", "b", "c", "d")
COPIES = {
    False: 1,
    True: 5,
}  # with reward models one for each fold, in turn, which then holds just what the logger shows
LOGGER = {"a": 2.0, "b": 1.0, "c": 1.0, "d": 1.0}
SHARES = {"a": [0.5, 0.2], "b": [0.3, 0.3], "c": [0.1, 0.4], "d": [0.1, 0.1]}
TARGET = Strategy(generators={}, policy=Fixed(SHARES))
Slate = tuple[str, str]
SLATES: list[Slate] = list(permutations(ITEMS, 2))


def chance(slate: Slate) -> float:
    """Under the target: each position's shares among the items left."""
    first, second = slate
    return SHARES[first][0] * SHARES[second][1] / sum(SHARES[item][1] for item in ITEMS if item != first)


def times(slate: Slate) -> int:
    """Under the logger, of 60: 60 is the least number of slates of which each has a whole one."""
    first, second = slate
    return round(60 * LOGGER[first] / 5 * LOGGER[second] / (5 - LOGGER[first]))


THETA = (1.0, 0.4)
WORTH = {"a": 3.0, "b": 1.0, "c": 0.5, "d": 2.0}
SECOND = {"a": 0.2, "b": 2.0, "c": 0.7, "d": 0.4}
READINGS: dict[str, Callable[[Slate], list[float]]] = {
    "position_based": lambda slate: [THETA[k] * WORTH[item] for k, item in enumerate(slate)],
    "independent": lambda slate: [WORTH[slate[0]], SECOND[slate[1]]],
    "cascade": lambda slate: [WORTH[slate[0]], WORTH[slate[1]] * (3.0 if slate[0] == "b" else 0.1)],
    "whole_slate": lambda slate: [WORTH[slate[0]] / (1 + WORTH[slate[1]]), WORTH[slate[1]] / (1 + WORTH[slate[0]])],
}
MODELLED = ("cascade_dr", "cascade_sndr", "dr", "sndr", "switch_dr", "dros", "clipped_dr", "subgaussian_dr")
RIGHT = {
    "whole_slate_ips": {"position_based", "independent", "cascade", "whole_slate"},
    "reward_interaction_ips": {"position_based", "independent", "cascade"},
    "cascade_dr": {"position_based", "independent", "cascade"},
    "cascade_sndr": {"position_based", "independent", "cascade"},
    "independent_ips": {"position_based", "independent"},
    "pseudo_inverse_ips": {"position_based", "independent"},
    "position_based_ips": {"position_based"},
}


@cache
def decisions(*, features: bool, copies: int) -> tuple[tuple[AnyFact, ...], tuple[Decided, ...]]:
    """What is put first, and decisions of the logger's own, as many of each slate as it shows."""
    strategies = {
        "logger": Fixed({item: [share] for item, share in LOGGER.items()}),
        "near": Fixed(SHARES | {"a": [0.45, 0.2]}),
    }
    made = definitions(
        Model().state,
        surfaces={"home": {"strategy": "logger", "n": 2}},
        strategies={name: {"generators": {}, "policy": to_builtins(policy)} for name, policy in strategies.items()},
    )
    put = (*made, *(ItemPut(item, {"kind": item if item in "ab" else "rest"} if features else {}) for item in ITEMS))
    model = fold(Model(), [Entry(seq, NOON, fact) for seq, fact in enumerate(put, start=1)])
    found: dict[Slate, list[Decided]] = {slate: [] for slate in SLATES}
    number = 0
    while any(len(found[slate]) < copies * times(slate) for slate in SLATES):
        decided = decide(model, Request("home", NOON, candidates=ITEMS), decision=f"d{number}")
        number += 1
        same = found[tuple(pick.item for pick in decided.picks)]
        if len(same) < copies * times(tuple(pick.item for pick in decided.picks)):
            same.append(decided)
    return put, tuple(one for same in found.values() for one in same)


def world(earned: Callable[[Slate], list[float]], *, features: bool = False, copies: int = 1) -> MemoryLog:
    log = MemoryLog()
    put, decided = decisions(features=features, copies=copies)
    log.append([Draft(fact, NOON) for fact in put])
    for one in decided:
        slate = tuple(pick.item for pick in one.picks)
        rewards = [
            Rewarded(one.decision, "click", value, "home", position=at) for at, value in enumerate(earned(slate))
        ]
        log.append([Draft(one, NOON), *(Draft(reward, NOON + 1) for reward in rewards)])
    log.append([Draft(ItemPut("late"), LATER)])
    return log


@cache
def read(reading: str, *, modelled: bool = False) -> MemoryLog:
    """The log of users who read so."""
    return world(READINGS[reading], copies=COPIES[modelled])


def ask(reading: str, estimator: str, **options: object) -> Evaluation:
    given = {"examination": THETA} if estimator.startswith("position_based") else {}
    log = read(reading, modelled=estimator in MODELLED)
    return evaluate(log, Question((TARGET,), estimator=estimator, **given | options))


def answer(reading: str, estimator: str, **options: object) -> Answer:
    return ask(reading, estimator, **options).answers[0]


def truth(earned: Callable[[Slate], list[float]]) -> float:
    return sum(chance(slate) * sum(earned(slate)) for slate in SLATES)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("estimator", RIGHT)
def test_estimate_is_exact_under_its_own_assumption_and_off_under_others(estimator: str, reading: str) -> None:
    found = answer(reading, estimator)
    off = abs(found.estimate.value - truth(READINGS[reading]))
    assert off < 1e-10 if reading in RIGHT[estimator] else off > 0.01
    assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("estimator", [name.replace("_ips", "_snips") for name in RIGHT if name.endswith("_ips")])
def test_divided_by_mean_weights_an_expectation_stays_what_it_is(estimator: str) -> None:
    found = answer("position_based", estimator)
    assert found.estimate.value == pytest.approx(truth(READINGS["position_based"]), abs=1e-10)


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr", "sndr", "mips", "snmips"])
def test_single_action_estimate_is_of_the_first_position(estimator: str) -> None:
    options = {"embedding": ("id",)} if estimator.endswith("mips") else {}
    found = ask("cascade", estimator, **options)
    assert "with the first position of a slate" in found.question
    expected = sum(SHARES[item][0] * WORTH[item] for item in ITEMS)
    if estimator.endswith("mips"):  # no item has a feature of that name, so all are alike and the logger's mean stays
        expected = sum(LOGGER[item] / 5 * WORTH[item] for item in ITEMS)
    assert found.answers[0].estimate.value == pytest.approx(expected, abs=1e-10)


def test_items_alike_in_what_matters_can_stand_for_each_other() -> None:
    log = world(lambda slate: [{"a": 1.0, "b": 0.5}.get(slate[0], 0.25), 0.0], features=True)
    found = evaluate(log, Question((TARGET,), estimator="mips", embedding=("kind",))).answers[0]
    assert found.estimate.value == pytest.approx(0.5 * 1.0 + 0.3 * 0.5 + 0.2 * 0.25, abs=1e-10)
    # c and d share a weight, (0.1 + 0.1) / (0.2 + 0.2); those of a and b are 0.5 / 0.4 and 0.3 / 0.2.
    assert {round(each.weight, 9) for each in found.details.heaviest} == {1.5}
    assert found.diagnostics.max_weight == pytest.approx(1.5)


def test_examination_is_found_from_the_loggers_own_chances() -> None:
    given = answer("position_based", "position_based_ips")
    found = answer("position_based", "position_based_ips", examination="estimate")
    assert "Examination, as this log tells it, is 1, 0.4; its own error is not in the interval." in found.notes
    assert found.estimate.value == pytest.approx(given.estimate.value, abs=1e-10)


@pytest.mark.parametrize("estimator", ["subgaussian_ips", "subgaussian_dr"])
def test_bent_weights_are_those_of_the_formula_at_every_level(estimator: str) -> None:
    found = answer("cascade", estimator)
    exact = sum(SHARES[item][0] * WORTH[item] for item in ITEMS)
    levels = {each.level: each for each in found.details.levels}
    assert list(levels) == [0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0]
    assert levels[0.0].value == pytest.approx(exact, abs=1e-10)
    assert found.estimate.value == levels[0.1].value
    if estimator == "subgaussian_ips":
        for level in (0.1, 0.5, 1.0):
            ratios = {item: SHARES[item][0] / (LOGGER[item] / 5) for item in ITEMS}
            bent = sum(LOGGER[i] / 5 * w / (1 - level + level * w) * WORTH[i] for i, w in ratios.items())
            assert levels[level].value == pytest.approx(bent, abs=1e-10)


def test_self_normalised_embedding_weights_divide_by_their_mean() -> None:
    log = world(lambda slate: [{"a": 1.0, "b": 0.5}.get(slate[0], 0.25), 0.0], features=True)
    plain, divided = (
        evaluate(log, Question((TARGET,), estimator=name, embedding=("kind",))).answers[0]
        for name in ("mips", "snmips")
    )
    assert divided.estimate.value == pytest.approx(plain.estimate.value / plain.diagnostics.mean_weight, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "subgaussian_ips", "level": 2.0}, "level == 2, must be at most 1 of subgaussian_ips"),
        ({"estimator": "snips", "level": 2.0}, "level: snips shrinks no weights; .* clipped_ips"),
        ({"level": 2.0}, "level: snips shrinks no weights"),
    ],
)
def test_level_that_means_nothing_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        evaluate(read("cascade"), Question((TARGET,), **options))


@pytest.mark.parametrize("estimator", ["clipped_ips", "clipped_dr", "switch_dr", "dros"])
def test_levels_are_shown_as_a_whole_and_a_high_one_changes_nothing(estimator: str) -> None:
    found = answer("cascade", estimator)
    exact = sum(SHARES[item][0] * WORTH[item] for item in ITEMS)
    levels = {each.level: each for each in found.details.levels}
    assert list(levels) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    if estimator != "dros":  # no weight is above 2: 0.5 / 0.4, 0.3 / 0.2, 0.1 / 0.2
        assert levels[100.0].value == pytest.approx(exact, abs=1e-10)
        assert levels[100.0].kept == 1.0
    assert levels[1.0].kept < 1.0
    assert found.estimate.value == levels[10.0].value
    assert answer("cascade", estimator, level=2.0).estimate.value == levels[2.0].value


def test_positions_add_up_to_the_slate() -> None:
    found = answer("cascade", "reward_interaction_snips")
    first, second = found.details.positions
    assert first.value == pytest.approx(sum(SHARES[item][0] * WORTH[item] for item in ITEMS))
    assert first.value + second.value == pytest.approx(found.estimate.value)
    assert first.logged + second.logged == pytest.approx(found.logged.value)
    assert first.ess > second.ess


def test_two_strategies_are_compared_on_the_same_decisions() -> None:
    log = read("cascade")
    both = evaluate(log, Question((TARGET, "random"), estimator="reward_interaction_ips"))
    names = [one.strategy for one in both.answers]
    assert names == ["given", "random"]
    against = evaluate(log, Question((TARGET,), against="random", estimator="reward_interaction_ips")).answers
    assert len(against) == 1
    one, other = both.answers
    assert against[0].difference.value == pytest.approx(one.estimate.value - other.estimate.value)


def test_strategies_that_are_alike_differ_by_less_than_either_is_known_to() -> None:
    options = {"estimator": "reward_interaction_ips", "interval": "normal"}
    found = evaluate(read("cascade"), Question((TARGET,), against="near", **options)).answers[0]
    assert found.difference.std_error < 0.2 * found.estimate.std_error


def test_difference_that_is_looked_at_all_the_time_is_of_the_same_sequence_as_an_experiment() -> None:
    options = {"estimator": "reward_interaction_ips", "interval": "anytime"}
    found = evaluate(read("cascade"), Question((TARGET,), against="near", **options)).answers[0].difference
    expected = always_valid(found.value, found.std_error, 60, horizon=Analysis().units)
    assert (found.low, found.high, found.p_value) == pytest.approx((expected.low, expected.high, expected.p_value))


def test_logger_is_no_different_from_itself() -> None:
    found = evaluate(read("cascade"), Question(("logger",), estimator="reward_interaction_ips")).answers[0]
    assert found.estimate.value == pytest.approx(found.logged.value, abs=1e-12)
    assert found.difference is None  # no spread at all
    assert found.diagnostics.unsupported == 0.0
    assert found.diagnostics.inverse_propensity_ratio == pytest.approx(1.0)


def test_pseudo_inverse_refuses_more_slates_than_it_can_go_through() -> None:
    log = MemoryLog()
    items = tuple(f"i{k}" for k in range(20))
    surfaces = {"home": {"strategy": "random", "n": 4}}
    log.append([Draft(fact, NOON) for fact in definitions(Model().state, surfaces=surfaces)])
    log.append([Draft(ItemPut(item), NOON) for item in items])
    model = fold(Model(), log.read())
    log.append([Draft(decide(model, Request("home", NOON, candidates=items), decision="d0"), NOON)])
    log.append([Draft(ItemPut("late"), LATER)])
    with pytest.raises(InputError, match="goes through all slates, and decision 'd0' could have had more than 2,000"):
        evaluate(log, Question(("random",), estimator="pseudo_inverse_ips"))


def test_chances_add_up() -> None:
    assert sum(map(chance, SLATES)) == pytest.approx(1.0)
    assert sum(map(times, SLATES)) == 60
