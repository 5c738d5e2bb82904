"""The slates of an interleaving: what was shown to whom, for which side each pick stands, and what it earned."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from bandstand.events import Decided, Exposed, Rewarded, UserErased, decode
from bandstand.experiments.assignment import unit
from bandstand.experiments.definition import Experiment
from bandstand.experiments.interleaving import Credit
from bandstand.experiments.interleaving.contests import Merged, duels, merged
from bandstand.state import mark
from bandstand.store import EventLog

_KINDS: Final = ("decided", "exposed", "rewarded", "usererased")

KEPT = 20_000
"""Slates of an experiment of which all that made them is kept: about 60 MB."""


class Earned(NamedTuple):
    """A reward as it came in; without a position it belongs to the whole slate."""

    reward: str
    position: int | None
    value: float


class Slate(msgspec.Struct, array_like=True):
    """A decision under the experiment, of the `unit` with this mark.

    `variant` is the one that decided it, and stays so whatever its user sees later. `seen` holds the positions that
    were shown, None where all were, and `at` is when it was first shown. Of an interleaved slate `duels` says, for each
    treatment against the control, for whom each of the `positions` counts.
    """

    unit: str
    variant: str
    positions: tuple[int, ...]
    duels: tuple[tuple[Credit, ...], ...] = ()
    seen: set[int] | None = None
    earned: tuple[Earned, ...] = ()
    merged: Merged | None = None
    began: str | None = None
    at: float = 0.0

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


class _Reading:
    def __init__(self, experiment: Experiment, known: Mapping[str, Slate]) -> None:
        self.slates = dict(known)
        self._experiment = experiment
        self._mark = msgspec.json.encode(experiment.name).decode()

    def take(self, at: float, kind: str, body: str) -> None:
        if kind == "decided" and self._mark not in body:
            return
        match decode(body):
            case Decided() as fact:
                for assignment in fact.assignments:
                    if assignment.experiment == self._experiment.name and not assignment.forced:
                        self._decided(fact, assignment.variant, at)
            case Exposed() as fact:
                self._exposed(fact, at)
            case Rewarded() as fact:
                slate = self.slates.get(fact.decision)
                if slate is not None:
                    slate.earned += (Earned(fact.name, fact.position, fact.value),)
            case UserErased() as fact:
                self._erased(fact)
            case _:
                pass

    def _decided(self, fact: Decided, variant: str, at: float) -> None:
        who = unit(self._experiment, fact.request)
        if who is not None:
            positions = tuple(pick.position for pick in fact.picks)
            seen: set[int] | None = None if fact.request.shown else set()
            made = merged(self._experiment, fact)
            kept = made if len(self.slates) < KEPT else None
            first = (pick.team for pick in fact.picks if pick.team is not None)
            began = next(first, None) if all(made.rankings) and not made.before else None
            of = mark(who)
            self.slates[fact.decision] = Slate(
                of, variant, positions, duels(made), seen, merged=kept, began=began, at=at
            )

    def _exposed(self, fact: Exposed, at: float) -> None:
        slate = self.slates.get(fact.decision)
        if slate is None or slate.seen is None:
            return
        if not slate.shown:
            slate.at = at
        if fact.positions is None:
            slate.seen = None
        else:
            slate.seen.update(set(fact.positions).intersection(slate.positions))

    def _erased(self, fact: UserErased) -> None:
        """What was read before has their old names; where it was read just now, they have the new one already."""
        for slate in self.slates.values():
            if slate.unit in fact.was:
                slate.unit = mark(fact.user)


def slates(
    log: EventLog, experiment: Experiment, *, upto: int, known: Mapping[str, Slate] | None = None, after: int = 0
) -> dict[str, Slate]:
    """Every slate that was drafted up to a position of the log, by decision, with what it earned; those `known` up to
    `after` need not be read again."""
    found = _Reading(experiment, known or {})
    while after < upto and (page := log.scan(_KINDS, after=after)):
        after = page[-1][0]
        for seq, at, kind, body in page:
            if seq <= upto:
                found.take(at, kind, body)
    return found.slates
