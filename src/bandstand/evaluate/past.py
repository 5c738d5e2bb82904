"""What must be known of a log before its decisions are visited: where they were made, and what came of them."""

from array import array
from bisect import bisect_left
from collections import Counter
from hashlib import blake2b
from math import inf
from typing import Final, NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.errors import InputError, UnknownError
from bandstand.events import Decided, Entry, Exposed, Rewarded, StrategyPut, SurfacePut
from bandstand.replay import Stops
from bandstand.store import EventLog, entries
from bandstand.strategy import Strategy, Surface

WORTH: Final = "worth"
"""The metric that counts each reward at its worth on the surface; any other is the sum of a reward's values."""

# For a decision that another system made, the target's weights are as they stood at the last whole hundred of entries:
# to copy them out before every single one takes longer than all the rest.
FRESH: Final = 100

_WHOLE: Final = -1  # in place of a position: the slate as a whole


def key(name: str) -> int:
    """64 bits that stand for the id of a decision or a user, below 0 as often as not."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


class Earned(NamedTuple):
    """What the slate earned by each metric: with each pick (metrics × picks), and as a whole."""

    picks: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]


class Past:
    """Decisions on one surface, or on all there are while none is named.

    Of rewards and exposures it keeps numbers alone, 32 and 16 bytes each: a log has many. They find their decision by
    64 bits of its id, of which two in a log of a hundred million are the same once in 3,700 logs.
    """

    def __init__(self, surface: str | None) -> None:
        self._surface = surface
        self._rewarded, self._values = array("q"), array("d")
        self._exposed = array("q")
        self._seqs, self._times = array("q"), array("d")
        self._names: dict[str, int] = {}
        self._decided_on: Counter[str] = Counter()
        self.taught: set[str] = set()
        self.strategies: dict[str, Strategy] = {}
        self.surfaces: dict[str, Surface] = {}
        self.stops = Stops()
        self.left_out: Counter[str] = Counter()
        self.clock = 0.0
        self.longest = 0
        self.learned = False

    @classmethod
    def read(cls, log: EventLog, surface: str | None, *, until: float = inf, last: int | None = None) -> Self:
        """Up to the entry at `until`; of its decisions the `last` so many are to be visited."""
        past = cls(surface)
        for entry in entries(log):
            if entry.seq > until:
                break
            past._apply(entry)
        past._sort()
        if last is not None:
            past.stops.keep(last)
        return past

    def place(self) -> str:
        """The surface that is asked about."""
        if not self._decided_on:
            raise InputError(
                "log: it holds no decision, must hold some; serve some, or `bandstand import` those of others"
            )
        known = ", ".join(sorted(self._decided_on))
        if self._surface is None:
            if len(self._decided_on) != 1:
                raise InputError(f"surface: name one of those on which the log has decisions: {known}", field="surface")
            return next(iter(self._decided_on))
        if self._surface not in self._decided_on:
            raise UnknownError(
                f"surface {self._surface!r}: the log has no decisions on it; it has on: {known}", field="surface"
            )
        return self._surface

    @property
    def rewards(self) -> list[str]:
        """The names of all that came."""
        return sorted(self._names)

    def check(self, metrics: tuple[str, ...]) -> None:
        """UnknownError for a metric that is no reward of this surface."""
        for name in metrics:
            if name != WORTH and name not in self._names:
                known = ", ".join([WORTH, *self.rewards])
                raise UnknownError(
                    f"metric {name!r}: no reward of that name came; known: {known}", field="metric", code="unknown"
                )

    def when(self, seq: int) -> float:
        """The log time of the decision at `seq`."""
        return self._times[bisect_left(self._seqs, seq)]

    def open(self, seq: int, fact: Decided, surface: Surface) -> bool:
        """Whether rewards may still come; for a decision made elsewhere all have come with it."""
        return not fact.imported and self.when(seq) + surface.window_s > self.clock

    def positions_seen(self, fact: Decided) -> set[int]:
        shown = {pick.position for pick in fact.picks}
        if fact.request.shown:
            return shown
        exposed = set(self._exposures[_found(self._exposure_keys, key(fact.decision))].tolist())
        return shown if _WHOLE in exposed else shown & exposed

    def earned(self, fact: Decided, seen: set[int], surface: Surface, metrics: tuple[str, ...]) -> Earned:
        """As the learner counts it: a pick that was seen and earned nothing gets the default of the worth, unless
        something came for the whole slate."""
        came = _found(self._reward_keys, key(fact.decision))
        events = [
            (position, self._reward_names[kind], value)
            for (position, kind), value in zip(
                self._rewards[came].tolist(), self._reward_values[came].tolist(), strict=True
            )
        ]
        picks, whole = np.zeros((len(metrics), len(fact.picks))), np.zeros(len(metrics))
        slots = {pick.position: slot for slot, pick in enumerate(fact.picks)}
        for row, metric in enumerate(metrics):
            for position, name, value in events:
                amount = surface.worth(name, value) if metric == WORTH else value * (metric == name)
                if position == _WHOLE:
                    whole[row] += amount
                elif position in slots:
                    picks[row, slots[position]] += amount
            if metric == WORTH and surface.default_reward:
                told = {position for position, _, _ in events}
                missing = () if _WHOLE in told else seen - told
                picks[row, [slots[position] for position in missing]] = surface.default_reward
        return Earned(picks, whole)

    def _apply(self, entry: Entry) -> None:
        self.clock = max(self.clock, entry.at)
        match entry.fact:
            case Decided() as fact:
                self.taught.update(fact.teaches)
                self._decided_on[fact.request.surface] += 1
                if self._surface in (None, fact.request.surface):
                    self._decided(entry, fact)
            case Exposed() as fact:
                for position in (_WHOLE,) if fact.positions is None else fact.positions:
                    self._exposed.extend((key(fact.decision), position))
            case Rewarded() as fact if self._surface in (None, fact.surface):
                kind = self._names.setdefault(fact.name, len(self._names))
                position = _WHOLE if fact.position is None else fact.position
                self._rewarded.extend((key(fact.decision), position, kind))
                self._values.append(fact.value)
            case StrategyPut() as fact:
                self.strategies[fact.name] = msgspec.json.decode(fact.definition, type=Strategy)
            case SurfacePut() as fact:
                self.surfaces[fact.name] = msgspec.json.decode(fact.definition, type=Surface)
            case _:
                pass

    def _decided(self, entry: Entry, fact: Decided) -> None:
        if fact.merged and not (fact.interleaved and fact.interleaved.exact):
            self.left_out["interleaved"] += 1
            return
        if not fact.picks:
            self.left_out["empty"] += 1
            return
        self.longest = max(self.longest, len(fact.picks))
        self.learned |= bool(fact.scored_by)
        self._seqs.append(entry.seq)
        self._times.append(entry.at)
        seq = entry.seq
        if fact.imported:
            self.stops.add(as_of=seq - 1, weights_as_of=(seq - 1) // FRESH * FRESH, seq=seq)
        else:
            self.stops.add(as_of=fact.as_of, weights_as_of=fact.weights_as_of, fits_as_of=fact.fits_as_of, seq=seq)

    def _sort(self) -> None:
        """By decision, in the order in which they came."""
        rewards = np.array(self._rewarded, np.int64).reshape(-1, 3)
        order = np.argsort(rewards[:, 0], kind="stable")
        self._reward_keys, self._rewards = rewards[order, 0], rewards[order, 1:]
        self._reward_values, self._reward_names = np.array(self._values, np.float64)[order], list(self._names)
        exposures = np.array(self._exposed, np.int64).reshape(-1, 2)
        order = np.argsort(exposures[:, 0], kind="stable")
        self._exposure_keys, self._exposures = exposures[order, 0], exposures[order, 1]
        self._rewarded, self._values, self._exposed = array("q"), array("d"), array("q")


def _found(keys: npt.NDArray[np.int64], key: int) -> slice:
    """Where this key stands among sorted ones."""
    begin, end = keys.searchsorted(key, "left"), keys.searchsorted(key, "right")
    return slice(int(begin), int(end))
