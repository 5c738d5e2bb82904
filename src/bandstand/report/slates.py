"""The slates of an interleaving: what was shown to whom, for which side each pick stands, and what it earned."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from bandstand.events import Decided, Entry, Exposed, Rewarded
from bandstand.experiments.assignment import unit
from bandstand.experiments.definition import Experiment
from bandstand.experiments.interleaving import Credit
from bandstand.experiments.interleaving.contests import Merged, duels, merged
from bandstand.report.gathered import Life
from bandstand.store import EventLog, entries

KEPT = 20_000
"""Slates of an experiment of which all that made them is kept: about 60 MB."""


class Earned(NamedTuple):
    """A reward as it came in; without a position it belongs to the whole slate."""

    reward: str
    position: int | None
    value: float


class Slate(msgspec.Struct):
    """A decision under the experiment.

    `variant` is the one that decided it, and stays so whatever its user sees later. `seen` holds the positions that
    were shown, None where all were. Of an interleaved slate `duels` says, for each treatment against the control, for
    whom each of the `positions` counts.
    """

    unit: str
    variant: str
    positions: tuple[int, ...]
    duels: tuple[tuple[Credit, ...], ...] = ()
    seen: set[int] | None = None
    earned: tuple[Earned, ...] = ()
    merged: Merged | None = None
    began: str | None = None

    @property
    def shown(self) -> bool:
        return self.seen is None or bool(self.seen)

    def picks(self) -> list[int]:
        """The positions that were shown."""
        return [position for position in self.positions if self.seen is None or position in self.seen]

    def rewards(self, name: str) -> Iterator[Earned]:
        """The rewards of this name that came for what was shown."""
        for one in self.earned:
            shown = self.seen is None or one.position in self.seen or (one.position is None and self.seen)
            if one.reward == name and shown:
                yield one


class _Reading(msgspec.Struct):
    experiment: Experiment
    slates: dict[str, Slate] = {}

    def apply(self, entry: Entry) -> None:
        match entry.fact:
            case Decided() as fact:
                for assignment in fact.assignments:
                    if assignment.experiment == self.experiment.name and not assignment.forced:
                        self._decided(fact, assignment.variant)
            case Exposed() as fact:
                self._exposed(fact)
            case Rewarded() as fact:
                slate = self.slates.get(fact.decision)
                if slate is not None:
                    slate.earned += (Earned(fact.name, fact.position, fact.value),)
            case _:
                pass

    def _decided(self, fact: Decided, variant: str) -> None:
        who = unit(self.experiment, fact.request)
        if who is not None:
            positions = tuple(pick.position for pick in fact.picks)
            seen: set[int] | None = None if fact.request.shown else set()
            made = merged(self.experiment, fact)
            kept = made if len(self.slates) < KEPT else None
            first = (pick.team for pick in fact.picks if pick.team is not None)
            began = next(first, None) if all(made.rankings) and not made.before else None
            self.slates[fact.decision] = Slate(who, variant, positions, duels(made), seen, merged=kept, began=began)

    def _exposed(self, fact: Exposed) -> None:
        slate = self.slates.get(fact.decision)
        if slate is None or slate.seen is None:
            return
        if fact.positions is None:
            slate.seen = None
        else:
            slate.seen.update(set(fact.positions).intersection(slate.positions))


def slates(log: EventLog, life: Life) -> list[Slate]:
    """Every slate that was drafted, up to `life.as_of`, with what it earned."""
    found = _Reading(life.experiment)
    for entry in entries(log):
        if entry.seq > life.as_of:
            break
        found.apply(entry)
    return list(found.slates.values())
