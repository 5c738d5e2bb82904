"""Strategies that learn from the log as they go through it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from bandstand.ask import understand
from bandstand.chance import uniform
from bandstand.cli import bandstand
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.learning import EVALUATED, learning, recipe
from bandstand.evaluate.learning import Learning as Learned
from bandstand.evaluate.past import WORTH, Past
from bandstand.evaluate.question import Question
from bandstand.events import ItemPut, Request
from bandstand.model import Model
from bandstand.policy import Probabilities, Scores, Slot
from bandstand.policy.explore import EpsilonGreedy
from bandstand.policy.learning import Learning
from bandstand.rank import slate_propensities
from bandstand.replay import Revisited
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0
ITEMS = ("a", "b", "c", "d")
LEARNS = Strategy(policy=EpsilonGreedy(0.2), learning=Learning(bits=10, rate=0.5))
PUBLISH_EVERY = 10
SEEDS = range(6)


def served(strategy: str, *, visits: int, seed: int, engine: Engine | None = None) -> Engine:
    """On the phone "a" is liked by 7 in 10, on the desktop "d"; anything else by 2."""
    engine = engine or Engine(Model(), MemoryLog())
    surfaces = {"home": {"n": 1, "window_s": 5.0, "strategy": strategy}}
    strategies = {"learns": {"policy": {"kind": "epsilon_greedy", "epsilon": 0.2}, "learning": LEARNS.learning}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=strategies), at=NOON)
    engine.commit([ItemPut(item, {"name": item}) for item in ITEMS], at=NOON)
    for number in range(visits):
        at = NOON + 10 * number
        device = "phone" if uniform("device", seed, number) < 0.5 else "desktop"
        request = Request("home", at, user=f"u{number}", context={"device": device}, candidates=ITEMS)
        (pick,) = engine.rank(request, decision=f"{seed}/{number}", at=at).picks
        best = {"phone": "a", "desktop": "d"}[device]
        if uniform("liked", seed, number, pick.item) < (0.7 if pick.item == best else 0.2):
            engine.commit([engine.reward(f"{seed}/{number}", "click", 1.0, position=0)], at=at + 1)
        if number % PUBLISH_EVERY == PUBLISH_EVERY - 1:
            engine.model.publish()
    return engine


def past_of(engine: Engine) -> Past:
    past = Past.read(engine.log, "home")
    past.place()
    return past


def reward(past: Past, visit: Revisited) -> float:
    return float(past.earned(visit.fact, past.positions_seen(visit.fact), past.surfaces["home"], (WORTH,)).picks.sum())


def weight(visit: Revisited) -> float:
    asked = understand(visit.model.state, visit.fact.request, visit.fact.decision)
    (pick,) = visit.fact.picks
    return float(slate_propensities(visit.model, asked, recipe(LEARNS), [pick.item])[0] / pick.propensity)


@pytest.fixture(scope="module")
def by_chance() -> dict[int, Engine]:
    return {seed: served("random", visits=900, seed=seed) for seed in SEEDS}


def test_a_run_earns_what_the_strategy_earns_when_it_really_runs(by_chance: dict[int, Engine]) -> None:
    kept, real = [], []
    for seed, engine in by_chance.items():
        past = past_of(engine)
        run = [reward(past, visit) for visit in learning(engine.log, past, LEARNS, "run", publish_every=PUBLISH_EVERY)]
        kept.append(np.mean(run))
        deployed = served("learns", visits=len(run), seed=100 + seed)
        truth = past_of(deployed)
        real.append(np.mean([reward(truth, visit) for visit in revisits(deployed, truth)]))
        assert len(run) > 150
    spread = np.sqrt((np.var(kept, ddof=1) + np.var(real, ddof=1)) / len(SEEDS))
    assert abs(np.mean(kept) - np.mean(real)) < 4 * spread
    assert np.mean(kept) > 0.33 + 0.05  # what chance earns, and something learned


def revisits(engine: Engine, past: Past) -> list[Revisited]:
    return list(learning(engine.log, past, LEARNS, "progressive"))


def test_progressive_learns_from_every_decision_and_so_promises_more(by_chance: dict[int, Engine]) -> None:
    promised, run = [], []
    for engine in by_chance.values():
        past = past_of(engine)
        asked = [
            (weight(visit), reward(past, visit))
            for visit in learning(engine.log, past, LEARNS, "progressive", publish_every=PUBLISH_EVERY)
        ]
        assert len(asked) == 900
        promised.append(sum(w * r for w, r in asked) / sum(w for w, _ in asked))
        kept = learning(engine.log, past, LEARNS, "run", publish_every=PUBLISH_EVERY)
        run.append(np.mean([reward(past, visit) for visit in kept]))
    assert np.mean(promised) > np.mean(run)


def test_the_final_policy_is_frozen_after_the_first_part(by_chance: dict[int, Engine]) -> None:
    engine = by_chance[0]
    past = past_of(engine)
    learned, numbers, scores = set(), [], []
    for visit in learning(engine.log, past, LEARNS, "final", train=0.6, publish_every=PUBLISH_EVERY):
        learned.add(visit.model.published.seq)
        numbers.append(int(visit.fact.decision.split("/")[1]))
        scores.append(weight(visit) * reward(past, visit))
    assert numbers == list(range(540, 900))
    assert len(learned) == 1
    # It knows who likes what by then: 0.85 · 0.7 + 0.15 · 0.2 = 0.625.
    assert abs(np.mean(scores) - 0.625) < 4 * np.std(scores) / np.sqrt(len(scores))


def test_nobody_else_learns_and_the_log_is_as_it_was(by_chance: dict[int, Engine]) -> None:
    engine = by_chance[1]
    head = engine.log.head()
    *_, last = learning(engine.log, past_of(engine), LEARNS, "progressive")
    assert [*last.model.learners] == [EVALUATED]
    assert engine.log.head() == head


@pytest.mark.parametrize(
    ("learning_", "words", "decisions"),
    [
        ("progressive", "asked before each decision and then learning from it", 900),
        ("final", "in the last half, with what it learned in the first", 450),
        ("run", "learning from its own choices alone", None),
    ],
)
def test_the_question_is_named_and_answered(
    by_chance: dict[int, Engine], learning_: Learned, words: str, decisions: int | None
) -> None:
    found = evaluate(by_chance[0].log, Question((LEARNS,), surface="home", learning=learning_, pending=True))
    assert words in found.question
    assert decisions is None or found.decisions == decisions
    (answer,) = found.answers
    assert answer.estimate is not None
    assert answer.estimate.value > 0.33 + 0.05
    assert not any("Nothing ever taught" in note for note in answer.notes)
    if learning_ == "run":
        assert found.decisions < 450
        assert answer.diagnostics.max_weight == 1.0


class Favourite:
    """A policy of one's own: it takes "a" nine times in ten."""

    scored_by = "nothing"

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        wanted = np.array([slot.items[at] == "a" for at in slot.left])
        if not wanted.any() or wanted.all():
            return np.full(len(slot.left), 1 / len(slot.left))
        return np.where(wanted, 0.9, 0.1 / (~wanted).sum())


def test_a_policy_written_in_python_is_evaluated_like_any_other(by_chance: dict[int, Engine]) -> None:
    own = Strategy(policy=Favourite())  # type: ignore[arg-type]
    found = [evaluate(by_chance[seed].log, Question((own,), surface="home")).answers[0].estimate for seed in range(4)]
    # Half of the visits like "a" by 0.7, and half by 0.2; the rest, of "d" likewise.
    truth = 0.9 * 0.45 + 0.1 / 3 * (0.45 + 0.2 + 0.2)
    values = [one.value for one in found if one is not None]
    assert len(values) == 4
    assert abs(np.mean(values) - truth) < 4 * 0.03 / np.sqrt(4)  # of which the standard error of one is 0.03


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(("default", "learns"), learning="run"), "one strategy learns at a time"),
        (Question(("default",), against="learns", learning="run"), "one strategy learns at a time"),
        (Question(("default",), weights="default", learning="run"), "begins without; leave them out"),
        (
            Question(("default",), estimator="independent_snips", learning="run"),
            "needs every chance that the logger had",
        ),
    ],
)
def test_what_cannot_be_asked_of_one_that_learns_is_refused(
    by_chance: dict[int, Engine], question: Question, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(by_chance[0].log, replace(question, surface="home"))


def test_a_strategy_comes_from_a_file(tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    engine = Engine(Model(), open_log(f"sqlite:///{log}"))
    served("random", visits=300, seed=3, engine=engine)
    engine.log.close()
    own, none = tmp_path / "own.toml", tmp_path / "none.toml"
    own.write_text('candidates = 4\n[policy]\nkind = "epsilon_greedy"\nepsilon = 0.2\n', "utf-8")
    none.write_text('[policy]\nkind = "wise"\n', "utf-8")
    options = ["--surface", "home", "--learning", "progressive", "--database", f"sqlite:///{log}", "--json"]
    told = CliRunner().invoke(bandstand, ["evaluate", "--strategy", str(own), *options])
    assert json.loads(told.stdout)["answers"][0]["strategy"] == "given"
    with pytest.raises(InputError, match=r"it is no strategy .* it must hold what stands under \[strategies.NAME\]"):
        CliRunner().invoke(bandstand, ["evaluate", "--strategy", str(none), *options], catch_exceptions=False)


def test_the_name_of_what_is_evaluated_is_taken() -> None:
    engine = served("random", visits=1, seed=0)
    engine.commit(definitions(engine.model.state, strategies={EVALUATED: {}}), at=NOON)
    with pytest.raises(InputError, match="strategy 'evaluated': the log has one of that name"):
        next(learning(engine.log, past_of(engine), LEARNS, "run"))
