"""The shell around the model: answers requests, checks what comes back, and keeps model and log in step."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from types import MappingProxyType

import msgspec

from bandstand.errors import InputError, UnknownError
from bandstand.events import (
    AnyFact,
    Decided,
    Draft,
    Drafted,
    Entry,
    Exposed,
    Interacted,
    Request,
    Rewarded,
    Scalar,
    UserErased,
)
from bandstand.features import segments
from bandstand.model import Model
from bandstand.rank import decide
from bandstand.store import Appended, EventLog, entries
from bandstand.strategy import MOST_CANDIDATES

_RECENT_DECISIONS = 2_000  # one among 100 given candidates takes 14 kB; those before are looked up in the log
_LARGEST_REWARD = 1e6
NO_CONTEXT: Mapping[str, Scalar] = MappingProxyType({})


class Engine:
    """A model that follows one log.

    `decide`, `reward`, `exposure` make facts and change nothing; `commit` writes them and steps the model over what
    was written. A server that groups its writes calls `apply` for itself when they are durable.
    """

    def __init__(self, model: Model, log: EventLog) -> None:
        self.model = model
        self.log = log
        self._recent: OrderedDict[str, Decided] = OrderedDict()

    def decide(self, request: Request, *, decision: str) -> Decided:
        return decide(self.model, request, decision=decision)

    def decision(self, decision: str) -> Decided:
        """The decision of that id; UnknownError where the log has none."""
        found = self._recent.get(decision)
        if found is None:
            entry = self.log.find(f"decided/{decision}")
            if entry is None or not isinstance(entry.fact, Decided):
                raise UnknownError(
                    f"decision {decision!r} is not in the log; use the `decision` of a rank answer",
                    field="decision",
                    code="unknown_decision",
                )
            found = entry.fact
        return found

    def reward(
        self,
        decision: str,
        name: str,
        value: float,
        *,
        item: str | None = None,
        position: int | None = None,
        time: float | None = None,
        key: str | None = None,
    ) -> Rewarded:
        """The reward as a fact. InputError for a value that is not finite, an item or position that was not shown."""
        if not isfinite(value) or abs(value) > _LARGEST_REWARD:
            raise InputError(f"value == {value}, must be finite and within ±{_LARGEST_REWARD:g}", field="value")
        decided = self.decision(decision)
        item, position = _shown(decided, item, position)
        return Rewarded(
            decision=decision,
            name=name,
            value=value,
            surface=decided.request.surface,
            position=position,
            item=item,
            user=decided.request.user,
            session=decided.request.session,
            time=time,
            key=key,
            segments=segments(decided.request.context),
        )

    def exposure(self, decision: str, positions: Sequence[int] | None = None, *, time: float | None = None) -> Exposed:
        """The exposure as a fact. InputError for a position that was not in the slate."""
        decided = self.decision(decision)
        for position in positions or ():
            _shown(decided, None, position)
        return Exposed(decision, None if positions is None else tuple(sorted(set(positions))), time)

    def next_page(self, decision: str, n: int | None = None, *, time: float) -> Request:
        """The request that goes on where this decision's slate ended, without what was shown until then.

        UnknownError where the log has no such decision, InputError where too many pages were shown.
        """
        decided = self.decision(decision)
        last = decided.request
        exclude = tuple(dict.fromkeys((*last.exclude, *(pick.item for pick in decided.picks))))
        if len(exclude) > MOST_CANDIDATES:
            raise InputError(
                f"decision {decision!r}: {len(exclude)} items were shown or excluded on its pages, must be at most "
                f"{MOST_CANDIDATES}; begin anew with a request",
                field="decision",
            )
        return msgspec.structs.replace(
            last,
            time=time,
            n=last.n if n is None else n,
            exclude=exclude,
            first_position=last.first_position + len(decided.picks),
            continues=decision,
            drafted=_drafted(decided),
        )

    def commit(self, facts: Iterable[AnyFact], *, at: float) -> list[Appended]:
        """Write the facts and step over whatever the log now holds beyond the model."""
        appended = self.log.append([Draft(fact, at) for fact in facts])
        self.catch_up()
        return appended

    def rank(self, request: Request, *, decision: str, at: float) -> Decided:
        """Decide and commit; the same `decision` again answers what was decided the first time."""
        stored = self.commit([self.decide(request, decision=decision)], at=at)[0].entry.fact
        assert isinstance(stored, Decided)
        return stored

    def apply(self, written: Iterable[Entry]) -> None:
        """Step over entries just written; where others wrote in between, theirs are read from the log first."""
        for entry in written:
            if entry.seq > self.model.state.seq + 1:
                self.catch_up(until=entry.seq - 1)
            if entry.seq == self.model.state.seq + 1:
                self._step(entry)

    def catch_up(self, *, until: int | None = None) -> int:
        """Read the log up to its head, or to `until`; the number of entries read."""
        start = self.model.state.seq
        for entry in entries(self.log, after=start):
            if until is not None and entry.seq > until:
                break
            self._step(entry)
        return self.model.state.seq - start

    def _step(self, entry: Entry) -> None:
        self.model.step(entry)
        if isinstance(entry.fact, UserErased):
            self._recent.clear()
        if isinstance(entry.fact, Decided):
            self._recent[entry.fact.decision] = entry.fact
            if len(self._recent) > _RECENT_DECISIONS:
                self._recent.popitem(last=False)


def same_request(fact: Decided, request: Request) -> bool:
    """Whether a retried request is the one that was answered, but for its time, which defaults to now."""
    return msgspec.structs.replace(fact.request, time=request.time) == request


def _drafted(decided: Decided) -> Drafted | None:
    """The interleaving that the decision's next page goes on with, if it was one."""
    if not decided.rankings:
        return None
    earlier = decided.request.drafted
    picks = tuple((pick.item, pick.team) for pick in decided.picks)
    assignment = decided.assignments[0]  # of the experiment that says what ranks
    return Drafted(assignment.experiment, decided.rankings, (*earlier.picks, *picks) if earlier else picks)


def _shown(decided: Decided, item: str | None, position: int | None) -> tuple[str | None, int | None]:
    """Item and position of one pick, from either; (None, None) for the whole slate."""
    if item is None and position is None:
        return None, None
    for pick in decided.picks:
        if (item is None or pick.item == item) and (position is None or pick.position == position):
            return pick.item, pick.position
    what = f"item {item!r}" if item is not None else f"position {position}"
    at = f" at position {position}" if item is not None and position is not None else ""
    shown = ", ".join(repr(pick.item) for pick in decided.picks[:10]) or "nothing"
    raise InputError(
        f"{what}{at} was not shown in decision {decided.decision!r}; shown: {shown}",
        field="item" if item is not None else "position",
        code="not_shown",
    )


def interaction(
    item: str,
    name: str,
    *,
    user: str | None = None,
    session: str | None = None,
    value: float = 1.0,
    time: float | None = None,
    key: str | None = None,
    context: Mapping[str, Scalar] = NO_CONTEXT,
) -> Interacted:
    """The interaction as a fact; of `context` it keeps place and device.

    InputError for a value that is not finite, or where nobody is named.
    """
    if user is None and session is None:
        raise InputError("interaction: user and session are both missing; name one of them", field="user")
    if not isfinite(value) or abs(value) > _LARGEST_REWARD:
        raise InputError(f"value == {value}, must be finite and within ±{_LARGEST_REWARD:g}", field="value")
    among = segments(context)
    return Interacted(item, name, user=user, session=session, value=value, time=time, key=key, segments=among)
