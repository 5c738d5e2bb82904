"""What a log knows of who was shown what where, and clicked it: the data that a world is fitted from."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.errors import InputError
from bandstand.events import Decided, Exposed, Features, ItemPut, Request, Rewarded, Scalar
from bandstand.features import PROSE, context_features
from bandstand.simulate.browsing import LONGEST, Floats
from bandstand.simulate.nature import Fitted
from bandstand.store import EventLog, entries

MOST_DECISIONS: Final = 100_000
_MOST_MOMENTS: Final = 40  # names of context
_MOST_KINDS: Final = 200  # values of attributes
_MOST_CONTEXTS: Final = 4000
_SELDOM: Final = 0.01  # of decisions: what is said less often is not looked at

Ints = npt.NDArray[np.int64]


class Asked(NamedTuple):
    """A logged request, as far as it can be asked again."""

    time: float
    user: str | None
    context: dict[str, Scalar]
    utc_offset_s: int


class Impressions(NamedTuple):
    """One row for each pick that was seen: who asked (an index of `asked`, and of the names of context in `said`),
    which of `items`, where, and whether it was clicked."""

    asked: list[Asked]
    said: list[frozenset[str]]
    items: list[ItemPut]
    who: Ints
    item: Ints
    position: Ints
    clicked: npt.NDArray[np.bool_]


class Names(NamedTuple):
    """The names by which likings may differ: of context, and by item of attributes (bool[items, kinds])."""

    moments: list[str]
    kinds: list[str]
    has: Floats


class _Slate(NamedTuple):
    asked: Asked
    picks: tuple[tuple[str, int], ...]
    shown: bool


def gathered(log: EventLog, source: Fitted) -> Impressions:
    """The newest MOST_DECISIONS slates of the surface, with what came of them; InputError where there are none."""
    slates: deque[tuple[str, _Slate]] = deque(maxlen=MOST_DECISIONS)
    clicked: defaultdict[str, set[int]] = defaultdict(set)
    exposed: defaultdict[str, set[int]] = defaultdict(set)
    items: dict[str, ItemPut] = {}
    for entry in entries(log):
        match entry.fact:
            case ItemPut() as fact:
                items[fact.item] = fact
            case Decided(request=Request(surface=source.surface)) as fact:
                slates.append((fact.decision, _slate(fact)))
                for pick in fact.picks:
                    items.setdefault(pick.item, ItemPut(pick.item, pick.features or {}))
            case Exposed() as fact:
                exposed[fact.decision].update(range(LONGEST) if fact.positions is None else fact.positions)
            case Rewarded(position=int(position)) as fact if fact.value > 0 and source.reward in (None, fact.name):
                clicked[fact.decision].add(position)
            case _:
                pass
    rows = [
        (who, item, position, position in clicked.get(decision, ()))
        for who, (decision, slate) in enumerate(slates)
        for item, position in slate.picks
        if position < LONGEST and (slate.shown or position in exposed.get(decision, ()))
    ]
    if not rows:
        raise InputError(
            f"fitted: the log at '{source.database}' has no slate on surface '{source.surface}' that was seen; name "
            "another surface",
            field="world.fitted",
        )
    return _as_arrays([slate.asked for _, slate in slates], items, rows)


def names(found: Impressions) -> Names:
    """The names that are said often enough to tell something by."""
    times = Counter(name for said in found.said for name in said)
    often = [name for name, count in times.most_common() if _SELDOM <= count / len(found.said) < 1.0]
    often = often[:_MOST_MOMENTS]
    while len({said.intersection(often) for said in found.said}) > _MOST_CONTEXTS:
        often.pop()
    kinds = _kinds(found.items)
    counts = Counter(kind for own in kinds for kind in own)
    shared = sorted(kind for kind, times in counts.most_common(_MOST_KINDS) if 1 < times < len(kinds))
    has = np.array([[kind in own for kind in shared] for own in kinds], np.float64).reshape(len(kinds), len(shared))
    return Names(sorted(often), shared, has)


def moments(asked: Asked) -> frozenset[str]:
    """The names of context of such a request, without hour and region, of which there are too many."""
    request = Request("", asked.time, utc_offset_s=asked.utc_offset_s, context=asked.context)
    return frozenset(
        name
        for name, value in context_features(request).items()
        if value == 1.0 and not name.startswith(("hour=", "region=", "weekday="))
    )


def _slate(fact: Decided) -> _Slate:
    asked = Asked(fact.request.time, fact.request.user, dict(fact.request.context), fact.request.utc_offset_s)
    return _Slate(asked, tuple((pick.item, pick.position) for pick in fact.picks), fact.request.shown)


def _as_arrays(
    asked: list[Asked], items: Mapping[str, ItemPut], rows: Sequence[tuple[int, str, int, bool]]
) -> Impressions:
    known = sorted({item for _, item, _, _ in rows})
    index = {item: at for at, item in enumerate(known)}
    who, item, position, clicked = zip(*rows, strict=True)
    return Impressions(
        asked,
        [moments(one) for one in asked],
        [items[one] for one in known],
        np.array(who, np.int64),
        np.array([index[one] for one in item], np.int64),
        np.array(position, np.int64),
        np.array(clicked, np.bool_),
    )


def _kinds(items: Sequence[ItemPut]) -> list[set[str]]:
    """What each item is, as `name=value`: numbers by their quarter."""
    cuts = _quarters(item.features for item in items)
    found = []
    for item in items:
        own = {f"tag={tag}" for tag in item.tags}
        for name, value in item.features.items():
            if name in PROSE:
                continue
            if name in cuts and isinstance(value, int | float):
                own.add(f"{name}=quarter {int(np.searchsorted(cuts[name], value)) + 1}")
            elif isinstance(value, str | bool):
                own.add(f"{name}={value}")
            elif isinstance(value, list):
                own |= {f"{name}={one}" for one in value if isinstance(one, str)}
        found.append(own)
    return found


def _quarters(features: Iterable[Features]) -> dict[str, Floats]:
    numbers: defaultdict[str, list[float]] = defaultdict(list)
    for own in features:
        for name, value in own.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers[name].append(float(value))
    return {name: np.asarray(np.quantile(values, (0.25, 0.5, 0.75)), np.float64) for name, values in numbers.items()}
