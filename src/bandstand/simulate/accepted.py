"""The figures that were last accepted for a scenario, kept beside it, and what has changed since."""

from math import isclose
from pathlib import Path
from typing import NamedTuple

import msgspec

from bandstand.errors import InputError
from bandstand.simulate.outcome import Figure, Result, label

_DIGITS = 5
# Shares near 0 would never be within a share of themselves.
_ABSOLUTE = 0.1


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Means over the seeds, by what they measure."""

    requests: int
    seeds: int
    figures: dict[str, float | None]


class Change(NamedTuple):
    """A figure that is not what was accepted; None where it could not be computed, or is not there."""

    what: str
    accepted: float | None
    now: float | None


def beside(scenario: Path) -> Path:
    """Where the accepted figures of a scenario file are kept."""
    return scenario.parent / "results" / f"{scenario.stem}.json"


def accept(result: Result, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = Accepted(result.requests, result.seeds, figures(result))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")


def accepted(path: Path) -> Accepted | None:
    """What was accepted, or None where nothing was so far."""
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Accepted)
    except msgspec.MsgspecError as error:
        raise InputError(f"accepted figures '{path}': {error}; accept them anew") from error


def changes(result: Result, before: Accepted, *, tolerance: float) -> list[Change]:
    """The figures that moved by more than `tolerance` of themselves, or appeared, or went."""
    now = figures(result)
    names = list(dict.fromkeys([*before.figures, *now]))
    pairs = [Change(name, before.figures.get(name), now.get(name)) for name in names]
    sizes = [
        Change("requests", before.requests, result.requests),
        Change("seeds", before.seeds, result.seeds),
    ]
    moved = [one for one in pairs if not _alike(one.accepted, one.now, tolerance) or _missing(one.what, now, before)]
    return [one for one in sizes if one.accepted != one.now] + moved


def figures(result: Result) -> dict[str, float | None]:
    """Every figure of the result by what it measures."""
    found: dict[str, Figure | None] = {}
    for side in result.sides:
        found[f"click-through of {side.name}"] = side.click_through
        found[f"regret of {side.name}"] = side.regret
    found |= {label(judged.expectation): judged.figure for judged in result.expectations}
    return {name: None if figure is None else float(f"{figure.mean:.{_DIGITS}g}") for name, figure in found.items()}


def _alike(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=tolerance, abs_tol=tolerance * _ABSOLUTE)


def _missing(name: str, now: dict[str, float | None], before: Accepted) -> bool:
    return name not in now or name not in before.figures
