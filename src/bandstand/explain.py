"""What moved a score: the model is linear, so every score is a sum of named parts, exactly."""

from collections.abc import Mapping
from itertools import product

import msgspec

from bandstand.features import hashed
from bandstand.policy.linear import CONSTANT, FNV_PRIME, Weights

_Placed = tuple[str, int, float]


class Part(msgspec.Struct, frozen=True):
    """What one feature, or two that met, added to a score. `of` names them, as `item category=shoes`."""

    of: tuple[str, ...]
    value: float


class Parts(msgspec.Struct, frozen=True):
    """A score taken apart: `common` is what user and context give to every candidate alike, so that it decides
    nothing; `most` are the parts that moved it most, and `rest` the sum of all others."""

    common: float
    most: tuple[Part, ...]
    rest: float


def parts(
    weights: Weights,
    *,
    user: Mapping[str, float],
    context: Mapping[str, float],
    item: Mapping[str, float],
    sources: Mapping[str, float],
    most: int = 10,
) -> Parts:
    """The parts of the score of one candidate, whose sum it is.

    score = Σ_f w_f x_f over the features f of user, context, item and sources, and over the pairs of one of user or
    context with one of the item (`policy.linear.Weights.scores`)
    """
    shared = [*_placed("u", "user", user), *_placed("c", "context", context)]
    of_item = _placed("i", "item", item)

    def weight(place: int) -> float:
        return float(weights.table[place & ((1 << weights.bits) - 1)])

    common = weight(int(CONSTANT)) + sum(weight(place) * value for _, place, value in shared)
    found = [
        Part((name,), weight(place) * value) for name, place, value in (*of_item, *_placed("s", "source", sources))
    ]
    for (whose, first, x), (what, second, y) in product(shared, of_item):
        found.append(Part((whose, what), weight((first * int(FNV_PRIME)) ^ second) * x * y))
    found.sort(key=lambda part: (-abs(part.value), part.of))
    return Parts(
        common,
        tuple(part for part in found[:most] if part.value),
        sum(part.value for part in found[most:]),
    )


def _placed(namespace: str, called: str, features: Mapping[str, float]) -> list[_Placed]:
    """Each feature with the name it is shown by, its place and its value."""
    places, values = hashed(namespace, features)
    names = (f"{called} {_readable(name)}" for name in features)
    return list(zip(names, places.tolist(), values.tolist(), strict=True))


def _readable(name: str) -> str:
    return "of somebody erased" if name.startswith("\0") else name
