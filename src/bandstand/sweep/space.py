"""A sweep: a strategy, what of it is varied, how it is searched, and what it is tried on, as a TOML file says."""

import math
import tomllib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from scipy.stats import qmc

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.misfit import misfit
from bandstand.strategy import Strategy, varied

MOST_TRIED: Final = 10_000
AS_IT_IS: Final = "as it is"

Share = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Setting = str | bool | int | float | None


class Between(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any number from `low` to `high`; evenly by its logarithm where `log`, and whole numbers only where `whole`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> float | int:
        """The number that lies at this share of the way."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        found = low + share * (high - low)
        found = math.exp(found) if self.log else found
        return round(found) if self.whole else float(f"{found:.4g}")


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="grid"):
    """Every combination of the values."""


class Random(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="random"):
    """So many combinations by chance, spread evenly (scrambled Sobol points)."""

    trials: Positive = 32
    seed: int = 1


class Halving(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="halving"):
    """Many combinations a little, the better ones more (successive halving; Jamieson and Talwalkar 2016, AISTATS).

    Of `trials` combinations by chance, or of every one where 0, the best `keep` go on to 1 / `keep` times as much, in
    `rounds` of which the last sees everything.
    """

    trials: Annotated[int, msgspec.Meta(ge=0)] = 0
    keep: Share = 1 / 3
    rounds: Annotated[int, msgspec.Meta(ge=2, le=10)] = 3
    seed: int = 1


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decisions of the log on `surface` (by default the only one that has any).

    `how` says what is asked of a strategy there: what it would earn as it learns from its own choices ("run"), before
    each decision as it learns from all ("progressive"), or with what it has learned from the first half ("final").
    """

    surface: str | None = None
    how: str = "progressive"


class InWorld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file, relative to the sweep's; each of `seeds` is a world, and as many further ones judge the best.
    `requests` are made in each: by default as many as the scenario says."""

    scenario: str
    seeds: Positive = 6
    requests: Positive | None = None


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which values of the settings in `vary` (by dotted name, as "policy.epsilon") make `strategy` earn most?

    Exactly one of `log` and `world` says where it is tried. The best is judged by what it was not chosen by: other
    users of the log, `judged_by` of them, or other worlds.
    """

    vary: dict[str, list[Setting] | Between]
    about: str = ""
    strategy: str = "default"
    strategies: dict[str, Strategy] = {}
    search: Grid | Random | Halving = Grid()
    log: Log | None = None
    world: InWorld | None = None
    judged_by: Share = 0.3
    name: str = ""
    folder: str = "."


class Candidate(NamedTuple):
    """A strategy to be tried, and what was set in it."""

    name: str
    settings: dict[str, Setting]
    strategy: Strategy


def read(path: Path) -> Sweep:
    """The sweep of a TOML file, named after it. InputError says what is wrong, where, and what would be right."""
    try:
        return parse(tomllib.loads(path.read_text("utf-8")), name=path.stem, folder=path.parent)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"sweep '{path}': it is not a TOML file that can be read ({error})") from error
    except InputError as error:
        raise InputError(f"sweep '{path}': {error}", field=error.field) from error


def parse(fields: Mapping[str, object], *, name: str, folder: Path = Path()) -> Sweep:
    """The sweep that these fields describe; InputError where they contradict each other or make no sense."""
    if "vary" not in fields:
        raise InputError("vary: missing; say which settings to try, as [vary] with policy.epsilon = [0.02, 0.1]")
    try:
        sweep = msgspec.convert({**fields, "name": name, "folder": str(folder)}, Sweep)
    except msgspec.ValidationError as error:
        raise misfit(str(error), fields, Sweep) from error
    if not sweep.vary:
        raise InputError("vary: empty, must name one setting at least, as policy.epsilon = [0.02, 0.1]", field="vary")
    if (sweep.log is None) == (sweep.world is None):
        raise InputError("log and world: one of them says what strategies are tried on; give exactly one", field="log")
    for setting, values in sweep.vary.items():
        _check(setting, values, sweep.search)
        for other in sweep.vary:
            if other.startswith(f"{setting}."):
                raise InputError(f"vary: '{other}' is part of '{setting}'; vary one of them", field="vary")
    return sweep


def candidates(sweep: Sweep, base: Strategy) -> list[Candidate]:
    """What is tried, first the strategy as it is. InputError where it cannot be set so, or where there are too many."""
    found = [Candidate(AS_IT_IS, {}, base)]
    for values in _combinations(sweep):
        settings = dict(zip(sweep.vary, values, strict=True))
        name = ", ".join(f"{setting}={text(value)}" for setting, value in settings.items())
        try:
            made = varied(base, _nested(settings))
        except msgspec.ValidationError as error:
            raise InputError(f"vary: strategy '{sweep.strategy}' with {name}: {error}", field="vary") from error
        found.append(Candidate(name, settings, made))
    return list({one.name: one for one in found}.values())


def text(value: Setting) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _combinations(sweep: Sweep) -> list[tuple[Setting, ...]]:
    listed = [values for values in sweep.vary.values() if isinstance(values, list)]
    many = math.prod(map(len, listed)) if len(listed) == len(sweep.vary) else math.inf
    trials = 0 if isinstance(sweep.search, Grid) else sweep.search.trials
    if (tried := trials or many) > MOST_TRIED:
        raise InputError(
            f"vary: {tried:,} combinations, must be at most {MOST_TRIED:,}; take fewer values",
            field="vary",
        )
    if isinstance(sweep.search, Grid) or not trials:
        return list(product(*listed))
    # A Sobol sequence is balanced where as many are drawn as a power of 2; the first of them are the first of any.
    points = qmc.Sobol(len(sweep.vary), rng=bits("sweep", sweep.search.seed) >> 1).random_base2(_bits(trials))[:trials]
    return [tuple(_at(one, share) for one, share in zip(sweep.vary.values(), point, strict=True)) for point in points]


def _bits(count: int) -> int:
    """Of the least power of 2 that is not below the count."""
    return (count - 1).bit_length()


def _at(values: list[Setting] | Between, share: float) -> Setting:
    return values.at(share) if isinstance(values, Between) else values[int(share * len(values))]


def _nested(settings: Mapping[str, Setting]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for setting, value in settings.items():
        *outer, last = setting.split(".")
        inside = out
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return out


def _check(setting: str, values: list[Setting] | Between, search: Grid | Random | Halving) -> None:
    if isinstance(values, list):
        if not values or len(set(map(text, values))) < len(values):
            raise InputError(f"vary.{setting}: {text_list(values)}, must be different values, one at least")
        return
    if not (math.isfinite(values.low) and math.isfinite(values.high) and values.low < values.high):
        raise InputError(f"vary.{setting}: from {values.low:g} to {values.high:g}, must be finite and rise")
    if values.log and values.low <= 0:
        raise InputError(f"vary.{setting}: low == {values.low:g}, must be above 0 where log is true")
    if isinstance(search, Grid) or (isinstance(search, Halving) and not search.trials):
        raise InputError(
            f"vary.{setting}: a range has no end of values; list some, or search by chance, as "
            'search = { kind = "random", trials = 32 }'
        )


def text_list(values: list[Setting]) -> str:
    return f"[{', '.join(map(text, values))}]"
