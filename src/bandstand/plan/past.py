"""Who would have taken part in an experiment, had it run over the last days of a log, and what they did: the report's
own units, all of them under one variant."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from bandstand.errors import InputError, UnknownError
from bandstand.events import Assignment, Decided, UserPut
from bandstand.experiments.definition import Experiment, Variant
from bandstand.expressions import parse
from bandstand.matching import holds
from bandstand.report.asked import asked
from bandstand.report.exposure import Units, units
from bandstand.report.gathered import Gathered, Life
from bandstand.report.ledger import Ledger
from bandstand.report.listening import KINDS, Listening
from bandstand.ruling import facts_of
from bandstand.store import EventLog, Written

DAY_S: Final = 86_400.0
_STRETCH: Final = 200_000
_ALL: Final = "all"


class Past(NamedTuple):
    """All `units` as of log time `end`, the first of whom came at `begin`."""

    units: Units
    begin: float
    end: float

    @property
    def days(self) -> float:
        return max((self.end - self.begin) / DAY_S, 1e-6)


def past(log: EventLog, experiment: Experiment, *, days: float = 28.0) -> Past:
    """Read the log once: of its last `days` the decisions on the experiment's surfaces, for its audience.

    UnknownError where nothing was decided there, InputError where too few came to say how much they differ.
    """
    head = log.head()
    last = log.read(after=head - 1, limit=1)
    end = last[0].at if last else 0.0
    alone = _alone(experiment)
    wanted = asked(alone)
    rewritten = _Rewritten(experiment, since=end - days * DAY_S)
    listening, ledger = Listening(wanted), Ledger(wanted)
    for page in _pages(log, head):
        listening.take([rewritten(one) if one[2] == "decided" else one for one in page if rewritten.knows(one)])
        if listening.entries >= _STRETCH:
            ledger.settle(listening.heard())
            listening.begin()
    ledger.settle(listening.heard())
    where = " and ".join(map(repr, experiment.on))
    if not rewritten.found:
        raise UnknownError(f"nobody came to {where} in the last {days:g} days of the log", field="surface")
    gathered = Gathered(Life(alone, at=end), ledger)
    found = units(gathered, slates=gathered.each_slate(history=False))
    if len(found) < 2:
        whom = f"{len(found)} {experiment.unit}{'' if len(found) == 1 else 's'}"
        raise InputError(
            f"{whom} came to {where} in the last {days:g} days of the log, must be at least 2; name the "
            f"{experiment.unit} in requests",
            field="unit",
            code="too_few",
        )
    return Past(found, float(found.first.min()), end)


def _alone(experiment: Experiment) -> Experiment:
    """The experiment with all of its units in one variant, whoever sees what."""
    analysis = replace(experiment.analysis, method="always-valid", segments=(), trigger="exposed")
    return replace(experiment, method="ab", variants=(Variant(_ALL, weight=1.0),), analysis=analysis)


def _pages(log: EventLog, head: int) -> Iterator[Sequence[Written]]:
    after = 0
    while after < head and (page := log.scan(("userput", *KINDS), after=after)):
        after = page[-1][0]
        yield [one for one in page if one[0] <= head]


class _Rewritten:
    """Decisions as if those of the last days on the experiment's surfaces, for its audience, had been part of it."""

    def __init__(self, experiment: Experiment, *, since: float) -> None:
        self.found = 0
        self._experiment, self._since = experiment, since
        self._audience = parse(experiment.audience) if experiment.audience else None
        self._profiles: dict[str, UserPut] = {}
        self._heard_of: set[str | None] = set()

    def knows(self, one: Written) -> bool:
        """Whether it is something for a report; what is said of users is for the audience."""
        if one[2] != "userput":
            return True
        if self._audience is not None:
            profile = msgspec.json.decode(one[3], type=UserPut)
            self._profiles[profile.user] = profile
        return False

    def __call__(self, one: Written) -> Written:
        seq, at, kind, body = one
        fact = _decided(body)
        inside = at >= self._since and fact.request.surface in self._experiment.on and self._fits(fact)
        self.found += inside
        assigned = (Assignment(self._experiment.name, _ALL, self._experiment.layer),) if inside else ()
        return seq, at, kind, msgspec.json.encode(replace(fact, assignments=assigned, teaches=())).decode()

    def _fits(self, fact: Decided) -> bool:
        if self._audience is None:
            return True
        user = fact.request.user
        newcomer = user not in self._heard_of
        self._heard_of.add(user)
        profile = None if user is None else self._profiles.get(user)
        return holds(self._audience, facts_of(fact.request, profile, user=user, newcomer=newcomer))


_decided: Callable[[str], Decided] = msgspec.json.Decoder(Decided).decode
