"""The simulated world: reproducible, calibrated, and honest about its optimum."""

from itertools import permutations
from math import sqrt

import numpy as np
import pytest

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.simulate.items import made, shop
from bandstand.simulate.nature import Arrival, Nature, Taste
from bandstand.simulate.people import DAYPARTS, Visit
from bandstand.simulate.world import World

MONDAY = 1767571200.0  # 5 January 2026, 0:00 UTC


def visits(world: World, n: int, *, every_s: float = 600.0) -> list[Visit]:
    return [world.visit(number, time=MONDAY + number * every_s) for number in range(n)]


def some(world: World, visit: Visit, n: int) -> list[str]:
    """A slate drawn by chance."""
    order = sorted(world.items, key=lambda item: uniform("test", visit.number, item.item))
    return [item.item for item in order[:n]]


def test_a_world_is_a_function_of_its_seed() -> None:
    one, again, other = (World(made(40), Nature(), seed=seed) for seed in (1, 1, 2))
    for visit in visits(one, 20):
        slate = some(one, visit, 10)
        assert again.visit(visit.number, time=visit.time) == visit
        assert again.clicks(visit, slate) == one.clicks(visit, slate)
        assert again.expected(visit, slate) == one.expected(visit, slate)
    assert [one.best(visit) for visit in visits(one, 5)] != [other.best(visit) for visit in visits(other, 5)]


def test_the_order_in_which_items_are_given_does_not_matter() -> None:
    one, turned = World(made(40), Nature(), seed=1), World(made(40)[::-1], Nature(), seed=1)
    assert [one.ideal(visit) for visit in visits(one, 10)] == [turned.ideal(visit) for visit in visits(turned, 10)]


def test_clicks_come_as_often_as_their_probability_says_at_each_position() -> None:
    world = World(made(40), Nature(), seed=3)
    clicks, expected, variance = np.zeros(10), np.zeros(10), np.zeros(10)
    for visit in visits(world, 4000):
        slate = some(world, visit, 10)
        p = np.array([world.click_probability(visit, item, position) for position, item in enumerate(slate)])
        expected += p
        variance += p * (1 - p)
        clicks[world.clicks(visit, slate)] += 1
    # Sums of independent Bernoullis; 10 bounds at 4 standard errors fail by chance once in 1,600 seeds.
    assert (np.abs(clicks - expected) < 4 * np.sqrt(variance)).all()


def test_no_slate_beats_the_ideal_one() -> None:
    world = World(made(6), Nature(), seed=1)
    names = [item.item for item in world.items]
    for visit in visits(world, 12):
        earned = [world.expected(visit, slate) for slate in permutations(names, 3)]
        assert world.best(visit, 3) == pytest.approx(max(earned), abs=1e-12)
        assert world.expected(visit, world.ideal(visit, 3)) == world.best(visit, 3)
        assert world.by_chance(visit, 3) == pytest.approx(np.mean(earned), abs=1e-12)


def test_the_demo_leaves_a_bandit_much_to_gain() -> None:
    world = World(shop(), Nature(), seed=1)
    seen = visits(world, 1000)
    by_chance = np.mean([world.by_chance(visit) for visit in seen]) / 10
    ideal = np.mean([world.best(visit) for visit in seen]) / 10
    assert 0.04 < by_chance < 0.06
    assert 4 < ideal / by_chance < 7


@pytest.mark.parametrize("click_through", [0.01, 0.05, 0.15])
def test_random_slates_get_the_click_through_that_was_asked_for(click_through: float) -> None:
    world = World(shop(200), Nature(click_through=click_through), seed=2)
    seen = visits(world, 1500)
    picks = 10 * len(seen)
    clicks = sum(len(world.clicks(visit, some(world, visit, 10))) for visit in seen)
    # Who comes when differs from the survey that set the level: a tenth of slack beside three standard errors.
    slack = 0.1 * click_through + 3 * sqrt(click_through * (1 - click_through) / picks)
    assert clicks / picks == pytest.approx(click_through, abs=slack)


def test_position_costs_attention_and_nothing_else() -> None:
    world = World(made(10), Nature(attention=0.5), seed=1)
    (visit,) = visits(world, 1)
    first, fourth = (world.click_probability(visit, "i3", position) for position in (0, 3))
    assert fourth / first == pytest.approx(4**-0.5)


def test_the_same_visitor_does_the_same_with_an_item_whoever_shows_it() -> None:
    world = World(made(30), Nature(click_through=0.2, attention=0.0), seed=1)
    for visit in visits(world, 50):
        here = some(world, visit, 10)
        turned = here[::-1]
        assert {here[at] for at in world.clicks(visit, here)} == {turned[at] for at in world.clicks(visit, turned)}


def test_local_time_decides_the_part_of_day() -> None:
    world = World(made(10), Nature(locations={"FR-75": 1.0, "JP-13": 9.0}), seed=1)
    for number in range(40):
        visit = world.visit(number, time=MONDAY + 22.5 * 3600)
        local = (22.5 + visit.utc_offset_s / 3600) % 24
        assert visit.utc_offset_s == {"FR-75": 3600, "JP-13": 9 * 3600}[visit.context["location"]]
        assert visit.traits.daypart == DAYPARTS[int(local // 6)]
        assert visit.traits.country == visit.context["location"][:2]


def test_a_taste_moves_likings_by_what_it_depends_on_alone() -> None:
    nature = Nature(tastes=(Taste("device", "category", 2.0),), quality=0.0)
    world = World(made(40), nature, seed=1)
    category = {item.item: item.features["category"] for item in world.items}
    by_device: dict[str, dict[object, float]] = {}
    for visit in visits(world, 60):
        for item, kind in category.items():
            liking = world.click_probability(visit, item, 0)
            assert by_device.setdefault(visit.context["device"], {}).setdefault(kind, liking) == liking
    assert len({tuple(likings.values()) for likings in by_device.values()}) == len(nature.devices)


def test_numbers_count_by_their_quarter_of_the_catalogue() -> None:
    world = World(made(40), Nature(tastes=(Taste("device", "price", 2.0),), quality=0.0), seed=1)
    (visit,) = visits(world, 1)
    prices = sorted(made(40), key=lambda item: float(str(item.features["price"])))
    likings = [world.click_probability(visit, item.item, 0) for item in prices]
    assert len(set(likings)) == 4
    assert [len(set(likings[start : start + 9])) for start in (0, 10, 20, 30)] == [1, 1, 1, 1]


def test_users_keep_their_place_and_mostly_their_device() -> None:
    world = World(made(10), Nature(users=5), seed=1)
    seen = visits(world, 600)
    for user in {visit.user for visit in seen}:
        mine = [visit for visit in seen if visit.user == user]
        devices = [visit.context["device"] for visit in mine]
        assert len({(visit.context["location"], visit.traits.segment) for visit in mine}) == 1
        assert 0.7 < max(map(devices.count, set(devices))) / len(devices) < 1.0


def test_newcomers_come_for_the_first_time_once() -> None:
    world = World(made(10), Nature(users=50, newcomers=0.2), seed=1)
    seen = visits(world, 500)
    first = [visit.user for visit in seen if visit.first]
    assert len(first) == len(set(first)) == 100
    for user in first:
        assert next(visit for visit in seen if visit.user == user).first


def test_loyal_users_come_more_often_than_others() -> None:
    alike, loyal = (
        np.bincount([int(visit.user[1:]) for visit in visits(World(made(10), nature, seed=1), 2000)], minlength=20)
        for nature in (Nature(users=20, loyalty=0.0), Nature(users=20, loyalty=2.0))
    )
    assert alike.max() < 150  # 100 each, with a standard deviation of 9.7
    assert loyal[:5].sum() > 0.5 * loyal.sum()  # (1/4)^(1/3) = 0.63 of the visits


def test_tastes_move_on_at_a_drift_and_not_before() -> None:
    steady, drifting = (World(made(60), Nature(drifts=drifts), seed=1) for drifts in ((), (100,)))
    for visit in visits(steady, 200):
        moved = steady.ideal(visit) != drifting.ideal(visit)
        assert moved == (visit.number >= 100)


def test_late_items_are_no_part_of_the_optimum_until_they_arrive() -> None:
    nature = Nature(arrivals=(Arrival(50, items=10, stars=2), Arrival(80, items=5)))
    world = World(made(60), nature, seed=1)
    late = {item.item for item in world.arrivals(50)}
    assert [len(world.arrivals(number)) for number in (0, 50, 80, 99)] == [45, 10, 5, 0]
    assert len(world.stars) == 2
    assert world.stars < late
    before, after = visits(world, 100)[:50], visits(world, 100)[50:]
    assert all(late.isdisjoint(world.ideal(visit)) for visit in before)
    pleased = [world.stars <= set(world.ideal(visit)) for visit in after]
    assert np.mean(pleased) > 0.8  # nearly everybody


def test_an_item_that_the_world_does_not_know_is_never_clicked() -> None:
    world = World(made(10), Nature(), seed=1)
    (visit,) = visits(world, 1)
    assert world.click_probability(visit, "somebody else's", 0) == 0
    assert world.clicks(visit, ["somebody else's"]) == []


def test_clicks_arrive_after_the_delay_that_was_asked_for() -> None:
    world = World(made(10), Nature(delay_s=120.0), seed=1)
    delays = [world.delay_s(visit, "i1") for visit in visits(world, 2000)]
    assert min(delays) >= 0
    assert np.mean(delays) == pytest.approx(120.0, abs=4 * 120 / sqrt(2000))  # its standard deviation is its mean


def test_more_late_items_than_there_are_is_an_error() -> None:
    with pytest.raises(InputError, match="10 items arrive late, must be fewer than the 10 of the catalogue"):
        World(made(10), Nature(arrivals=(Arrival(5, items=10),)), seed=1)


def test_the_shop_is_spread_over_all_its_categories() -> None:
    some_items = shop(100)
    assert len({item.item for item in some_items}) == 100
    categories = {item.features["category"] for item in shop()}
    rare = {"food service", "salty snacks", "cold dispensed", "hot dispensed"}  # 16 of 2,465 products
    assert categories - rare <= {item.features["category"] for item in some_items}
    with pytest.raises(InputError, match="items == 3000, must be at most the 2465"):
        shop(3000)
