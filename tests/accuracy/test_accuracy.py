"""Figures are recomputed from the log by plain loops, for a generator that is plain enough: the most popular items."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec
import pytest

from bandstand.accuracy import Accuracy, accuracy
from bandstand.accuracy.figures import Row
from bandstand.accuracy.folds import dealt
from bandstand.accuracy.settings import parsed
from bandstand.candidates.registry import names
from bandstand.chance import bits
from bandstand.configuration import raw
from bandstand.errors import InputError, UnknownError
from bandstand.events import AnyFact, Draft, Interacted, ItemPut, Rewarded, SignalsPut, StrategyPut, UserPut
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0
ITEMS = 12
K = 3


def a_log(facts: Iterable[AnyFact], *, items: int = ITEMS) -> MemoryLog:
    """Items i0, i1, … and then the facts, all at noon, so that no heat has faded."""
    log = MemoryLog()
    log.append(
        [Draft(fact, NOON) for fact in (*(ItemPut(f"i{n}", {"kind": f"k{n % 3}"}) for n in range(items)), *facts)]
    )
    return log


def a_crowd(likes: int = 160, people: int = 14) -> list[Interacted]:
    """Likes by chance, of the low items more often than of the high, some of them of the same thing again."""
    return [
        Interacted(
            f"i{min(bits('item', n) % ITEMS, bits('other', n) % ITEMS)}",
            "like",
            user=f"u{bits('user', n) % people}",
            value=float(bits("value", n) % 4 > 0),
        )
        for n in range(likes)
    ]


def row(found: Accuracy, name: str, kind: str = "generator") -> Row:
    (one,) = (one for one in found.rows if (one.name, one.kind) == (name, kind))
    return one


def most_popular(counts: Counter[str], seen: set[str], *, items: int = ITEMS) -> list[str]:
    everything = [f"i{n}" for n in range(items) if f"i{n}" not in seen]
    return sorted(everything, key=lambda item: -counts[item])  # sorting is stable: of equal ones the lower row


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_each_like_is_ranked_among_what_is_left_just_before_it_is_known() -> None:
    facts = a_crowd()
    counts, seen = Counter[str](), defaultdict[str, set[str]](set)
    ranks = []
    for fact in facts:
        if fact.value > 0 and fact.item not in seen[fact.user]:
            ranks.append((most_popular(counts, seen[fact.user]).index(fact.item), ITEMS - len(seen[fact.user])))
        seen[fact.user].add(fact.item)
        counts[fact.item] += fact.value > 0
    later = ranks[int(0.8 * len(ranks)) :]

    found = accuracy(a_log(facts), generators=["popular"], k=K)
    metrics = row(found, "popular").metrics
    assert found.lists == len(later) > 10
    assert metrics["hit_rate"].value == pytest.approx(mean([rank < K for rank, _ in later]))
    assert metrics["precision"].value == pytest.approx(mean([(rank < K) / K for rank, _ in later]))
    assert metrics["ndcg"].value == pytest.approx(mean([(rank < K) / math.log2(2 + rank) for rank, _ in later]))
    assert metrics["mrr"].value == pytest.approx(mean([(rank < K) / (1 + rank) for rank, _ in later]))
    assert metrics["auc"].value == pytest.approx(mean([1 - rank / (left - 1) for rank, left in later]))


def test_each_fold_is_ranked_from_all_the_others() -> None:
    facts = a_crowd()
    log = a_log(facts)
    folds = dealt(log, 4, head=log.head()).folds
    recalls, precisions = [], []
    for fold in range(4):
        kept = [fact for fact in facts if folds[f"u:{fact.user}"].get(fact.item) != fold]
        counts = Counter(fact.item for fact in kept if fact.value > 0)
        for who, own in folds.items():
            wanted = {item for item, its in own.items() if its == fold}
            if wanted:
                seen = {fact.item for fact in kept if f"u:{fact.user}" == who}
                hits = len(wanted & set(most_popular(counts, seen)[:K]))
                recalls.append(hits / len(wanted))
                precisions.append(hits / K)

    found = accuracy(log, generators=["popular"], k=K, folds=4)
    metrics = row(found, "popular").metrics
    assert found.lists == len(recalls) > 40
    assert metrics["recall"].value == pytest.approx(mean(recalls))
    assert metrics["precision"].value == pytest.approx(mean(precisions))


def test_each_thing_that_somebody_liked_is_in_one_fold_and_the_folds_are_even() -> None:
    facts = a_crowd()
    log = a_log(facts)
    folds = dealt(log, 3, head=log.head()).folds
    liked = {(f"u:{fact.user}", fact.item) for fact in facts if fact.value > 0}
    assert {(who, item) for who, own in folds.items() for item in own} == liked
    for own in folds.values():
        sizes = [list(own.values()).count(fold) for fold in range(3)]
        assert max(sizes) - min(sizes) <= 1


def test_every_generator_and_the_strategy_of_a_fresh_installation_are_compared() -> None:
    found = accuracy(a_log(a_crowd()))
    assert {one.name for one in found.rows if one.kind == "generator"} == set(names())
    assert [one.name for one in found.rows if one.kind == "strategy"] == ["default"]
    values = [one.metrics["ndcg"].value for one in found.rows]
    assert values == sorted(values, reverse=True)
    assert found.rows[0].behind is None
    assert all(one.behind is not None and one.behind.value >= 0 for one in found.rows[1:])


def test_strategies_of_the_log_are_compared_and_those_that_ask_no_generator_are_not() -> None:
    strategies = {"mine": Strategy(generators={"popular": 1.0}), "chance": Strategy(generators={})}
    log = a_log([*(StrategyPut(name, raw(one)) for name, one in strategies.items()), *a_crowd()])
    found = accuracy(log, generators=["popular"])
    assert [one.name for one in found.rows if one.kind == "strategy"] == ["mine"]
    # A blend of one generator is that generator.
    assert row(found, "mine", "strategy").metrics == row(found, "popular").metrics


def test_what_somebody_did_before_is_never_listed_for_them_again() -> None:
    # Everybody likes i0 first and then another: with i0 listed, nobody could be right about more than k - 1.
    facts = [Interacted(item, "like", user=f"u{n}") for n in range(20) for item in ("i0", f"i{1 + n % 2}")]
    found = accuracy(a_log(facts), generators=["popular"], k=2)
    assert row(found, "popular").metrics["hit_rate"].value == 1.0
    assert row(found, "popular").coverage == 3 / ITEMS


def test_signal_that_tells_nothing_is_no_like_and_a_reward_is_one() -> None:
    facts = [
        SignalsPut({"view": 0.0}),
        *(Interacted("i1", "view", user=f"u{n}") for n in range(9)),
        *(Rewarded(f"d{n}", "click", 1.0, "home", item="i2", user=f"u{n}") for n in range(10)),
        *(Rewarded(f"e{n}", "click", 0.0, "home", item="i3", user=f"u{n}") for n in range(10)),
    ]
    found = accuracy(a_log(facts), generators=["popular"], k=1)
    assert found.lists == 2
    assert row(found, "popular").metrics["hit_rate"].value == 1.0


def test_sessions_are_people_too() -> None:
    facts = [Interacted(f"i{n % 2}", "like", session=f"s{n // 2}") for n in range(40)]
    assert accuracy(a_log(facts)).people == 4


@pytest.mark.parametrize("folds", [None, 3])
def test_what_is_written_to_the_log_meanwhile_is_not_read(folds: int | None) -> None:
    log = a_log(a_crowd())
    expected = accuracy(log, generators=["popular"], folds=folds)

    def told(done: int, total: int | None) -> None:
        log.append([Draft(Interacted("new", "like", user="new"), NOON)])

    assert accuracy(log, generators=["popular"], folds=folds, progress=told) == expected


def test_who_asked_not_to_be_known_is_listed_what_everybody_is() -> None:
    facts = [Interacted(f"i{n % 3}", "like", user=f"u{n // 3}") for n in range(60)]
    strangers = [UserPut(f"u{n}", personalize=False) for n in range(20)]
    for folds in (None, 3):
        known = accuracy(a_log(facts), generators=["collaborative"], folds=folds)
        found = accuracy(a_log([*strangers, *facts]), generators=["collaborative"], folds=folds)
        assert row(known, "collaborative").silent < 1
        assert row(found, "collaborative").silent == 1


def test_items_that_cannot_be_shown_are_left_out_and_counted() -> None:
    facts = [Interacted("elsewhere" if n % 2 else "i1", "like", user=f"u{n}") for n in range(40)]
    found = accuracy(a_log(facts), generators=["popular"])
    assert (found.lists, found.left_out) == (4, {"could not be shown": 4})
    folded = accuracy(a_log(facts), generators=["popular"], folds=2)
    assert (folded.lists, folded.left_out) == (20, {"could not be shown": 20})


def test_sample_is_spread_evenly_and_said() -> None:
    found = accuracy(a_log(a_crowd(400, 50)), generators=["popular"], most_events=10)
    assert found.lists == 10
    assert found.notes[0].startswith("10 of ")
    assert "--most-events takes more" in found.notes[0]
    folded = accuracy(a_log(a_crowd(400, 50)), generators=["popular"], most_events=30, folds=3)
    assert folded.people == 10


@pytest.mark.parametrize("folds", [None, 3])
def test_same_log_gives_the_same_answer_and_progress_ends_at_the_whole(folds: int | None) -> None:
    told: list[tuple[int, int | None]] = []
    log = a_log(a_crowd(600, 40))
    first = accuracy(log, folds=folds, progress=lambda *now: told.append(now))
    assert first == accuracy(log, folds=folds)
    assert msgspec.json.decode(msgspec.json.encode(first), type=Accuracy) == first
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    done, total = told[-1]
    assert done == total


@pytest.mark.parametrize("folds", [None, 3])
def test_settings_are_chosen_by_other_lists_than_they_are_judged_by(folds: int | None) -> None:
    # i0 to i2 are liked by everybody, so a blend that heeds popularity is right; one that heeds chance is not.
    facts = [Interacted(f"i{n % 3}", "like", user=f"u{n // 3}") for n in range(240)]
    strategy = Strategy(generators={"popular": 1.0, "discovery": 1.0})
    log = a_log([StrategyPut("mine", raw(strategy)), *facts])
    vary = dict([parsed("generators.popular=0.001,1000"), parsed("candidates=20,30")])
    found = accuracy(log, strategies=["mine"], generators=["discovery"], vary=vary, folds=folds, k=1)
    chosen = row(found, "mine", "setting")
    assert chosen.settings.startswith("chosen: generators.popular=1000, candidates=")
    assert len(found.tried) == 4
    assert "4 settings of 'mine' were tried" in found.notes[-1]
    best = [one.metrics for one in found.tried if "popular=1000," in one.settings]
    assert chosen.metrics in best  # and nothing else is known of the lists that it was chosen by
    whole = accuracy(log, strategies=["mine"], generators=["discovery"], folds=folds, k=1)
    assert found.lists == (whole.lists if folds else whole.lists // 2)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"k": 0}, InputError, "k == 0, must be from 1 to 100"),
        ({"k": 101}, InputError, "k == 101, must be from 1 to 100"),
        ({"train": 1.0}, InputError, "train == 1, must lie between 0 and 1"),
        ({"folds": 1}, InputError, "folds == 1, must be from 2 to 20"),
        ({"most_events": 1}, InputError, "most_events == 1, must be at least 2"),
        ({"alpha": 0.0}, InputError, "alpha == 0, must lie between 0 and 1"),
        ({"generators": ["magic"]}, UnknownError, "generator 'magic' is not known; known: collaborative, content"),
        ({"strategies": ["magic"]}, UnknownError, "strategy 'magic' is not defined; known: default"),
        ({"vary": {"candidates": [10]}}, InputError, "vary: 1 combinations, must be from 2 to 50"),
        ({"vary": {"candidates": [0, 10]}}, InputError, "vary candidates=0: strategy 'default' cannot be set so"),
        ({"vary": {"no.such": [1, 2]}}, InputError, "vary 'no.such': strategy 'default' has no such setting; it has:"),
        ({"vary": {"diversity.mmr": [0.1, 0.2]}}, InputError, "the lists that are judged do not depend on it"),
        ({"vary": {"such": [1, 2]}}, InputError, "strategy 'default' cannot be set so"),
    ],
)
def test_wrong_option_says_what_it_must_be(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        accuracy(a_log(a_crowd()), **options)


def test_settings_of_several_strategies_cannot_be_tried_at_once() -> None:
    log = a_log([*(StrategyPut(name, raw(Strategy())) for name in ("a", "b")), *a_crowd()])
    with pytest.raises(InputError, match=r"vary: there are 2 strategies \(a, b\); name one"):
        accuracy(log, vary={"candidates": [10, 20]})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ([], "holds no interaction or reward above 0 of any user or session, must hold some; `bandstand import`"),
        ([Interacted("i1", "like", user="u", value=0.0)], "holds no interaction or reward above 0"),
        ([Interacted("i1", "like")], "holds no interaction or reward above 0 of any user or session"),
        ([Interacted(f"i{n}", "like", user="u") for n in range(9)], "all 9 likes are by one person, must be by 2"),
        (
            [Interacted(f"x{n}", "like", user=f"u{n}") for n in range(9)],
            "0 lists for 0 people can be judged; left out: 2",
        ),
    ],
)
def test_log_that_says_too_little_says_what_is_missing(facts: list[AnyFact], words: str) -> None:
    with pytest.raises(InputError, match=words):
        accuracy(a_log(facts))


def test_setting_is_read_as_a_name_and_its_values() -> None:
    assert parsed("blend.k=30, 60") == ("blend.k", [30, 60])
    assert parsed("policy.type=softmax,true,0.5") == ("policy.type", ["softmax", True, 0.5])
    for wrong in ("candidates", "=1", "candidates="):
        with pytest.raises(InputError, match="must be NAME=VALUE,VALUE such as candidates=100,200"):
            parsed(wrong)
