"""One pass over the log: what was shown under an experiment, to whom, and what each slate earned."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from bandstand.errors import UnknownError
from bandstand.events import Decided, Entry, ExperimentMoved, ExperimentPut, Exposed, Rewarded
from bandstand.experiments.assignment import unit
from bandstand.experiments.definition import Experiment
from bandstand.experiments.interleaving import Credit
from bandstand.experiments.interleaving.contests import duels, merged
from bandstand.store import EventLog, entries


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


class Collected(msgspec.Struct):
    """What the log says about an experiment. `since` and `until` are when it started and ended; `as_of` and `at` say
    how far the log was read. Memory grows by one Slate a decision of this experiment."""

    experiment: Experiment
    state: str = "draft"
    winner: str | None = None
    since: float | None = None
    until: float | None = None
    as_of: int = 0
    at: float = 0.0
    slates: dict[str, Slate] = {}

    def apply(self, entry: Entry) -> None:
        """Take in the next entry."""
        self.as_of, self.at = entry.seq, max(self.at, entry.at)
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
            case ExperimentPut() as fact if fact.name == self.experiment.name:
                self.experiment = _definition(fact)
            case ExperimentMoved() as fact if fact.name == self.experiment.name:
                self._moved(fact, entry.at)
            case _:
                pass

    def _decided(self, fact: Decided, variant: str) -> None:
        who = unit(self.experiment, fact.request)
        if who is not None:
            positions = tuple(pick.position for pick in fact.picks)
            seen: set[int] | None = None if fact.request.shown else set()
            against = duels(merged(self.experiment, fact)) if self.experiment.method == "interleave" else ()
            self.slates[fact.decision] = Slate(who, variant, positions, against, seen)

    def _exposed(self, fact: Exposed) -> None:
        slate = self.slates.get(fact.decision)
        if slate is None or slate.seen is None:
            return
        if fact.positions is None:
            slate.seen = None
        else:
            slate.seen.update(set(fact.positions).intersection(slate.positions))

    def _moved(self, fact: ExperimentMoved, at: float) -> None:
        self.state, self.winner = fact.to, fact.winner
        if fact.to == "running":
            self.since = at
        elif self.until is None:
            self.until = at


def collect(log: EventLog, name: str) -> Collected:
    """Everything that the log holds about this experiment; UnknownError where it was never recorded."""
    found: Collected | None = None
    known: set[str] = set()
    for entry in entries(log):
        if isinstance(entry.fact, ExperimentPut):
            known.add(entry.fact.name)
            if found is None and entry.fact.name == name:
                found = Collected(_definition(entry.fact))
        if found is not None:
            found.apply(entry)
    if found is None:
        raise UnknownError(
            f"experiment '{name}' is not defined; known: {', '.join(sorted(known)) or 'none'}", field="experiment"
        )
    return found


def _definition(fact: ExperimentPut) -> Experiment:
    return msgspec.json.decode(fact.definition, type=Experiment)
