"""How often a strategy shows an item at a position, whatever it shows above: exact where few slates are possible."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple, TypeVar

import numpy as np
from msgspec.json import encode

from bandstand.chance import bits
from bandstand.evaluate.rows import Floats
from bandstand.shape import PLAIN
from bandstand.slate import Indices, Slots, Urn

T = TypeVar("T")

MOST_SETS: Final = 2000
"""Sets of picks that are gone through for exact marginals; above, slates are drawn."""

MOST_SLATES: Final = 2000
DRAWN: Final = 200
"""Slates drawn where there are more sets. A drawn slate counts with the probabilities of each position's candidates
given the picks above, not with the pick alone, which takes most of the noise out."""

_REMEMBERED: Final = 64


class Marginals(NamedTuple):
    """`shares` (items × positions) and, where they were drawn, the variance of each as an estimate, else 0."""

    shares: Floats
    variances: Floats

    @property
    def exact(self) -> bool:
        return not self.variances.any()


class Slates(NamedTuple):
    """Every slate that can be drawn, and its probability."""

    slates: Indices
    shares: Floats


class Remembered:
    """Marginals and slates of urns that were asked about lately: many decisions of a fixed policy have the same."""

    def __init__(self) -> None:
        self._marginals: OrderedDict[Hashable, Marginals] = OrderedDict()
        self._slates: OrderedDict[Hashable, Slates | None] = OrderedDict()

    def marginals(self, urn: Urn, length: int, *, key: str) -> Marginals:
        """`key` names the decision, and whose chances they are."""
        name = _name(urn, length)
        found = self._marginals.get(name) if name is not None else None
        if found is None:
            found = marginals(urn, length, key=key)
            _remember(self._marginals, name, found)
        return found

    def slates(self, urn: Urn, length: int) -> Slates | None:
        """None where there are more than MOST_SLATES."""
        name = _name(urn, length)
        if name is not None and name in self._slates:
            return self._slates[name]
        found = slates(urn, length)
        _remember(self._slates, name, found)
        return found


def marginals(urn: Urn, length: int, *, key: str) -> Marginals:
    """By the sets of picks above each position, whose order does not matter to any policy or shape; where there are too
    many, from slates drawn with chances of `key`'s own."""
    length = min(length, len(urn.items))
    exact = _exact(urn, length)
    if exact is not None:
        return Marginals(exact, np.zeros_like(exact))
    total, squares = np.zeros((2, len(urn.items), length))
    chance = np.random.Generator(np.random.PCG64(bits("marginals", key)))
    for _ in range(DRAWN):
        slots = urn.slots()
        for slot in range(length):
            left, shares = slots.next()
            total[left, slot] += shares
            squares[left, slot] += shares**2
            sums = shares.cumsum()
            at = int(sums.searchsorted(chance.random() * sums[-1], side="right"))
            slots.fill(int(left[min(at, len(left) - 1)]))
    mean = total / DRAWN
    return Marginals(mean, np.maximum(squares / DRAWN - mean**2, 0.0) / (DRAWN - 1))


def slates(urn: Urn, length: int) -> Slates | None:
    """Every slate of the urn; None where there are more than MOST_SLATES."""
    found: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    for _ in range(min(length, len(urn.items))):
        longer: list[tuple[tuple[int, ...], float]] = []
        for above, share in found:
            left, shares = _after(urn, above).next()
            shown = [(int(at), p) for at, p in zip(left, shares.tolist(), strict=True) if p > 0]
            longer.extend(((*above, at), share * p) for at, p in shown)
            if len(longer) > MOST_SLATES:
                return None
        found = longer
    return Slates(np.array([one for one, _ in found]), np.array([share for _, share in found]))


def _exact(urn: Urn, length: int) -> Floats | None:
    found = np.zeros((len(urn.items), length))
    level: dict[frozenset[int], tuple[tuple[int, ...], float]] = {frozenset(): ((), 1.0)}
    gone_through = 0
    for slot in range(length):
        gone_through += len(level)
        if gone_through > MOST_SETS:
            return None
        below: dict[frozenset[int], tuple[tuple[int, ...], float]] = {}
        for above, share in level.values():
            left, shares = _after(urn, above).next()
            found[left, slot] += share * shares
            if slot + 1 < length:
                for at, p in zip(left.tolist(), shares.tolist(), strict=True):
                    if p > 0:
                        picked = frozenset((*above, at))
                        known = below.get(picked)
                        below[picked] = ((*above, at), share * p + (known[1] if known else 0.0))
        level = below
    return found


def _after(urn: Urn, above: tuple[int, ...]) -> Slots:
    slots = urn.slots()
    for at in above:
        slots.next()
        slots.fill(at)
    return slots


def _name(urn: Urn, length: int) -> Hashable | None:
    """The same for urns whose slates are the same; None where a shape would have to be compared."""
    if urn.shape != PLAIN:
        return None
    return (encode(urn.policy), urn.learned, urn.first_position, length, tuple(urn.items), urn.scores.tobytes())


def _remember(kept: "OrderedDict[Hashable, T]", name: Hashable | None, value: T) -> None:
    if name is not None:
        kept[name] = value
        if len(kept) > _REMEMBERED:
            kept.popitem(last=False)
