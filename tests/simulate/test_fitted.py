"""A world fitted from a log of a world whose truth is known: what it finds again, and how well it says it did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.optimize import check_grad
from scipy.special import logit

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.events import Draft, Exposed, Rewarded
from bandstand.simulate import fitted
from bandstand.simulate.fitted import Fit, fit
from bandstand.simulate.grounds import grounds
from bandstand.simulate.impressions import gathered, names
from bandstand.simulate.nature import Fitted, Nature
from bandstand.simulate.run import START
from bandstand.simulate.scenario import parse
from bandstand.simulate.world import World
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log

SOURCE = Fitted("memory")
SLATE = 4
History = Callable[..., World]


@pytest.fixture(scope="module")
def truth(history: History) -> tuple[World, MemoryLog, Fit]:
    log = MemoryLog()
    world = history(log, visits=3000)
    return world, log, fit(log, SOURCE)


def test_attention_and_likings_are_found_again(truth: tuple[World, MemoryLog, Fit]) -> None:
    world, _, found = truth
    relative = found.attention / found.attention[0]
    assert relative == pytest.approx((1.0 + np.arange(SLATE)) ** -0.8, abs=0.08)
    again = World(found.items, Nature(), seed=7, ground=lambda items, chance: fitted.ground(found, items, chance))
    theirs, ours = [], []
    for number in range(60):
        visit = world.visit(number, time=START + 97.0 * number)
        for item in world.items:
            theirs.append(world.click_probability(visit, item.item, 0))
            ours.append(again.click_probability(visit, item.item, 0))
    assert np.corrcoef(logit(theirs), logit(ours))[0, 1] > 0.9
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.1)


def test_it_says_how_good_it_is_on_users_that_it_has_not_seen(truth: tuple[World, MemoryLog, Fit]) -> None:
    goodness = truth[2].goodness
    assert goodness.impressions == 3000 * SLATE
    assert 0.1 * goodness.impressions < goodness.held_out < 0.3 * goodness.impressions
    assert goodness.log_loss < goodness.log_loss_of_constant
    assert goodness.explained == pytest.approx(1 - goodness.log_loss / goodness.log_loss_of_constant)
    assert goodness.explained > 0.05
    assert goodness.expected == pytest.approx(goodness.clicked, rel=0.15)
    assert goodness.miscalibration < 0.25


def test_what_depends_on_nothing_is_not_found_to_depend_on_anything(history: History) -> None:
    """The fit to clicks that were dealt again by chance explains nothing of people it has not seen."""
    log, dealt = MemoryLog(), MemoryLog()
    history(log, visits=2000)
    facts = [entry.fact for entry in log.read(limit=100_000)]
    told = [fact for fact in facts if not isinstance(fact, Rewarded)]
    for number in range(2000):
        for position in range(SLATE):
            if uniform("dealt", number, position) < 0.1:
                told.append(Rewarded(f"d{number}", "click", 1.0, "home", position=position))
    dealt.append([Draft(fact, START) for fact in told])
    assert abs(fit(dealt, SOURCE).goodness.explained) < 0.01


def test_the_gradient_is_that_of_the_loss(truth: tuple[World, MemoryLog, Fit]) -> None:
    _, log, _ = truth
    found = gathered(log, SOURCE)
    told = names(found)
    parameters = fitted._Parameters(fitted._cells(found, told, np.ones(len(found.who), np.bool_)), told, 0.5)
    start = np.array([uniform("start", at) - 0.5 for at in range(len(parameters.fitted(None)))])
    start[-SLATE:] -= 0.6
    slope = np.linalg.norm(parameters.badness(start)[1])
    off = check_grad(lambda v: parameters.badness(v)[0], lambda v: parameters.badness(v)[1], start)
    assert off < 1e-4 * slope


def test_only_what_was_seen_counts(history: History) -> None:
    log = MemoryLog()
    history(log, visits=300, shown=False)
    with pytest.raises(InputError, match="has no slate on surface 'home' that was seen"):
        gathered(log, SOURCE)
    log.append([Draft(Exposed("d0", (0, 1)), START), Draft(Exposed("d1"), START)])
    assert gathered(log, SOURCE).who.tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (replace(SOURCE, surface="hmoe"), "has no slate on surface 'hmoe' that was seen"),
        (replace(SOURCE, reward="purchase"), "0 clicks in 12,000 impressions"),
    ],
)
def test_a_log_that_tells_too_little_is_refused(
    truth: tuple[World, MemoryLog, Fit], source: Fitted, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fit(truth[1], source)


def test_a_scenario_plays_in_the_world_of_a_database(tmp_path: Path, history: History) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = open_log(url)
    history(log, visits=1500)
    log.close()
    scenario = parse({"requests": 50, "world": {"fitted": {"database": url}}}, name="s")
    place = grounds(scenario)
    world, again = place.world(1), place.world(1)
    visits = [world.visit(number, time=START + 600.0 * number) for number in range(200)]
    assert {visit.context["device"] for visit in visits} == {"mobile", "desktop", "tablet"}
    assert [again.visit(visit.number, time=visit.time) for visit in visits] == visits
    logged = gathered(open_log(url, readonly=True), SOURCE).clicked.mean()
    assert np.mean([world.by_chance(visit, SLATE) for visit in visits]) / SLATE == pytest.approx(logged, rel=0.1)
