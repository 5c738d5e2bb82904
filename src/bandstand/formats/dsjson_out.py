"""The decisions of a log as dsjson: each joined with what came of it and with the candidates that its server had."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bandstand.ask import understand
from bandstand.errors import InputError, UnknownError
from bandstand.events import Decided, Draft, Exposed, Features, Inline, Pick, Rewarded, Scalar
from bandstand.formats import Progress
from bandstand.formats.dsjson_lines import LOGGER, Line, Model, Number, Observed, Outcome
from bandstand.formats.dsjson_native import bare, described, shared
from bandstand.formats.files import written
from bandstand.formats.namespaces import nested
from bandstand.formats.outcomes import Earned, outcomes
from bandstand.offer import offer
from bandstand.replay import Stops, revisited
from bandstand.state import State
from bandstand.store import EventLog, entries

SLOT = re.compile(r"slot (\d+)\|(.*)", re.DOTALL)
SLOT_ID = "_slot_id"

_json = msgspec.json.Encoder()


def write(log: EventLog, path: Path, progress: Progress | None = None) -> int:
    """Put the decisions into a file, compressed where its name ends in `.gz`, whole or not at all; how many.

    Left out are decisions without picks, and interleaved ones, whose propensities are no policy's. A slate of one is a
    line of a contextual bandit, a longer one of a conditional one; what was read as a line of slates is one again.
    """
    stops = Stops()
    with outcomes() as came:
        for entry in entries(log):
            came.add(entry)
            if isinstance(entry.fact, Decided) and _exact(entry.fact):
                fact = entry.fact
                as_of = entry.seq - 1 if fact.imported else fact.as_of
                fits = fact.fits_as_of if fact.request.candidates is None else 0
                stops.add(as_of=as_of, weights_as_of=0, fits_as_of=fits, seq=entry.seq)

        def told() -> Iterator[bytes]:
            for model, _, fact in revisited(log, stops, learning=False, progress=progress):
                drafts = came.of(fact.decision)
                yield _json.encode(_line(fact, candidates(model.state, fact), drafts, came.earned(fact, drafts)))

        return written(path, told())


def candidates(state: State, decided: Decided) -> dict[str, Features]:
    """Among what the picks were chosen, with the features that it had then; the picks at least."""
    named: dict[str, Features] = {}
    for one in _among(state, decided):
        named[one if isinstance(one, str) else one.item] = (
            _features(state, one) if isinstance(one, str) else one.features
        )
    for pick in decided.picks:
        if pick.item not in named or pick.features is not None:
            named[pick.item] = _features(state, pick.item) if pick.features is None else pick.features
    return named


def _exact(decided: Decided) -> bool:
    mixed = any(one.variant == "interleaved" for one in decided.assignments)
    return bool(decided.picks) and (not mixed or (decided.interleaved is not None and decided.interleaved.exact))


def _among(state: State, decided: Decided) -> tuple[str | Inline, ...]:
    if decided.request.candidates is not None:
        return decided.request.candidates
    strategy = state.strategies.get(decided.strategy)
    if strategy is None or decided.imported:
        return ()
    try:
        asked = understand(state, decided.request, decided.decision)
    except (UnknownError, InputError):
        return ()
    return tuple(offer(state, asked, strategy).items)


def _features(state: State, item: str) -> Features:
    """As the catalogue has them; its tags as one of them."""
    known = state.catalogue.known.get(state.catalogue.rows.get(item, -1))
    if known is None:
        return {}
    put = known.put
    return put.features | ({"tag": list(put.tags)} if put.tags and "tag" not in put.features else {})


def _line(decided: Decided, named: Mapping[str, Features], came: list[Draft], earned: Earned) -> Line:
    foreign = decided.imported and decided.strategy == LOGGER
    slots = _slots(decided) if foreign or len(decided.picks) > 1 else []
    request = decided.request
    missed = _missed(decided, came)
    unseen = len(missed) == len(decided.picks)
    context = _context(decided, named) if foreign else _native(decided, named)
    whole = Line(
        skip=unseen or (decided.imported and not decided.teaches),
        seen=[seen for one in came if not (foreign and slots) or _position(one) is None for seen in _observed(one)],
        timestamp=f"{datetime.fromtimestamp(request.time, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
        version="1",
        event=decided.decision,
        deferred=not request.shown,
        context=msgspec.Raw(_json.encode(context | ({"_slots": slots} if slots else {}))),
        model=Model(decided.scored_by) if decided.scored_by else None,
        native=None if foreign else bare(decided),
        dropped=decided.dropped,
    )
    at = {item: place for place, item in enumerate(named)}
    if not slots:
        return _single(whole, decided.picks[0], at, 0.0 - earned.total)
    outcomes = [Outcome(actions=actions, probabilities=given) for actions, given in _told(decided.picks, at)]
    if foreign and all(SLOT_ID in features for features in named.values()):
        return msgspec.structs.replace(whole, cost=0.0 - earned.total, outcomes=outcomes)
    labelled = [
        msgspec.structs.replace(
            outcome,
            # Without a cost it is a slot of which nothing is learned.
            cost=0.0 - earned.share(pick.position) if unseen or pick.position not in missed else None,
            seen=[seen for one in came if foreign and _position(one) == pick.position for seen in _observed(one)],
        )
        for outcome, pick in zip(outcomes, decided.picks, strict=True)
    ]
    return msgspec.structs.replace(whole, outcomes=labelled)


def _single(whole: Line, pick: Pick, at: Mapping[str, int], cost: float) -> Line:
    index = at[pick.item]
    ((actions, given),) = _told([pick], at)
    return msgspec.structs.replace(
        whole,
        cost=cost,
        probability=pick.propensity,
        action=index + 1,
        index=index,
        actions=[one + 1 for one in actions],
        probabilities=given,
    )


def _told(picks: Sequence[Pick], at: Mapping[str, int]) -> Iterator[tuple[list[int], list[Number]]]:
    """Of each pick the actions by their numbers, the chosen one first, and how likely each was, as far as is known."""
    for pick in picks:
        chances = pick.chances | {pick.item: pick.propensity} if pick.chances else {pick.item: pick.propensity}
        yield [at[item] for item in chances], list(chances.values())


def _missed(decided: Decided, came: list[Draft]) -> set[int]:
    """Positions that nobody saw, of a slate whose client says what was seen."""
    if decided.request.shown:
        return set()
    missed = {pick.position for pick in decided.picks}
    for one in came:
        if isinstance(one.fact, Exposed):
            missed -= missed if one.fact.positions is None else set(one.fact.positions)
    return missed


def _position(came: Draft) -> int | None:
    return came.fact.position if isinstance(came.fact, Rewarded) else None


def _observed(came: Draft) -> Iterator[Observed]:
    fact = came.fact
    if isinstance(fact, Rewarded):
        yield Observed(fact.value, fact.decision, None, None, fact.position, fact.name, fact.time, fact.key, came.at)
    elif isinstance(fact, Exposed):
        for position in (None,) if fact.positions is None else fact.positions:
            yield Observed(None, fact.decision, taken=True, position=position, time=fact.time, at=came.at)


def _native(decided: Decided, named: Mapping[str, Features]) -> dict[str, object]:
    return shared(decided) | {"_multi": [described(item, features) for item, features in named.items()]}


def _context(decided: Decided, named: Mapping[str, Features]) -> dict[str, object]:
    """The line's `c` as it was read, without its slots."""
    around = {name: value for name, value in decided.request.context.items() if SLOT.fullmatch(name) is None}
    return nested(around) | {"_multi": [nested(features) | {"_tag": item} for item, features in named.items()]}


def _slots(decided: Decided) -> list[dict[str, object]]:
    """What the context says of slots; as many as there are picks, where there is more than one."""
    slots: list[dict[str, Scalar]] = [{} for _ in decided.picks if len(decided.picks) > 1]
    for name, value in decided.request.context.items():
        if (found := SLOT.fullmatch(name)) is not None:
            slots.extend({} for _ in range(int(found[1]) + 1 - len(slots)))
            slots[int(found[1])][found[2]] = value
    return [nested(slot) | _allowed(slot) for slot in slots]


def _allowed(slot: Mapping[str, Scalar]) -> dict[str, object]:
    return {"_inc": [int(one) for one in str(slot["_inc"]).split(",") if one]} if "_inc" in slot else {}
