"""The candidates that a strategy orders for a request: proposed by its generators, or named by the app."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.ask import Asked, Given
from bandstand.candidates import NOBODY, Ask, Fitted, Generator, Mask, Proposals, Rows
from bandstand.candidates.blend import NOT_PROPOSED, Candidates, blend, joined, source_matrix, source_names, sources
from bandstand.candidates.content import Content
from bandstand.candidates.newcomers import Newcomers
from bandstand.candidates.reasons import reason
from bandstand.candidates.trending import Popular, Trending
from bandstand.events import Inline, Pick, Source
from bandstand.features import Indices, Values, hashed, item_features
from bandstand.history import History
from bandstand.policy import Scores
from bandstand.policy.linear import Offered
from bandstand.rules import AnyRule, Pin, Promote, Sponsor
from bandstand.shape import settings
from bandstand.slate import Drawn
from bandstand.state import State
from bandstand.strategy import Strategy

FALLBACK = "popular"
PROMOTED = "promoted"
# Of so many of its items, the most popular ones, a rule places those with the best scores.
_PLACEABLE = 20

Which = npt.NDArray[np.int32]
GIVEN = Source("given", 1.0, 0)
_RANKED = reason(GIVEN, str)


class Offer(NamedTuple):
    """Candidates in order: catalogue rows, with what each generator said of them, then the app's own items.

    `fallback` where no generator of the strategy had anything to say; `ask` is what they were asked, if they were.
    `reserved` are the rows that are candidates only for a rule to place.
    """

    items: list[str]
    candidates: Candidates
    inline: list[Inline]
    fallback: bool
    ask: Ask | None = None
    reserved: frozenset[int] = frozenset()


def offer(state: State, asked: Asked, strategy: Strategy) -> Offer:
    if isinstance(asked.among, Given):
        return _given(asked.among)
    return _proposed(state, asked, asked.among, strategy)


def offered(state: State, offer: Offer) -> Offered:
    """The candidates' features, as they lie in the catalogue's arrays."""
    named = offer.candidates.names
    sources = source_matrix(offer.candidates) if named else np.zeros((len(offer.items), 0), np.float32)
    return Offered(*_features(state, offer), _source_places(named), sources)


def picked(
    state: State,
    offer: Offer,
    drawn: Sequence[Drawn],
    *,
    scores: Scores,
    first_position: int,
    placed: Mapping[int, AnyRule],
) -> tuple[Pick, ...]:
    """The chosen candidates, with the evidence that a learner needs and the reasons that people read; `placed` says
    which rule placed a candidate."""
    chosen = [index for index, _ in drawn]
    brought, worths = _brought(state, offer, chosen), scores[chosen].tolist()
    picks = tuple(
        [
            _pick(state, offer, index, brought[slot], first_position + slot, propensity, worths[slot])
            for slot, (index, propensity) in enumerate(drawn)
        ]
    )
    return (
        tuple(_by_rule(pick, placed.get(index)) for pick, index in zip(picks, chosen, strict=True)) if placed else picks
    )


def _by_rule(pick: Pick, rule: AnyRule | None) -> Pick:
    if rule is None:
        return pick
    label = rule.label if isinstance(rule, Sponsor) else None
    reason = f"placed by rule {rule.name!r}" if label is None else f"{label}: placed by rule {rule.name!r}"
    return msgspec.structs.replace(pick, rule=rule.name, sponsored=label, reason=reason)


def _brought(state: State, offer: Offer, chosen: Sequence[int]) -> list[list[int]]:
    """For each of these candidates and each generator, the row of the history that brought it there, or NOBODY."""
    names = offer.candidates.names
    if not names:
        return [[]] * len(chosen)
    brought = np.full((len(chosen), len(names)), NOBODY)
    if offer.ask is not None:
        rows, ranks = offer.candidates.rows[chosen], offer.candidates.ranks[chosen]
        for column, name in enumerate(names):
            proposed = ranks[:, column] != NOT_PROPOSED
            generator = state.generator(name)
            if generator is not None:
                brought[proposed, column] = generator.brought(offer.ask, rows[proposed])
    found: list[list[int]] = brought.tolist()
    return found


def _pick(
    state: State, offer: Offer, index: int, brought: Sequence[int], position: int, propensity: float, score: float
) -> Pick:
    first_inline = len(offer.candidates.rows)
    if index >= first_inline:
        own = offer.inline[index - first_inline]
        return Pick(own.item, position, propensity, score, reason=_RANKED, features=own.features)
    row = int(offer.candidates.rows[index])
    said = sources(offer.candidates, index, brought, state.catalogue.ids) if brought else ()
    return Pick(
        offer.items[index],
        position,
        propensity,
        score,
        said,
        _reason(state, row, said, offer.ask) if said else _RANKED,
        state.catalogue.known[row].version,
    )


def _proposed(state: State, asked: Asked, allowed: Mask, strategy: Strategy) -> Offer:
    history, recent = asked.history, state.recent(*asked.who)
    if asked.page is not None:
        others = history.rows != asked.page
        history = History(np.r_[asked.page, history.rows[others]], np.r_[1.0, history.weights[others]])
    generators = _generators(strategy, asked)
    ask = Ask(
        decision=asked.decision,
        now=asked.request.time,
        history=history.rows,
        weights=history.weights,
        allowed=allowed,
        limit=strategy.candidates,
        recent=recent.rows,
        ages_s=np.maximum(asked.request.time - recent.at, 0.0),
        segments=asked.segments,
    )
    if Newcomers.name in generators:
        granted = strategy.diversity.newcomers or settings.Newcomers()
        ask = ask._replace(new=state.shown.fewer(granted.exposures, len(state.catalogue)))
    said = [(name, _said(state.generator(name), ask)) for name in generators]
    weights = list(generators.values())
    fallback = not any(len(proposals.rows) for _, proposals in said)
    if fallback:
        said, weights = [(FALLBACK, state.generators[FALLBACK].propose(ask))], [1.0]
    candidates = blend(said, limit=strategy.candidates, weights=weights, how=strategy.blend)
    rows, reserved = _promoted(state, asked, ask)
    if len(rows):
        reserved -= set(candidates.rows.tolist())
        candidates = joined(candidates, PROMOTED, rows)
    return Offer(
        [state.catalogue.ids[row] for row in candidates.rows.tolist()],
        candidates,
        [],
        fallback,
        ask,
        frozenset(reserved),
    )


def _promoted(state: State, asked: Asked, ask: Ask) -> tuple[Rows, set[int]]:
    """The rows that rules bring, the most popular of each first, and those of them that are only to be placed."""
    first = asked.request.first_position
    promoted: dict[int, None] = {}
    placeable: dict[int, None] = {}
    for rule, about in asked.rulings.all:
        if isinstance(rule, Promote):
            found, most = promoted, rule.most
        elif isinstance(rule, Pin | Sponsor) and any(first <= at < first + asked.n for at in rule.positions):
            found, most = placeable, max(_PLACEABLE, len(rule.positions))
        else:
            continue
        rows = np.flatnonzero(about & ask.allowed)
        rows = rows[np.argsort(-state.heat(rows), kind="stable")[:most]]
        found.update(dict.fromkeys(rows.tolist()))
    return np.array([*(promoted | placeable)], np.int64), placeable.keys() - promoted.keys()


def _said(generator: Generator | Fitted | None, ask: Ask) -> Proposals:
    return generator.propose(ask) if generator is not None else Proposals(np.zeros(0, np.int64), np.zeros(0))


def _generators(strategy: Strategy, asked: Asked) -> dict[str, float]:
    """Those that are asked about this user, and their weights."""
    touched = len(asked.history.rows)
    fitting = (one.generators for one in strategy.switch if one.fits(user=asked.request.user, touched=touched))
    return next(fitting, strategy.generators)


def _given(given: Given) -> Offer:
    shape = (len(given.rows), 0)
    unsaid = Candidates(given.rows, np.zeros(shape, np.float32), np.zeros(shape, np.int32), ())
    return Offer([*given.items, *(own.item for own in given.inline)], unsaid, given.inline, False)


def _features(state: State, offer: Offer) -> tuple[Rows, Which, Values, Indices]:
    """The first four of `Offered`: tables of the features that the candidates have, and each one's row in them."""
    catalogue, rows = state.catalogue, offer.candidates.rows
    if not offer.inline:
        return rows, catalogue.features, catalogue.values, catalogue.places
    places, values = catalogue.places[catalogue.features[rows]], catalogue.values[rows]
    own = [hashed("i", item_features(candidate.item, candidate.features)) for candidate in offer.inline]
    shape = (len(places) + len(own), max(places.shape[1], *(len(one) for one, _ in own)))
    all_places, all_values = np.zeros(shape, np.uint32), np.zeros(shape, np.float32)
    all_places[: len(places), : places.shape[1]] = places
    all_values[: len(places), : values.shape[1]] = values
    for at, (own_places, own_values) in enumerate(own, start=len(places)):
        all_places[at, : len(own_places)] = own_places
        all_values[at, : len(own_values)] = own_values
    different, which = np.unique(all_places, return_inverse=True)
    return np.arange(len(which)), which.reshape(shape).astype(np.int32), all_values, different


@cache
def _source_places(names: tuple[str, ...]) -> Indices:
    return hashed("s", dict.fromkeys(source_names(names), 1.0))[0]


def _reason(state: State, row: int, said: tuple[Source, ...], ask: Ask | None) -> str:
    """In the words of the generator that ranked it highest, and rather of one that says which item brought it."""
    # That a rule brought it is said only where nothing else did: it may not be the rule that put it where it is.
    first = min(said, key=lambda source: (source.name == PROMOTED, source.because is None, source.rank))
    terms: list[str] = []
    content = state.generators[Content.name]
    if first.name == Content.name and first.because is not None and isinstance(content, Content):
        terms = content.shared_terms(state.catalogue.rows[first.because], row)
    trending = state.generators[Trending.name]
    among: str | None = None
    if first.name == Trending.name and ask is not None and isinstance(trending, Trending):
        among = trending.among(ask, row)
    untouched = first.name == Popular.name and not state.heat(np.array([row]))[0] > 0
    return reason(first, state.title, terms, among=among, untouched=untouched)
