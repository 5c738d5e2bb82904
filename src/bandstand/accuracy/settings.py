"""Settings to be tried: a strategy with each combination of the values given, and a choice that is judged elsewhere."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from bandstand.accuracy.systems import System
from bandstand.errors import InputError
from bandstand.strategy import Strategy

Setting = str | bool | int | float | None

MOST_TRIED = 50
_AFTER_THE_LIST = ("diversity", "policy", "learning")


def parsed(text: str) -> tuple[str, list[Setting]]:
    """`candidates=100,200` as a setting's name and the values to try. InputError where it is not of that form.

    >>> parsed("generators.content=0.5,1")
    ('generators.content', [0.5, 1])
    """
    name, _, values = text.partition("=")
    if not name.strip() or not values.strip():
        raise InputError(f"vary {text!r}: must be NAME=VALUE,VALUE such as candidates=100,200", field="vary")
    return name.strip(), [_value(value.strip()) for value in values.split(",")]


def settings(systems: Sequence[System], vary: Mapping[str, Sequence[Setting]]) -> list[System]:
    """The one strategy among the systems with every combination of these values. InputError where it is not one, or
    cannot be set so, or where there are too many."""
    strategies = [system for system in systems if system.kind == "strategy"]
    if len(strategies) != 1:
        names = ", ".join(system.name for system in strategies)
        raise InputError(f"vary: there are {len(strategies)} strategies ({names}); name one", field="strategy")
    for setting in vary:
        if setting.partition(".")[0] in _AFTER_THE_LIST:
            raise InputError(
                f"vary {setting!r}: it acts when a slate is drawn, so the lists that are judged do not depend on it; "
                "try it in a simulation or an experiment",
                field="vary",
            )
    (base,) = strategies
    assert base.strategy is not None
    combinations = list(product(*vary.values()))
    if not 2 <= len(combinations) <= MOST_TRIED:
        raise InputError(
            f"vary: {len(combinations)} combinations, must be from 2 to {MOST_TRIED}; name other values", field="vary"
        )
    return [_changed(base.name, base.strategy, dict(zip(vary, values, strict=True))) for values in combinations]


def _changed(name: str, strategy: Strategy, values: Mapping[str, Setting]) -> System:
    changed = ", ".join(f"{setting}={_text(value)}" for setting, value in values.items())
    definition = msgspec.to_builtins(strategy)
    for setting, value in values.items():
        _set(definition, name, setting, value)
    try:
        return System(name, "setting", msgspec.convert(definition, Strategy), changed)
    except msgspec.ValidationError as error:
        raise InputError(f"vary {changed}: strategy {name!r} cannot be set so: {error}", field="vary") from error


def _set(definition: dict[str, Any], strategy: str, setting: str, value: Setting) -> None:
    *outer, last = setting.split(".")
    inside: Any = definition
    for part in outer:
        inside = inside.get(part) if isinstance(inside, dict) else None
    if not isinstance(inside, dict):
        known = ", ".join(definition)
        raise InputError(f"vary {setting!r}: strategy {strategy!r} has no such setting; it has: {known}", field="vary")
    inside[last] = value


def _value(text: str) -> Setting:
    try:
        value: Setting = msgspec.json.decode(text, type=Setting)
    except msgspec.MsgspecError:
        return text
    return value


def _text(value: Setting) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
