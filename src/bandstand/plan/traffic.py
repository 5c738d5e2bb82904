"""Who came to a surface in the last days of a log, when first, and what each of them earned."""

from array import array
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.errors import InputError, UnknownError
from bandstand.events import Decided, Exposed, Rewarded
from bandstand.experiments.definition import Unit
from bandstand.stats.moments import Moments, PairMoments
from bandstand.store import EventLog, entries

Kind = Literal["mean", "proportion", "ratio"]
Column = npt.NDArray[np.float64]

DAY_S = 86_400.0


class Traffic(NamedTuple):
    """One row a unit, in the order in which they first came: on which day (from 0), picks shown and what was earned.

    `days` is how long the log was looked at.
    """

    surface: str
    reward: str
    unit: Unit
    days: float
    first: Column
    shown: Column
    earned: Column

    def outcome(self, kind: Kind) -> Moments:
        """Of one value a unit: its sum, whether there was any, or the linearised sum per pick shown."""
        match kind:
            case "mean":
                return Moments.of(self.earned)
            case "proportion":
                return Moments.of(self.earned > 0)
            case "ratio":
                return PairMoments.of(self.earned, self.shown).ratio()

    def days_for(self, units: int) -> float:
        """How long until so many have come; beyond what was seen, newcomers come as in its second half."""
        if units <= len(self.first):
            return float(self.first[units - 1])
        return self.days + (units - len(self.first)) / self._a_day if self._a_day else np.inf

    def units_in(self, days: float) -> float:
        """How many come in so many days; see `days_for`."""
        if days <= self.days:
            return float(np.searchsorted(self.first, days, side="right"))
        return len(self.first) + self._a_day * (days - self.days)

    @property
    def _a_day(self) -> float:
        return float(np.count_nonzero(self.first > self.days / 2)) / (self.days / 2)


def traffic(log: EventLog, surface: str, reward: str, *, unit: Unit = "user", days: float = 28.0) -> Traffic:
    """Read the log once, and look at the last `days` of it.

    UnknownError where the surface decided nothing, InputError where too few came to say how much they differ.
    """
    last = log.read(after=log.head() - 1, limit=1)
    end = last[0].at if last else 0.0
    since = end - days * DAY_S
    numbers: dict[str, int] = {}
    first, shown, earned = array("d"), array("d"), array("d")
    waiting: dict[str, int] = {}  # picks of slates that nobody has seen yet
    of_device: dict[str, int] = {}  # whose decision it was, where rewards do not name the unit
    surfaces: set[str] = set()
    begin = end
    for entry in entries(log):
        match entry.fact:
            case Decided() as fact:
                surfaces.add(fact.request.surface)
                who = getattr(fact.request, unit)
                if fact.request.surface != surface or who is None or entry.at < since:
                    continue
                begin = min(begin, entry.at)
                if who not in numbers:
                    numbers[who] = len(numbers)
                    first.append(entry.at)
                    shown.append(0.0)
                    earned.append(0.0)
                if unit == "device":
                    of_device[fact.decision] = numbers[who]
                if fact.request.shown:
                    shown[numbers[who]] += len(fact.picks)
                else:
                    waiting[fact.decision] = numbers[who]
            case Exposed() as fact if fact.decision in waiting:
                shown[waiting[fact.decision]] += 0 if fact.positions is None else len(fact.positions)
            case Rewarded() as fact if fact.surface == surface and fact.name == reward and entry.at >= since:
                number = of_device.get(fact.decision) if unit == "device" else numbers.get(getattr(fact, unit))
                if number is not None:
                    earned[number] += fact.value
            case _:
                pass
    if surface not in surfaces:
        known = ", ".join(sorted(surfaces)) or "none"
        raise UnknownError(f"surface {surface!r}: the log has no decisions on it; it has on: {known}", field="surface")
    if len(numbers) < 2:
        some = f"{len(numbers)} {unit}{'' if len(numbers) == 1 else 's'} came"
        raise InputError(
            f"surface {surface!r}: {some} in {days:g} days, must be at least 2 to say how much they "
            f"differ; name a {unit} in requests, or look at more days",
            field="unit",
            code="too_few",
        )
    length = max((end - begin) / DAY_S, 1e-6)
    came = (np.array(first) - begin) / DAY_S
    return Traffic(surface, reward, unit, length, came, np.array(shown), np.array(earned))
