"""Vowpal Wabbit's dsjson: logs of its users, of Azure Personalizer and of the learning loop, read as decisions.

What a line means is in Vowpal Wabbit's wiki (DSJSON, Conditional Contextual Bandit, Slates) and in its reader,
`vowpalwabbit/json_parser`; what services add to it in microsoft/learning-loop and VowpalWabbit/reinforcement_learning.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.events import (
    Decided,
    Draft,
    Exposed,
    Features,
    Inline,
    Pick,
    Request,
    Rewarded,
    Scalar,
)
from bandstand.features import context_features
from bandstand.formats import BATCH, Format, Read, Refused, Target
from bandstand.formats.columns import checked, number, seconds
from bandstand.formats.dsjson_lines import LOGGER, NOTHING, REWARD, Line, Number, Observed, Outcome
from bandstand.formats.dsjson_native import chances, dropped, earned, natively, probability
from bandstand.formats.dsjson_out import write
from bandstand.formats.lines import lines
from bandstand.formats.namespaces import flat, scalars
from bandstand.formats.opening import Opening
from bandstand.state import State

_BINARY = b"VWFB"
_CHECKPOINT = b"["  # older services wrote how far they had read between the lines
_MOST_ACTIONS = 10_000

_SHORT = 4096
_BYTE = re.compile(r"\(byte (\d+)\)")

_decoder = msgspec.json.Decoder(Line)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_many = msgspec.json.Decoder(list[msgspec.Raw])
_some = msgspec.json.Decoder(list[dict[str, object]])
_described = msgspec.json.Decoder(dict[str, object])
_NONE = msgspec.Raw(b"[]")


class Action(NamedTuple):
    """One of those to choose from, under a name that no other has."""

    item: str
    features: Features


def read(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What the lines say: a decision each, with what it earned; first the surfaces and the strategy that the log lacks.

    A line that holds only a reward is kept where the log has its decision. InputError for a binary log.
    """
    told = _Told(target)
    for line_number, body in lines(path, refused):
        if line_number == 1 and body.startswith(_BINARY):
            raise InputError(
                f"dsjson '{path}': is a binary log; write it as dsjson with the learning loop's joiner, or with "
                "Vowpal Wabbit's binary parser",
                field="path",
            )
        if body.startswith(_CHECKPOINT):
            continue
        try:
            line = _decoder.decode(body)
            drafts = _dangling(line, told) if line.context == NOTHING else _joined(line, body, line_number, target)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            refused.add(path, line_number, _why(error, body))
            continue
        for draft in chain(told.before(drafts[0]), drafts):
            yield Read(line_number, draft)


FORMAT = Format(
    "dsjson", "decisions as Vowpal Wabbit, Azure Personalizer or the learning loop log them", read, write_log=write
)


def _why(error: Exception, body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        return f"{wrong}; convert the file to UTF-8"
    if isinstance(error, msgspec.MsgspecError | RecursionError):
        at = int(found[1]) if (found := _BYTE.search(str(error))) is not None else 0
        near = body[max(at - 20, 0) :][:40].decode(errors="replace")
        return f"{error} at {near!r}; it must be JSON as Vowpal Wabbit's --dsjson reads it"
    return str(error)


class _Told:
    """What was told so far, and what the log must know before more of it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._opening = Opening(target)
        self._recent: OrderedDict[str, Decided] = OrderedDict()  # which may not be in the log yet

    def decided(self, decision: str) -> Decided | None:
        """The decision of this id, where it was read before or is in the log."""
        if decision in self._recent:
            return self._recent[decision]
        held = self.target.log.find(f"decided/{decision}")
        return held.fact if held is not None and isinstance(held.fact, Decided) else None

    def before(self, draft: Draft) -> Iterator[Draft]:
        if isinstance(draft.fact, Decided):
            self._recent[draft.fact.decision] = draft.fact
            if len(self._recent) > BATCH:
                self._recent.popitem(last=False)
            yield from self._opening.before(draft.fact, draft.at)


def _joined(line: Line, body: bytes, line_number: int, target: Target) -> list[Draft]:
    """The decision, whether it was shown later, and what it earned. ValueError for what it cannot be."""
    time = target.now if line.timestamp is None else seconds(line.timestamp, now=target.now)
    decision = checked(line.event, "EventId") if line.event else f"{LOGGER}-{bits(body.decode()):016x}-{line_number}"
    outcomes = [_single(line)] if line.outcomes is None else line.outcomes
    if line.native is not None:
        decided = natively(line, line.native, outcomes)
        return [Draft(decided, decided.request.time), *earned(line.observed, decided)]
    decided = _decided(line, outcomes, decision, time, target)
    drafts = [Draft(decided, time)]
    if line.deferred and any(one.activates for one in _observed(line)):
        drafts.append(Draft(Exposed(decision, time=time), time))
    return drafts + [Draft(one, time) for one in _earned(line, decided)]


def _decided(line: Line, outcomes: list[Outcome], decision: str, time: float, target: Target) -> Decided:
    around = _parts.decode(line.context)
    actions = _actions(_many.decode(around.pop("_multi", _NONE)))
    slots = _some.decode(around.pop("_slots", _NONE))
    picks = _picks(outcomes, actions, places=1 if line.outcomes is None else len(slots) or len(outcomes))
    shared = flat({name: msgspec.json.decode(part) for name, part in around.items()})
    request = Request(
        LOGGER,
        time,
        n=len(picks),
        context=scalars(shared) | _slots(slots),
        candidates=tuple(Inline(*action) for action in actions),
        shown=not (line.deferred or line.unseen),
    )
    return Decided(
        decision,
        request,
        LOGGER,
        picks,
        as_of=0,
        scored_by=line.model.m if line.model is not None else "",
        teaches=() if line.skip else (target.teaches,),
        user=_NOBODY,
        context=context_features(request),
        imported=True,
        dropped=dropped(line),
    )


def _single(line: Line) -> Outcome:
    """A line of one slot as an outcome. ValueError where it contradicts itself."""
    index = line.index
    if index is None:
        first = line.actions[0] if line.action is None and line.actions else line.action
        if first is None:
            raise ValueError("it says of no action that it was chosen; there must be _labelIndex, _label_Action or a")
        index = first - 1
    elif line.action is not None and line.action != index + 1:
        raise ValueError(f"_label_Action is {line.action} and _labelIndex is {index}, must be one less; correct one")
    given = line.probability if line.probability is not None else (line.probabilities or [None])[0]
    if line.actions[:1] != [index + 1]:
        return Outcome(line.cost, None, index, given)
    return Outcome(line.cost, None, [action - 1 for action in line.actions], [given, *line.probabilities[1:]])


def _picks(outcomes: list[Outcome], actions: list[Action], *, places: int) -> tuple[Pick, ...]:
    if len(outcomes) > places or not outcomes:
        raise ValueError(f"_outcomes has {len(outcomes)} entries, must have one for each of the {places} slots")
    picks: list[Pick] = []
    for position, outcome in enumerate(outcomes):
        index, given = outcome.first
        if index is None or not 0 <= index < len(actions):
            raise ValueError(f"slot {position}: action {index} was chosen, must be one of the {len(actions)} in _multi")
        item, features = actions[index]
        if any(pick.item == item for pick in picks):
            raise ValueError(f"slot {position}: action {index} was chosen above already; a slate shows it once")
        told = chances(outcome, [action.item for action in actions])
        picks.append(Pick(item, position, probability(given, position), 0.0, features=features, chances=told))
    return tuple(picks)


def _actions(described: list[msgspec.Raw]) -> list[Action]:
    if not 1 <= len(described) <= _MOST_ACTIONS:
        raise ValueError(f"c has no actions in _multi, must have from 1 to {_MOST_ACTIONS}")
    found: dict[str, Action] = {}
    times: Counter[str] = Counter()
    for one in described:
        body = bytes(one)
        name, features = _often(body) if len(body) <= _SHORT else _action(body)
        times[name] += 1
        while times[name] > 1 and f"{name}#{times[name]}" in found:
            times[name] += 1
        own = name if times[name] == 1 and name not in found else f"{name}#{times[name]}"
        if own in found:
            raise ValueError(f"action {own!r} cannot be told from another one; tag them otherwise")
        found[own] = Action(own, features)
    return list(found.values())


def _action(body: bytes) -> Action:
    """An action by what it is called first of all; ValueError where it is none."""
    described = _described.decode(body)
    if "__aid" in described:
        raise ValueError("an action of _multi is not described; write it out")
    features = flat(described)
    if isinstance(slot := described.get("_slot_id"), int):
        features["_slot_id"] = slot
    return Action(checked(_item(described, features), "action"), features)


_often = lru_cache(maxsize=4096)(_action)  # most logs choose among the same actions again and again


def _item(described: dict[str, object], features: Features) -> str:
    """What names an action from line to line: its tag, a feature `id`, or all that is said of it."""
    tag = described.get("_tag")
    if isinstance(tag, str) and tag:
        return tag
    for name, value in features.items():
        if name.rpartition("|")[2].lower() == "id" and isinstance(value, str | int) and value != "":
            return str(value)
    return f"{bits(msgspec.json.encode(features, order='deterministic').decode()):016x}"


def _slots(slots: list[dict[str, object]]) -> dict[str, Scalar]:
    """What is said of the slots, as part of the context: `slot 0|…`; at least that there is one."""
    out: dict[str, Scalar] = {}
    for at, slot in enumerate(slots):
        out |= {f"slot {at}|{name}": value for name, value in scalars(flat(slot)).items()}
        if isinstance(name := slot.get("_id"), str | int):
            out[f"slot {at}|_id"] = name
        if isinstance(allowed := slot.get("_inc"), list):
            out[f"slot {at}|_inc"] = ",".join(map(str, allowed))
    return out or ({"slot 0|_id": 0} if slots else {})


def _observed(line: Line) -> Iterator[Observed]:
    yield from line.observed
    for outcome in line.outcomes or ():
        yield from outcome.observed


def _earned(line: Line, decided: Decided) -> Iterator[Rewarded]:
    """What was learned of the decision: a cost of each slot, or of all of them together. The single observations are
    left out, for by the service's rule the first of them, their sum or another one made the cost."""
    if line.outcomes is None:
        costs: list[tuple[int | None, Number, bool]] = [(0, line.cost, _came(line.observed))]
    else:
        costs = [(None, line.cost, _came(line.observed))]
        costs += [(at, one.cost, _came(one.observed)) for at, one in enumerate(line.outcomes)]
    for position, cost, came in costs:
        if cost is None:
            continue
        value = 0.0 - number(cost, "the cost")
        if value or came:
            yield _rewarded(decided, position, value, key="label")


def _came(observed: list[Observed]) -> bool:
    return any(one.value is not None for one in observed)


def _rewarded(decided: Decided, position: int | None, value: float, *, key: str, time: float | None = None) -> Rewarded:
    request = decided.request
    item = next((pick.item for pick in decided.picks if pick.position == position), None)
    return Rewarded(
        decided.decision,
        REWARD,
        value,
        request.surface,
        position,
        item,
        request.user,
        request.session,
        time,
        key if position is None else f"{key} {position}",
    )


def _dangling(line: Line, told: "_Told") -> list[Draft]:
    """A reward that the service could not join: it came too late, or before its decision."""
    if line.event is None or line.reward is None:
        raise ValueError("it has neither a context c nor a RewardValue and an EventId; it must have one or the other")
    decided = told.decided(line.event)
    if decided is None:
        raise ValueError(f"EventId is {line.event!r}, a decision that the log does not hold; import its decision first")
    at = told.target.now if line.enqueued is None else seconds(line.enqueued, now=told.target.now)
    value = number(line.reward, "RewardValue")
    seen = line.taken is True or any(one.activates for one in line.observations)
    drafts = [Draft(Exposed(line.event, time=at), at)] if seen and not decided.request.shown else []
    return [*drafts, Draft(_rewarded(decided, _place(line, decided), value, key=f"late {at!r}", time=at), at)]


def _place(line: Line, decided: Decided) -> int | None:
    """The position that it is for; of a slate of one there is one only, and else it may be for all."""
    positions = [pick.position for pick in decided.picks]
    given = next((one.position for one in line.observations if isinstance(one.position, int)), None)
    if given is not None and given not in positions:
        raise ValueError(f"Index is {given}, must be a position of the slate: {', '.join(map(str, positions))}")
    return positions[0] if given is None and len(positions) == 1 else given


_STATE = State()
_NOBODY = _STATE.person(None, _STATE.history(None, None))
