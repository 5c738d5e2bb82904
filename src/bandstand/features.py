"""How the world becomes numbers: named features in four namespaces, and their places in a hashed weight table.

Namespaces: `u` the user, `c` the context, `i` the item, `s` the generators that proposed it, `p` the position shown.
The places are those of Vowpal Wabbit when it is given `hash:value` features, so its weights can be used without it;
`tests/contracts/test_scorer.py` holds the two equal.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt

from bandstand.events import Feature, Features, Request, Scalar, Source
from bandstand.native import native

Indices = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float32]

# Vowpal Wabbit's hash of each namespace's name (`Workspace.hash_space`), which it adds to every feature of it.
NAMESPACES = {"u": 1646279392, "c": 3778205279, "i": 2165993515, "s": 4283091697, "p": 2557468570}

# Shown to people and read by the content generator; of no use to a linear model as they stand.
PROSE = frozenset({"text", "title", "description", "image", "url", "vector"})
_LONGEST_CATEGORY = 64
_UNNAMED = re.compile(r"\0[0-9a-f]{8}")  # no name that came over HTTP holds a NUL
# A score gathers every feature of every candidate, so one item must not slow the others down.
MOST_ITEM_FEATURES = 64

_DAYPARTS = ("night", "morning", "afternoon", "evening")
_HOUR_S, _DAY_S = 3600, 86400


@lru_cache(maxsize=65536)
def feature_hash(name: str) -> int:
    """32 bits that stand for a feature's name in every namespace; a name that `unnamed` made has them in it."""
    if _UNNAMED.fullmatch(name):
        return int(name[1:], 16)
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def hashed(namespace: str, features: Mapping[str, float]) -> tuple[Indices, Values]:
    """The features' places (32 bits; a table of 2^b weights uses the low b) and values, in their order."""
    if native is None:
        names = np.array(list(map(feature_hash, features)), np.uint32)
        names += np.uint32(NAMESPACES[namespace])
        return names, np.array(list(features.values()), np.float32)
    names, values = np.empty(len(features), np.uint32), np.empty(len(features), np.float32)
    native.hashed(dict(features), feature_hash, NAMESPACES[namespace], names, values)
    return names, values


def hidden(name: str) -> str:
    """What stands for a feature's name where nobody shall read it; for itself if it is one of these."""
    return f"\0{feature_hash(name):08x}"


def unnamed(features: Mapping[str, float]) -> dict[str, float]:
    """The same features to a learner, and to nobody else: each name is replaced by its hash."""
    return {hidden(name): value for name, value in features.items()}


def text(namespace: str, features: Mapping[str, float]) -> str:
    """The features as Vowpal Wabbit reads them, in hashed form: no name of the caller's ever reaches its parser."""
    entries = [_is(name) if value == 1 else f"{feature_hash(name)}:{amount(value)}" for name, value in features.items()]
    return f"|{namespace} " + " ".join(entries)


def amount(value: float) -> str:
    """The number as Vowpal Wabbit can read it: what is nearer to 0 than 1e-37 is 0 to it, but 1e-146 infinite."""
    return f"{value:.9g}" if abs(value) >= 1e-37 else "0"


@lru_cache(maxsize=65536)
def _is(name: str) -> str:
    """A feature of value 1, as most are, in that form."""
    return f"{feature_hash(name)}:1"


def named(features: Features) -> dict[str, float]:
    """What a linear model can use of an item's or a user's attributes.

    A category becomes `name=value`, a list of them one each, a number its signed logarithm (prices and counts differ
    by orders of magnitude); prose is left out.
    """
    out: dict[str, float] = {}
    for name, value in features.items():
        if name not in PROSE:
            _name(out, name, value)
    return out


def _name(out: dict[str, float], name: str, value: Feature) -> None:
    if isinstance(value, str):
        if len(value) <= _LONGEST_CATEGORY:
            out[f"{name}={value}"] = 1.0
    elif type(value) is float:  # most are
        out[name] = math.copysign(math.log1p(abs(value)), value)
    elif isinstance(value, bool):
        out[f"{name}={str(value).lower()}"] = 1.0
    elif isinstance(value, list):
        for entry in value:
            if isinstance(entry, str):
                _name(out, name, entry)
    else:
        out[name] = math.copysign(math.log1p(abs(value)), value)


def categories(features: Features) -> tuple[str, ...]:
    """The attributes that put an item into a kind, as `name=value`."""
    return tuple(named({name: value for name, value in features.items() if isinstance(value, str)}))


def item_features(item: str, features: Features, tags: Iterable[str] = ()) -> dict[str, float]:
    """Namespace `i`: the item itself, its attributes and its tags, at most `MOST_ITEM_FEATURES` in all."""
    out = {f"item={item}": 1.0} | named(features) | {f"tag={tag}": 1.0 for tag in tags}
    return dict(islice(out.items(), MOST_ITEM_FEATURES))


def context_features(request: Request) -> dict[str, float]:
    """Namespace `c`: the user's local time, the device, the place, and whatever else the app said."""
    local = request.time + request.utc_offset_s
    hour = int(local % _DAY_S) // _HOUR_S
    weekday = (int(local // _DAY_S) + 3) % 7  # the epoch began on a Thursday; 0 is Monday
    out = dict.fromkeys(_moment(hour, weekday), 1.0)
    for name, value in request.context.items():
        if name == "location" and isinstance(value, str):
            out[f"country={value.partition('-')[0]}"] = 1.0
            out[f"region={value}"] = 1.0
        elif isinstance(value, str) and name != "item" and len(value) <= _LONGEST_CATEGORY:
            out[f"{name}={value}"] = 1.0
        elif name != "item":
            _name(out, name, value)
    return out


def segments(context: Mapping[str, Scalar]) -> tuple[str, ...]:
    """Among whom somebody is, by place and device: as `country=NL`, `device=mobile`; a place or a device that is not
    known makes no segment."""
    place, device = context.get("location"), context.get("device")
    country = (f"country={place.partition('-')[0]}",) if isinstance(place, str) else ()
    return country + ((f"device={device}",) if isinstance(device, str) else ())


@cache
def _moment(hour: int, weekday: int) -> tuple[str, ...]:
    weekend = "true" if weekday >= 5 else "false"
    return f"hour={hour}", f"weekday={weekday}", f"daypart={_DAYPARTS[hour // 6]}", f"weekend={weekend}"


def source_features(sources: Iterable[Source]) -> dict[str, float]:
    """Namespace `s`: who proposed the item, how high, and how strongly."""
    out: dict[str, float] = {}
    for source in sources:
        out[source.name] = 1.0
        out[f"{source.name} rank"] = 1.0 / (1 + source.rank)
        out[f"{source.name} score"] = source.score
    return out


def position_features(position: int) -> dict[str, float]:
    """Namespace `p`: where on the page the item was shown. Learned, so that attention is not mistaken for taste, and
    left out when serving: it is the same for every candidate."""
    return {f"position={position}": 1.0}
