"""What people do over time: they tire, leave and come back, buy, follow seasons; and machines are told apart."""

import numpy as np
import pytest
from scipy.special import expit, logit

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.simulate.items import made
from bandstand.simulate.memory import Moods, Seen
from bandstand.simulate.nature import Bots, Cascade, Churn, Nature, Novelty, Purchases, Season
from bandstand.simulate.people import Visit
from bandstand.simulate.world import World

MONDAY = 1767571200.0  # 5 January 2026, 0:00 UTC
DAY_S = 86400.0
UTC = {"GB-LND": 0.0}


def visits(world: World, n: int, *, every_s: float = 600.0) -> list[Visit]:
    return [world.visit(number, time=MONDAY + number * every_s) for number in range(n)]


def slate(world: World, n: int = 10) -> list[str]:
    return [item.item for item in world.items[:n]]


def liking(world: World, visit: Visit, item: str) -> float:
    return world.click_probability(visit, item, 0)


def test_a_season_comes_back_after_its_period_and_is_another_for_another_kind() -> None:
    nature = Nature(tastes=(), quality=0.0, seasons=(Season("category", "week", 2.0),), locations=UTC, devices={"d": 1})
    world = World(made(40), nature, seed=1)
    item = world.items[0].item
    week = [liking(world, world.visit(0, time=MONDAY + day * DAY_S), item) for day in range(7)]
    assert max(logit(week)) - min(logit(week)) > 3.0  # of a swing of 4, at seven of its moments
    assert liking(world, world.visit(0, time=MONDAY + 7 * DAY_S), item) == week[0]
    heights = {
        one.features["category"]: max(
            range(28), key=lambda step: liking(world, world.visit(0, time=MONDAY + step * DAY_S / 4), one.item)
        )
        for one in world.items
    }
    assert len(set(heights.values())) > 4  # of eight categories


def test_who_was_shown_something_likes_it_less_and_forgets() -> None:
    seen = Seen(Novelty(curious=1.0, tires=0.5, forgets_s=100.0), items=3)
    assert seen.logits("a", time=0.0).tolist() == [1.0, 1.0, 1.0]
    seen.add("a", np.array([0, 2]), time=0.0)
    assert seen.logits("a", time=0.0) == pytest.approx([np.exp(-1) - 0.5, 1.0, np.exp(-1) - 0.5])
    seen.add("a", np.array([0]), time=100.0)  # the first showing counts half by now
    assert seen.logits("a", time=100.0)[0] == pytest.approx(np.exp(-1.5) - 0.75)
    assert seen.logits("b", time=100.0).tolist() == [1.0, 1.0, 1.0]


def test_a_world_that_tires_is_the_same_whoever_asks_and_its_optimum_follows() -> None:
    nature = Nature(users=1, novelty=Novelty(tires=2.0), locations=UTC, devices={"d": 1.0})
    world, again = World(made(40), nature, seed=1), World(made(40), nature, seed=1)
    for visit in visits(world, 6):
        best = world.ideal(visit)
        assert again.ideal(visit) == best
        clicked = world.clicks(visit, best)
        assert again.clicks(visit, best) == clicked
        assert world.expected(visit, best) == pytest.approx(world.best(visit))
        for one in (world, again):
            one.remember(visit, best, clicked)
        assert set(world.ideal(visit)).isdisjoint(best[:1])


def test_who_is_disappointed_leaves_and_comes_back() -> None:
    moods = Moods(Churn(patience=2, leaves=0.5, returns_s=100.0))
    moods.add("a", pleased=False, time=0.0, leaves=0.0, stays_away=1.0)
    assert not moods.away("a", time=1.0)  # once is no reason
    moods.add("a", pleased=True, time=1.0, leaves=0.0, stays_away=1.0)
    moods.add("a", pleased=False, time=2.0, leaves=0.0, stays_away=1.0)
    assert not moods.away("a", time=3.0)  # nor is twice with a pleasure in between
    moods.add("a", pleased=False, time=3.0, leaves=0.5, stays_away=1.0)
    assert not moods.away("a", time=4.0)  # the coin said stay
    moods.add("a", pleased=False, time=4.0, leaves=0.4, stays_away=2.0)
    assert moods.away("a", time=5.0)
    assert not moods.away("b", time=5.0)
    assert moods.away("a", time=203.9)
    assert not moods.away("a", time=204.0)
    forever = Moods(Churn(patience=1, leaves=1.0))
    forever.add("a", pleased=False, time=0.0, leaves=0.9, stays_away=0.1)
    assert forever.away("a", time=1e12)


def test_people_who_click_stay_and_people_who_do_not_leave() -> None:
    nature = Nature(users=40, churn=Churn(patience=1, leaves=1.0))
    world = World(made(20), nature, seed=1)
    for visit in visits(world, 200):
        if world.comes(visit):
            world.remember(visit, slate(world), [0] if visit.user < "u2" else [])
    later = visits(world, 300)
    assert {visit.user < "u2" for visit in later if world.comes(visit)} == {True}
    assert any(not world.comes(visit) for visit in later)


def test_purchases_come_as_often_as_their_rate_says_and_dear_things_seldom() -> None:
    nature = Nature(purchases=Purchases(rate=0.3, dear=1.0, spread=0.0, delay_s=50.0), delay_s=10.0)
    world = World(made(40), nature, seed=2)
    price = {item.item: float(str(item.features["price"])) for item in world.items}
    median = float(np.median(list(price.values())))
    shown = slate(world)
    bought, waits = np.zeros(10), []
    for visit in visits(world, 3000):
        for one in world.purchases(visit, shown, range(10)):
            assert one.amount == price[shown[one.position]]
            assert one.after_s >= world.delay_s(visit, shown[one.position])
            bought[one.position] += 1
            waits.append(one.after_s)
    rates = expit(logit(0.3) - np.log([price[item] / median for item in shown]))
    assert np.abs(bought - 3000 * rates).max() < 4.5 * np.sqrt(3000 * 0.25)  # ten binomials
    assert np.mean(waits) == pytest.approx(60.0, rel=0.05)


def test_the_slate_that_is_best_for_revenue_is_another_than_the_one_for_clicks() -> None:
    world = World(made(40), Nature(purchases=Purchases(), cascade=Cascade()), seed=1)
    for visit in visits(world, 10):
        clicks, revenue = world.ideal(visit), world.ideal(visit, of="revenue")
        assert clicks != revenue
        assert world.expected(visit, revenue, "revenue") == pytest.approx(world.best(visit, of="revenue"))
        assert world.expected(visit, clicks, "revenue") < world.best(visit, of="revenue")
        assert world.expected(visit, revenue) < world.best(visit)


def test_nothing_to_sell_is_an_error() -> None:
    with pytest.raises(InputError, match=r"purchases\.amount == 'title', must be a feature .* a number above 0"):
        World(made(10), Nature(purchases=Purchases(amount="title")), seed=1)


def test_machines_are_as_many_as_was_said_and_push_what_people_like_least() -> None:
    world = World(made(40), Nature(bots=Bots(0.2, "one", users=3)), seed=1)
    seen = visits(world, 2000)
    bots = [visit for visit in seen if visit.bot]
    assert len(bots) == pytest.approx(400, abs=4 * np.sqrt(2000 * 0.16))
    assert {visit.user for visit in bots} == {"bot0", "bot1", "bot2"}
    assert all(not visit.user.startswith("bot") for visit in seen if not visit.bot)
    pushed = world.pushed
    assert pushed is not None
    likings = {item.item: np.mean([liking(world, visit, item.item) for visit in seen[:300]]) for item in world.items}
    assert likings[pushed] < np.quantile(list(likings.values()), 0.2)
    shown = [item for item in slate(world) if item != pushed][:5]
    assert world.clicks(bots[0], shown) == []
    assert world.clicks(bots[0], [*shown, pushed]) == [5]
    everything = World(made(40), Nature(bots=Bots(0.2)), seed=1)
    assert everything.clicks(bots[0], shown) == [0, 1, 2, 3, 4]
    assert everything.pushed is None
    assert everything.purchases(bots[0], shown, [0, 1]) == []


def test_a_world_with_machines_has_the_same_people_as_one_without() -> None:
    plain, infested = (World(made(40), Nature(bots=bots), seed=1) for bots in (None, Bots(0.3)))
    for one, other in zip(visits(plain, 100), visits(infested, 100), strict=True):
        if not other.bot:
            assert one == other
            assert plain.clicks(one, slate(plain)) == infested.clicks(other, slate(infested))


def test_random_slates_get_the_click_through_that_was_asked_for_in_a_cascade_too() -> None:
    world = World(made(60), Nature(click_through=0.08, cascade=Cascade()), seed=2)
    by_chance = np.mean([world.by_chance(visit) / 10 for visit in visits(world, 1000)])
    assert by_chance == pytest.approx(0.08, rel=0.1)  # who comes when differs from the survey
    clicks = 0
    for visit in visits(world, 1500):
        shown = sorted((item.item for item in world.items), key=lambda item: uniform("test", visit.number, item))[:10]
        expected = world.expected(visit, shown)
        clicks += len(world.clicks(visit, shown))
        assert 0 <= expected <= world.best(visit) + 1e-12
    assert clicks / 15000 == pytest.approx(0.08, rel=0.15)
