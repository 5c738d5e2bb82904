"""Generators that are made anew now and then: which there are as of a log position, and how they are written down."""

from collections.abc import Callable, Collection

import msgspec

from bandstand.candidates import Evidence, Fitted
from bandstand.candidates.registry import FITTED
from bandstand.errors import InputError
from bandstand.packing import pack, unpack

# Made anew when a tenth more has been told than the last time, and not before there is a little to go by.
FEWEST_TOLD = 20
_GROWN = 1.1


Told = Callable[[str], object]
"""Told what is being made, and what cannot be made and why."""


def _unheard(_: str) -> None:
    pass


class Fits(msgspec.Struct, frozen=True):
    """Fitted generators by name, as of position `seq` of the log that began at `origin`, when `told` likes and items
    had been told. Those of `names` that are missing had nothing to go by."""

    seq: int = 0
    origin: float = 0.0
    told: int = 0
    names: tuple[str, ...] = ()
    generators: dict[str, Fitted] = {}

    def due(self, names: Collection[str], told: int) -> bool:
        """Whether they should be made anew, now that these are wanted and so much has been told."""
        grown = told >= max(FEWEST_TOLD, self.told * _GROWN)
        return bool(names) and (grown or not set(names) <= set(self.names))


class _Written(msgspec.Struct, frozen=True):
    seq: int
    origin: float
    told: int
    names: tuple[str, ...]
    packed: dict[str, bytes]


def fittable(names: Collection[str]) -> list[str]:
    """Those of `names` that are fitted generators, in the order of the registry."""
    return [kind.name for kind in FITTED if kind.name in names]


def fitted(names: Collection[str], evidence: Evidence, *, told: Told = _unheard) -> dict[str, Fitted]:
    """Each of these that the evidence suffices for, and whose library is installed."""
    made: dict[str, Fitted] = {}
    for kind in (kind for kind in FITTED if kind.name in names):
        told(f"fitting {kind.name}")
        try:
            one = kind.fit(evidence)
        except InputError as error:
            told(str(error))
            continue
        if one is not None:
            made[kind.name] = one
    return made


def dump(fits: Fits) -> bytes:
    packed = {name: pack(one) for name, one in fits.generators.items()}
    return pack(_Written(fits.seq, fits.origin, fits.told, fits.names, packed))


def load(body: bytes) -> Fits:
    """What `dump` wrote; raises msgspec.MsgspecError or ValueError where this release cannot read it."""
    written = unpack(body, _Written)
    generators: dict[str, Fitted] = {
        kind.name: unpack(written.packed[kind.name], kind) for kind in FITTED if kind.name in written.packed
    }
    return Fits(written.seq, written.origin, written.told, written.names, generators)
