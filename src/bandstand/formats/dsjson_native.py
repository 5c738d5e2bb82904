"""A decision of this log as dsjson: `bare` is what the format has no place for, and with that its line says it all."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from bandstand.events import Decided, Draft, Exposed, Features, Inline, Pick, Rewarded, Scalar
from bandstand.features import context_features
from bandstand.formats.columns import checked, number
from bandstand.formats.dsjson_lines import Line, Observed, Outcome
from bandstand.formats.namespaces import packed, unpacked

USER, CONTEXT, ITEM = "u", "c", "i"
_PROBABLE = "must be above 0 and at most 1: how likely the logger was to show this action; correct it"


def bare(decided: Decided) -> Decided:
    """The decision without what its line says otherwise, and without what only its own log can tell: positions of that
    log, and its experiments."""
    request = replace(decided.request, context={}, candidates=None)
    picks = tuple(replace(pick, propensity=0.0, features=None, version=0, chances={}) for pick in decided.picks)
    return replace(
        decided,
        request=request,
        picks=picks,
        as_of=0,
        weights_as_of=0,
        fits_as_of=0,
        user={},
        context={},
        assignments=(),
        rankings={},
        interleaved=None,
        imported=True,
        dropped=0.0,
    )


def described(item: str, features: Features) -> dict[str, object]:
    """A candidate as an action."""
    return {"_tag": item, ITEM: packed(features)}


def shared(decided: Decided) -> dict[str, object]:
    """User and context as the shared part of a line."""
    return {CONTEXT: packed(decided.request.context), USER: packed(decided.user)}


def natively(line: Line, rest: Decided, outcomes: list[Outcome]) -> Decided:
    """The decision that a line says together with the `bare` rest. ValueError where they do not fit each other."""
    context = _context_of(line)
    actions = [_action(one) for one in _listed(context.get("_multi"))]
    if len(outcomes) != len(rest.picks):
        raise ValueError(f"it has {len(outcomes)} outcomes, must have one for each of its {len(rest.picks)} picks")
    if rest.decision != line.event:
        raise ValueError(f"EventId is {line.event!r}, must be the decision's, {rest.decision!r}; correct either")
    for name, role in ((rest.decision, "EventId"), (rest.request.user, "user"), (rest.request.session, "session")):
        checked("none" if name is None else name, role)
    request = replace(rest.request, context=_context(_space(context, CONTEXT)), candidates=tuple(actions))
    return replace(
        rest,
        request=request,
        picks=tuple(_pick(pick, one, actions) for pick, one in zip(rest.picks, outcomes, strict=True)),
        user={name: number(value, name) for name, value in unpacked(_space(context, USER)).items()},
        context=context_features(request),
        imported=True,
        dropped=dropped(line),
    )


def earned(observed: list[Observed], decided: Decided) -> Iterator[Draft]:
    """What came of it, as it was recorded. ValueError for a position that was not shown, or a value that is none."""
    request = decided.request
    items = {pick.position: pick.item for pick in decided.picks}
    for at, one in enumerate(observed):
        place = one.position
        if place is not None and place not in items:
            raise ValueError(f"Index is {place}, must be a position of the slate: {', '.join(map(str, items))}")
        position = place if isinstance(place, int) else None
        when = request.time if one.at is None else number(one.at, "at")
        if one.name is not None:
            value = number(one.value, "v")
            key = f"import/{at}" if one.key is None else checked(one.key, "key")
            item = None if position is None else items[position]
            who = (item, request.user, request.session)
            fact = Rewarded(decided.decision, one.name, value, request.surface, position, *who, one.time, key)
            yield Draft(fact, when)
        elif one.activates:
            yield Draft(Exposed(decided.decision, None if position is None else (position,), one.time), when)


def _pick(rest: Pick, outcome: Outcome, actions: list[Inline]) -> Pick:
    index, given = outcome.first
    if index is None or not 0 <= index < len(actions) or actions[index].item != rest.item:
        raise ValueError(f"action {index} was chosen, must be the one of {rest.item!r}; correct either")
    told = chances(outcome, [action.item for action in actions])
    return replace(rest, propensity=probability(given, rest.position), features=actions[index].features, chances=told)


def probability(given: object, position: int) -> float:
    """ValueError for what is none of something that happened."""
    if given is None:
        raise ValueError(f"slot {position}: the probability is missing, {_PROBABLE}")
    found = given if isinstance(given, float) else float("nan")
    if not 0.0 < found <= 1.0:
        raise ValueError(f"slot {position}: the probability is {given}, {_PROBABLE}")
    return found


def chances(outcome: Outcome, items: Sequence[str]) -> dict[str, float]:
    """How likely each item was there, the chosen one first; none where the line does not say it of several items."""
    at, given = outcome.actions, outcome.probabilities
    if not isinstance(at, list) or not isinstance(given, list) or not 1 < len(at) == len(given):
        return {}
    numbers = [one for one in given if isinstance(one, float) and 0.0 <= one <= 1.0]
    known = [items[one] for one in at if 0 <= one < len(items)]
    return dict(zip(known, numbers, strict=True)) if len(numbers) == len(at) == len(set(known)) else {}


def dropped(line: Line) -> float:
    """How likely the line was not to be there. ValueError for what is no such probability."""
    if not 0.0 <= line.dropped < 1.0:
        raise ValueError(f"pdrop is {line.dropped}, must be at least 0 and below 1: what is here was kept; correct it")
    return line.dropped


def _context_of(line: Line) -> Mapping[str, object]:
    return msgspec.json.decode(line.context, type=dict[str, object])


def _action(described: object) -> Inline:
    if not isinstance(described, dict) or not isinstance(item := described.get("_tag"), str):
        raise ValueError("an action has no _tag, must have the item's id; correct it")
    return Inline(checked(item, "_tag"), unpacked(_space(described, ITEM)))


def _context(space: Mapping[str, object]) -> dict[str, Scalar]:
    return {name: value for name, value in unpacked(space).items() if not isinstance(value, list)}


def _space(within: Mapping[str, object], name: str) -> Mapping[str, object]:
    space = within.get(name, {})
    if not isinstance(space, dict):
        raise ValueError(f"namespace {name!r} is {str(space)[:40]!r}, must be an object")
    return space


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
