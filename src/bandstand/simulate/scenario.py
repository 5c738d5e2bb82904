"""A scenario: a world, what is compared in it, and what must come of it, as a TOML file says."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from bandstand.configuration import STRATEGIES, check_experiment, definitions
from bandstand.errors import InputError
from bandstand.events import AnyFact, Entry, ItemPut
from bandstand.experiments.definition import Experiment
from bandstand.simulate.items import made, shop
from bandstand.simulate.nature import Arrival, Nature, Taste
from bandstand.simulate.world import World
from bandstand.state import State
from bandstand.strategy import Strategy, Surface

Hidden = Literal["user", "device", "location", "time"]
Metric = Literal["click_through", "lift", "regret", "stars", "significant", "divergences"]
Positive = Annotated[int, msgspec.Meta(ge=1)]

_SPAN = re.compile(r"(?P<all>all)|(?P<end>first|last) (?P<percent>\d+)%|(?P<start>\d+)-(?P<stop>\d+)")


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run in which one strategy answers everybody. Requests do not say what is in `hide`."""

    strategy: str = "default"
    hide: tuple[Hidden, ...] = ()


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound on the mean of a metric over the seeds.

    - `click_through`: clicks per shown pick of `side`
    - `lift`: that of `side` over that of `against`, less 1
    - `regret`: the share of the ideal slates' clicks that `side` is expected to lose
    - `stars`: the share of `side`'s slates that show a star, once the first has arrived
    - `significant`: the share of seeds in which the experiment finds a difference on its first decision metric
    - `divergences`: how many decisions `replay` makes differently

    `side` is an arm, or a variant where there is an experiment; the first by default. `over` is "all", "first 10%",
    "last 25%" or visit numbers as "3000-4000"; `visits = "first"` counts those only where somebody came for the first
    time.
    """

    metric: Metric
    side: str = ""
    against: str = ""
    over: str = "all"
    visits: Literal["all", "first"] = "all"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    def holds(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens, to whom, and what is expected.

    `requests` visits, `every_s` seconds apart, ask for slates on `surface`; after every `publish_every` of them what
    was learned comes into force. The world has `items` of the catalogue: "shop" is the real one that ships, "made" has
    made ones. Each arm is a run of its own in the same world, for each of the seeds 1 to `seeds`; without arms, the
    surface's own strategy is the only one, or an experiment divides the visitors. Accepted figures may change by
    `tolerance` of themselves before it is reported.
    """

    requests: Positive
    about: str = ""
    seeds: Positive = 3
    every_s: Annotated[float, msgspec.Meta(gt=0.0)] = 30.0
    publish_every: Positive = 100
    surface: str = "home"
    catalogue: Literal["shop", "made"] = "shop"
    items: Positive = 300
    world: Nature = Nature()
    surfaces: dict[str, Surface] = {}
    strategies: dict[str, Strategy] = {}
    arms: dict[str, Arm] = {}
    experiment: Experiment | None = None
    expect: tuple[Expectation, ...] = ()
    tolerance: Annotated[float, msgspec.Meta(ge=0.0)] = 0.1
    name: str = ""


def read(path: Path) -> Scenario:
    """The scenario of a TOML file, named after it. InputError says what is wrong, where, and what would be right."""
    try:
        return parse(tomllib.loads(path.read_text("utf-8")), name=path.stem)
    except OSError as error:
        raise InputError(f"scenario '{path}': cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"scenario '{path}': it is not a TOML file ({error})") from error
    except InputError as error:
        raise InputError(f"scenario '{path}': {error}", field=error.field) from error


def parse(fields: Mapping[str, object], *, name: str) -> Scenario:
    """The scenario that these fields describe; InputError where they contradict each other or make no sense."""
    try:
        scenario = msgspec.convert({**fields, "name": name}, Scenario)
    except msgspec.ValidationError as error:
        raise _misshapen(error) from error
    _check(scenario)
    return scenario


def items(scenario: Scenario) -> list[ItemPut]:
    return shop(scenario.items) if scenario.catalogue == "shop" else made(scenario.items)


def arms(scenario: Scenario) -> dict[str, Arm]:
    """The runs by name; the surface's own strategy where the scenario names none."""
    if scenario.arms:
        return scenario.arms
    strategy = scenario.surfaces.get(scenario.surface, Surface()).strategy
    return {strategy: Arm(strategy)}


def sides(scenario: Scenario) -> tuple[str, ...]:
    """What is compared: the experiment's variants where there is one, else the arms."""
    if scenario.experiment is not None:
        return tuple(variant.name for variant in scenario.experiment.variants)
    return tuple(arms(scenario))


def opening(scenario: Scenario, arm: Arm) -> list[AnyFact]:
    """The facts that define surfaces and strategies for a run of this arm."""
    surface = msgspec.structs.replace(scenario.surfaces.get(scenario.surface, Surface()), strategy=arm.strategy)
    surfaces = {**scenario.surfaces, scenario.surface: surface}
    return definitions(State(), surfaces=surfaces, strategies=scenario.strategies)


def span(over: str, requests: int) -> slice:
    """The visits that `over` names; InputError where it names none.

    >>> span("last 25%", 1000)
    slice(750, 1000, None)
    """
    found = _SPAN.fullmatch(over)
    start, stop = 0, requests
    if found and found["end"]:
        length = requests * int(found["percent"]) // 100
        start, stop = (0, length) if found["end"] == "first" else (requests - length, requests)
    elif found and found["start"]:
        start, stop = int(found["start"]), int(found["stop"])
    if not found or not 0 <= start < stop <= requests:
        raise InputError(
            f'over == "{over}", must be "all", "first N%", "last N%" or "N-M" within the {requests} requests',
            field="over",
        )
    return slice(start, stop)


def _check(scenario: Scenario) -> None:
    if scenario.arms and scenario.experiment is not None:
        raise InputError(
            "arms and experiment are both there, must be one of them; compare arms in runs of their own, or variants "
            "within one run",
            field="arms",
        )
    for arm in arms(scenario).values():
        known = sorted({*STRATEGIES, *scenario.strategies})
        if arm.strategy not in known:
            raise InputError(f"strategy '{arm.strategy}' is not defined; known: {', '.join(known)}", field="arms")
    _check_opening(scenario)
    World(items(scenario), scenario.world, seed=1)
    for at in (*scenario.world.drifts, *(arrival.at for arrival in scenario.world.arrivals)):
        if at >= scenario.requests:
            raise InputError(
                f"visit {at} of the world's drifts or arrivals never comes; there are {scenario.requests} requests, "
                "counted from 0",
                field="world",
            )
    for number, expectation in enumerate(scenario.expect):
        for problem in _problems(scenario, expectation):
            raise InputError(f"expect[{number}]: {problem}", field="expect")


def _check_opening(scenario: Scenario) -> None:
    state = State()
    for arm in arms(scenario).values():
        for seq, fact in enumerate(opening(scenario, arm), start=1):
            state.apply(Entry(seq, 0.0, fact))
    if scenario.experiment is not None:
        check_experiment(state, scenario.experiment)


def _problems(scenario: Scenario, expectation: Expectation) -> Iterator[str]:
    """What is wrong with an expectation. One that could not fail is wrong too."""
    known = sides(scenario)
    for side in filter(None, (expectation.side, expectation.against)):
        if side not in known:
            yield f"'{side}' is not compared here; known: {', '.join(known)}"
    if (expectation.metric == "lift") != bool(expectation.against):
        yield "against names the side that a lift is over; give it with metric 'lift', and only there"
    if expectation.at_least is None and expectation.at_most is None:
        yield "it has neither at_least nor at_most, so it could not fail; give one, or both"
    if expectation.metric == "significant" and scenario.experiment is None:
        yield "metric 'significant' is about an experiment, and the scenario has none"
    if expectation.metric == "stars" and not any(arrival.stars for arrival in scenario.world.arrivals):
        yield "metric 'stars' is about late arrivals that please everybody; give one of world.arrivals some"
    if expectation.visits == "first" and not scenario.world.newcomers:
        yield "visits == 'first' needs newcomers; set world.newcomers above 0"
    try:
        span(expectation.over, scenario.requests)
    except InputError as error:
        yield str(error)


_TABLES: dict[str, type[msgspec.Struct]] = {
    "": Scenario,
    "world": Nature,
    "world.tastes": Taste,
    "world.arrivals": Arrival,
    "surfaces": Surface,
    "strategies": Strategy,
    "arms": Arm,
    "experiment": Experiment,
    "expect": Expectation,
}


def _misshapen(error: msgspec.ValidationError) -> InputError:
    """msgspec's words, and the names that would have been right."""
    what, _, path = str(error).partition(" - at `$")
    table = re.sub(r"\[[^]]*\]", "", path.rstrip("`").removeprefix("."))
    where = f"{path.rstrip('`').removeprefix('.')}: " if path else ""
    if "unknown field" in what and table in _TABLES:
        what += f"; known: {', '.join(name for name in _TABLES[table].__struct_fields__ if name != 'name')}"
    if "enum value" in what and table == "expect.metric":
        what += f"; known: {', '.join(get_args(Metric))}"
    return InputError(f"{where}{what}", field=table or None)
