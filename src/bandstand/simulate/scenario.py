"""A scenario: a world, what is compared in it, and what must come of it, as a TOML file says."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from bandstand.configuration import STRATEGIES, check_experiment, definitions
from bandstand.errors import InputError
from bandstand.events import AnyFact, Entry, ItemPut
from bandstand.experiments.definition import Experiment
from bandstand.misfit import misfit
from bandstand.report.result import Outcome
from bandstand.simulate.items import made, shop
from bandstand.simulate.nature import (
    Nature,
)
from bandstand.simulate.world import World
from bandstand.state import State
from bandstand.strategy import Strategy, Surface

Hidden = Literal["user", "device", "location", "time", "context"]
Metric = Literal[
    "click_through",
    "lift",
    "regret",
    "exploration_cost",
    "revenue",
    "visits",
    "stars",
    "pushed",
    "significant",
    "power",
    "verdict",
    "divergences",
]
Of = Literal["clicks", "revenue", "visits"]
Positive = Annotated[int, msgspec.Meta(ge=1)]

_SPAN = re.compile(r"(?P<all>all)|(?P<end>first|last) (?P<percent>\d+)%|(?P<start>\d+)-(?P<stop>\d+)")


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run in which one strategy answers everybody. Requests do not say what is in `hide` ("context": all
    that the app says of it); `rewards` says what each
    reward is worth to the learner, in place of what the surface says."""

    strategy: str = "default"
    hide: tuple[Hidden, ...] = ()
    rewards: dict[str, float] = {}


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound on the mean of a metric over the seeds.

    - `click_through`: clicks per shown pick of `side`
    - `revenue`: what is bought from a slate, in the items' amounts
    - `visits`: the share of people's visits that take place; the others stay away, disappointed
    - `lift`: click-through, or what is named by `of`, of `side` over that of `against`, less 1
    - `regret`: the share of the ideal slates' clicks (or revenue) that `side` is expected to lose
    - `exploration_cost`: the part of it that is lost by exploring: what the slates would be expected to get more if
      the policy showed what it holds for best at that moment, as a share of the ideal slates' clicks
    - `stars`: the share of `side`'s slates that show a star, once the first has arrived
    - `pushed`: the share of people's slates that show the item that machines push
    - `significant`: the share of seeds in which the experiment finds a difference on its first decision metric
    - `power`: the share of seeds in which it finds `side` the better one
    - `verdict`: the share of seeds in which its report ends with the verdict named in `verdict`
    - `divergences`: how many decisions `replay` makes differently

    Machines' visits count nowhere. `side` is an arm, or a variant where there is an experiment (an interleaving has one
    side, "interleaved", but for `power`); the first by default. `over` is "all", "first 10%", "last 25%" or visit
    numbers as "3000-4000"; `visits = "first"` counts those only where somebody came for the first time.
    """

    metric: Metric
    side: str = ""
    against: str = ""
    of: Of = "clicks"
    verdict: Outcome | None = None
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
    made ones; a world that is labelled or fitted brings its own. Each arm is a run of its own in the same world, for
    each of the seeds 1 to `seeds`; without arms, the surface's own strategy is the only one, or an experiment divides
    the visitors. Accepted figures may change by `tolerance` of themselves before it is reported.
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
        return parse(tomllib.loads(path.read_text("utf-8")), name=path.stem, folder=path.parent)
    except OSError as error:
        raise InputError(f"scenario '{path}': cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"scenario '{path}': it is not a TOML file ({error})") from error
    except InputError as error:
        raise InputError(f"scenario '{path}': {error}", field=error.field) from error


def parse(fields: Mapping[str, object], *, name: str, folder: Path = Path()) -> Scenario:
    """The scenario that these fields describe, with paths that begin at `folder`; InputError where they contradict each
    other or make no sense."""
    try:
        scenario = msgspec.convert({**fields, "name": name}, Scenario)
    except msgspec.ValidationError as error:
        raise misfit(str(error), {**fields, "name": name}, Scenario) from error
    scenario = _placed(scenario, folder)
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
    """What is compared: the experiment's variants where there is one, else the arms. An interleaving is one side."""
    if scenario.experiment is not None and scenario.experiment.method == "interleave":
        return ("interleaved",)
    if scenario.experiment is not None:
        return tuple(variant.name for variant in scenario.experiment.variants)
    return tuple(arms(scenario))


def opening(scenario: Scenario, arm: Arm) -> list[AnyFact]:
    """The facts that define surfaces and strategies for a run of this arm."""
    given = scenario.surfaces.get(scenario.surface, Surface())
    surface = replace(given, strategy=arm.strategy, rewards=arm.rewards or given.rewards)
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
    _check_world(scenario)
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


def _check_world(scenario: Scenario) -> None:
    world = scenario.world
    if world.labelled is not None and world.fitted is not None:
        raise InputError("world.labelled and world.fitted are both there, must be one of them", field="world")
    if world.labelled is None and world.fitted is None:
        World(items(scenario), world, seed=1)


def _placed(scenario: Scenario, folder: Path) -> Scenario:
    table = scenario.world.labelled
    if table is None:
        return scenario
    return replace(scenario, world=replace(scenario.world, labelled=replace(table, csv=str(folder / table.csv))))


def _check_opening(scenario: Scenario) -> None:
    state = State()
    for arm in arms(scenario).values():
        for seq, fact in enumerate(opening(scenario, arm), start=1):
            state.apply(Entry(seq, 0.0, fact))
    if scenario.experiment is not None:
        check_experiment(state, scenario.experiment)


def _sides_of(scenario: Scenario, expectation: Expectation) -> tuple[str, ...]:
    """What its side may be."""
    if expectation.metric == "power" and scenario.experiment is not None:
        return tuple(variant.name for variant in scenario.experiment.variants)
    return sides(scenario)


def _problems(scenario: Scenario, expectation: Expectation) -> Iterator[str]:
    """What is wrong with an expectation. One that could not fail is wrong too."""
    known, world = _sides_of(scenario, expectation), scenario.world
    for side in filter(None, (expectation.side, expectation.against)):
        if side not in known:
            yield f"'{side}' is not compared here; known: {', '.join(known)}"
    if (expectation.metric == "lift") != bool(expectation.against):
        yield "against names the side that a lift is over; give it with metric 'lift', and only there"
    if expectation.at_least is None and expectation.at_most is None:
        yield "it has neither at_least nor at_most, so it could not fail; give one, or both"
    if expectation.metric in _OF_EXPERIMENTS and scenario.experiment is None:
        yield f"metric '{expectation.metric}' is about an experiment, and the scenario has none"
    if (expectation.metric == "verdict") != (expectation.verdict is not None):
        yield "verdict names the one that is expected; give it with metric 'verdict', and only there"
    if expectation.metric == "stars" and not any(arrival.stars for arrival in world.arrivals):
        yield "metric 'stars' is about late arrivals that please everybody; give one of world.arrivals some"
    if expectation.metric == "pushed" and (world.bots is None or world.bots.click != "one"):
        yield "metric 'pushed' is about the item that machines push; set world.bots with click = \"one\""
    if "revenue" in (expectation.metric, expectation.of) and world.purchases is None:
        yield "revenue comes from purchases; set world.purchases"
    if "visits" in (expectation.metric, expectation.of) and (world.churn is None or scenario.experiment is not None):
        yield "visits may not take place where world.churn is set, and are compared between arms"
    if expectation.of == "visits" and expectation.metric == "regret":
        yield "regret is of clicks or of revenue: nobody knows the slate that is best for later visits"
    if expectation.of != "clicks" and expectation.metric not in ("lift", "regret"):
        yield f"of goes with metric 'lift' or 'regret', not with '{expectation.metric}'"
    if expectation.metric == "exploration_cost" and scenario.experiment is not None:
        yield "metric 'exploration_cost' compares arms; give arms in place of the experiment"
    if expectation.visits == "first" and not world.newcomers:
        yield "visits == 'first' needs newcomers; set world.newcomers above 0"
    try:
        span(expectation.over, scenario.requests)
    except InputError as error:
        yield str(error)


_OF_EXPERIMENTS = ("significant", "power", "verdict")
