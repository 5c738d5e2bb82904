"""Features between the flat names of this log and the namespaces of Vowpal Wabbit's JSON.

Two layouts. What Vowpal Wabbit's users wrote has namespaces of their own: `flat` names their features
`namespace|feature`, and `nested` gives back an object that means the same to Vowpal Wabbit. What this log says itself
goes into one namespace, by `packed`, which also keeps lists and leading underscores; `unpacked` undoes it.
"""

from collections.abc import Mapping
from math import isfinite

from bandstand.events import Feature, Features, Scalar

_DEFAULT = " "
_DEEPEST = 32
_LARGEST_WHOLE = 2**32  # Vowpal Wabbit reads no greater whole number; it reads a fraction of any size


def flat(described: Mapping[str, object]) -> Features:
    """The features of an object, by `namespace|feature`, those without a namespace by their own names; of nested
    objects the innermost names the namespace, and numbers without a name are the list `namespace|`.

    Left out is what Vowpal Wabbit passes over: null, and names that begin with `_` (but `_text`). ValueError for what
    it cannot read, and for a feature that is there twice.
    """
    found: Features = {}
    _flatten(found, "", described, 0)
    return found


def scalars(features: Features) -> dict[str, Scalar]:
    """The same without lists: their numbers are features `0`, `1`, …, which is what they are to Vowpal Wabbit."""
    out: dict[str, Scalar] = {}
    for name, value in features.items():
        if isinstance(value, list):
            out |= {f"{name}{at}": number for at, number in enumerate(value)}
        else:
            out[name] = value
    return out


def nested(features: Mapping[str, Feature]) -> dict[str, object]:
    """An object that means to Vowpal Wabbit what `flat` was given."""
    plain: dict[str, object] = {}
    spaces: dict[str, dict[str, object]] = {}
    for name, value in features.items():
        space, bar, own = name.partition("|")
        (spaces.setdefault(space, {}) if space and bar else plain)[own if bar else name] = value
    around = {_DEFAULT: plain} if plain.keys() & spaces.keys() else plain  # a feature may be named as a namespace is
    return around | {space: _space(held) for space, held in spaces.items()}


def packed(features: Mapping[str, Feature]) -> dict[str, object]:
    """The features as one namespace holds them: a list of texts as an object with each of them, and no name that
    would mean something to Vowpal Wabbit."""
    return {_guarded(name): _packed(value) for name, value in features.items() if "\0" not in name}


def unpacked(space: Mapping[str, object]) -> Features:
    """What `packed` was given. ValueError for what it never writes."""
    return {_bared(name): _unpacked(name, value) for name, value in space.items()}


def _flatten(found: Features, space: str, described: Mapping[str, object], depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"namespaces are nested more than {_DEEPEST} deep; flatten them")
    for name, value in described.items():
        if name.startswith("_") and not (name == "_text" and isinstance(value, str)):
            continue
        if isinstance(value, dict):
            _flatten(found, _spaced(name), value, depth + 1)
        elif isinstance(value, list):
            _flatten_list(found, _spaced(name), value, depth + 1)
        elif isinstance(value, str | bool | int | float):
            _put(found, _named(space, name), value)
        elif value is not None:
            raise ValueError(f"feature {name!r} is {str(value)[:40]!r}, must be text, number or truth")


def _flatten_list(found: Features, space: str, values: list[object], depth: int) -> None:
    numbers: list[str | float] = []
    for value in values:
        if isinstance(value, dict):
            _flatten(found, space, value, depth)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append(value)
        elif value is not None:
            raise ValueError(f"{space!r} lists {str(value)[:40]!r}, must list numbers or objects; name the feature")
    if numbers:
        _put(found, f"{space}|" if space else "", numbers)


def _put(found: Features, name: str, value: Feature) -> None:
    if name in found:
        raise ValueError(f"feature {name!r} is there twice; rename one")
    found[name] = value


def _spaced(name: str) -> str:
    return "" if name == _DEFAULT else name.replace("|", "-")


def _named(space: str, name: str) -> str:
    return f"{space}|{name}" if space or "|" in name else name


def _space(held: dict[str, object]) -> object:
    """A namespace; its numbers without a name come as a list."""
    unnamed = held.get("")
    if not isinstance(unnamed, list):
        return held
    named = {name: value for name, value in held.items() if name}
    return [*unnamed, named] if named else unnamed


def _guarded(name: str) -> str:
    # A leading underscore means something to Vowpal Wabbit; a namespace with a first byte beyond ASCII crashes it.
    return f".{name}" if name.startswith(("_", ".")) or not name[:1].isascii() else name


def _bared(name: str) -> str:
    return name.removeprefix(".")


def _packed(value: Feature) -> object:
    if isinstance(value, list):
        if all(isinstance(one, int | float) for one in value):
            return value
        return {_guarded(str(one)): True for one in value}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST_WHOLE:
        return float(value)
    return value


def _unpacked(name: str, value: object) -> Feature:
    match value:
        case str() | bool() | int():
            return value
        case float() if isfinite(value):
            return value
        case dict():
            return [_bared(one) for one in value]
        case list() if all(isinstance(one, int | float) for one in value):
            return value
        case _:
            raise ValueError(f"feature {name!r} is {str(value)[:40]!r}, must be text, number, truth or a list")
