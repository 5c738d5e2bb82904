"""A request becomes a decision: a pure function of the model, the request and the decision's id."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.ask import Asked, Given, still, understand
from bandstand.chance import uniform, uniforms
from bandstand.events import Decided, Drafted, Interleaved, Pick, Request
from bandstand.experiments.definition import Variant
from bandstand.experiments.interleaving import Placed
from bandstand.experiments.interleaving.registry import mixed
from bandstand.experiments.part import Part, parts
from bandstand.expressions import parse
from bandstand.features import hashed
from bandstand.matching import holds
from bandstand.model import Model
from bandstand.offer import Offer, offer, offered, picked
from bandstand.placing import Placing, placing
from bandstand.policy import Scores
from bandstand.policy.linear import Shared, untaught
from bandstand.recipe import Recipe, beside, frozen, inside, outside, tuned
from bandstand.ruling import Rulings, facts_of
from bandstand.shaping import shaped
from bandstand.slate import Urn, draw, propensities
from bandstand.state import State


class Slate(NamedTuple):
    picks: tuple[Pick, ...]
    fallback: bool
    empty: str | None


def decide(model: Model, request: Request, *, decision: str) -> Decided:
    """The answer to `request`, with everything needed to make it again, to explain it and to learn from it.

    Raises UnknownError for a surface that is not defined, InputError for a slate size out of range.
    """
    state = model.state
    asked = understand(state, request, decision)
    mine = _parts(model, asked)
    ranking, tuners = [one for one in mine if not one.tunes], [one for one in mine if one.tunes]
    recipe = _served(state, asked, mine)
    if recipe is None:
        return _interleaved(model, asked, ranking[0])
    answer = slate(model, asked, recipe)
    if not ranking:
        return _decided(model, asked, recipe, answer, parts=mine, teaches=[recipe])
    (part,) = ranking
    trial, variant = part.experiment, part.variant
    students = trial.variants if trial.learn_from == "all" else [variant]
    if part.frozen:
        students = []
    return _decided(
        model,
        asked,
        recipe,
        answer,
        teaches=[_tuned(inside(state, trial, student), tuners) for student in students],
        parts=[part, *tuners],
        rankings=_counterfactual(model, asked, part, tuners) if trial.analysis.trigger == "changed" else None,
    )


def serving(model: Model, asked: Asked) -> Recipe | None:
    """The recipe by which the request is answered; None where slates of several are merged."""
    return _served(model.state, asked, _parts(model, asked))


def slate(model: Model, asked: Asked, recipe: Recipe) -> Slate:
    """What this recipe would show."""
    candidates = offer(model.state, asked, recipe.strategy)
    if not candidates.items:
        return Slate((), candidates.fallback, _why_empty(model.state, asked))
    scores, learned = _scores(model, asked, recipe, candidates)
    first = asked.request.first_position
    shape, placed = _shape(model.state, asked, recipe, candidates, scores)
    drawn = draw(
        recipe.strategy.policy,
        scores,
        candidates.items,
        chances=uniforms(asked.decision, recipe.stream, first=first, count=asked.n),
        first_position=first,
        learned=learned,
        shape=shape,
    )
    picks = picked(model.state, candidates, drawn, scores=scores, first_position=first, placed=placed)
    return Slate(picks, candidates.fallback, None)


def slate_propensities(model: Model, asked: Asked, recipe: Recipe, items: Sequence[str]) -> npt.NDArray[np.float64]:
    """The probability with which `recipe` makes each pick of the slate `items`, given the picks above it; 0 from the
    first item on that is not among its candidates."""
    candidates = offer(model.state, asked, recipe.strategy)
    if not candidates.items:
        return np.zeros(len(items))
    index = {item: at for at, item in enumerate(candidates.items)}
    scores, learned = _scores(model, asked, recipe, candidates)
    return propensities(
        recipe.strategy.policy,
        scores,
        candidates.items,
        [index.get(item, -1) for item in items],
        first_position=asked.request.first_position,
        learned=learned,
        shape=_shape(model.state, asked, recipe, candidates, scores).shape,
    )


def urn(model: Model, asked: Asked, recipe: Recipe, candidates: Offer) -> Urn:
    """What `recipe` would draw its slate from, of these candidates, at least one."""
    scores, learned = _scores(model, asked, recipe, candidates)
    shape = _shape(model.state, asked, recipe, candidates, scores).shape
    return Urn(recipe.strategy.policy, scores, candidates.items, asked.request.first_position, learned, shape)


def _shape(state: State, asked: Asked, recipe: Recipe, candidates: Offer, scores: Scores) -> Placing:
    """What the strategy wishes of the slate, and over it what the rules say."""
    wished = shaped(state, asked, recipe.strategy.diversity, candidates, scores)
    return placing(state, asked, candidates, scores, wished)


def _scores(model: Model, asked: Asked, recipe: Recipe, candidates: Offer) -> tuple[Scores, int]:
    """One score for each candidate, and how many examples are behind them."""
    match recipe.strategy.policy.scored_by:
        case "weights":
            weights = model.published.weights.get(recipe.weights) or untaught(recipe.strategy.learning.bits)
            shared = Shared(hashed("u", asked.user), hashed("c", asked.context))
            return weights.scores(shared, offered(model.state, candidates)), weights.learned
        case "popularity":
            heat = model.state.heat(candidates.candidates.rows)
            return np.r_[heat, np.zeros(len(candidates.inline))], 0
        case "nothing":
            return np.zeros(len(candidates.items)), 0


def _counterfactual(model: Model, asked: Asked, part: Part, tuners: Sequence[Part]) -> dict[str, tuple[str, ...]]:
    """What every variant would have shown: the evidence of a triggered analysis.

    All draw with the chances of the one that is shown, or two policies that are the same would differ by luck.
    """
    trial = part.experiment
    recipes = [
        _tuned(_own(model.state, part, one)._replace(stream=part.variant.name), tuners) for one in trial.variants
    ]
    slates = [slate(model, asked, recipe).picks for recipe in recipes]
    return {one.name: tuple(pick.item for pick in picks) for one, picks in zip(trial.variants, slates, strict=True)}


def _interleaved(model: Model, asked: Asked, part: Part) -> Decided:
    """All variants' slates as one.

    Nobody learns from it but where its propensities are exact: else those of a merged slate are under no policy the
    ones that the picks record. So all serve from the weights that they have outside the experiment.
    """
    trial = part.experiment
    names = [one.name for one in trial.variants]
    recipes = [beside(model.state, trial, one) for one in trial.variants]
    earlier = asked.request.drafted
    if earlier is not None and earlier.experiment != trial.name:
        earlier = None
    slates = [slate(model, asked, recipe) for recipe in recipes]
    # What rules place is nobody's: it stands where the control has it, and the rankings are merged around it.
    by_rule = {pick.item for one in slates for pick in one.picks if pick.rule is not None}
    pins = [pick for pick in slates[0].picks if pick.rule is not None]
    pages = [_paged(model, asked, recipe, one, earlier, by_rule) for recipe, one in zip(recipes, slates, strict=True)]
    rankings = {name: page.ranking for name, page in zip(names, pages, strict=True)}
    merged = mixed(
        trial.interleave,
        list(rankings.values()),
        asked.n - len(pins),
        coin=lambda toss: uniform("team draft", trial.name, asked.decision, toss),
        before=[Placed(item, None if team is None else names.index(team)) for item, team in earlier.picks]
        if earlier
        else (),
    )
    contributed = [_contributed(pages, placed, names) for placed in merged.placed]
    picks = _around(pins, contributed, first=asked.request.first_position)
    certain = all(pick.propensity == 1.0 for one in slates for pick in one.picks)
    exact = merged.method == "probabilistic" and certain and earlier is None
    return _decided(
        model,
        asked,
        recipes[0],
        Slate(picks, all(one.fallback for one in slates), slates[0].empty if not picks else None),
        teaches=list({recipe.weights: recipe for recipe in recipes}.values()) if exact else (),
        parts=[part],
        rankings=rankings,
        interleaved=None if merged.method == "team_draft" else Interleaved(merged.method, exact),
    )


class _Page(NamedTuple):
    """What a variant would show from the first page on, and the picks of it that may come next."""

    ranking: tuple[str, ...]
    picks: dict[str, Pick]


def _paged(
    model: Model, asked: Asked, recipe: Recipe, fresh: Slate, earlier: Drafted | None, without: Collection[str]
) -> _Page:
    """A variant's ranking: what earlier pages left of it comes before what it would show now."""
    new = {pick.item: pick for pick in fresh.picks if pick.item not in without}
    if earlier is None:
        return _Page(tuple(new), new)
    ranked, shown = earlier.rankings[recipe.stream], {item for item, _ in earlier.picks}
    left = [item for item in ranked if item not in shown and item not in without]
    among = still(model.state, asked.among, left)
    again = slate(model, asked._replace(among=among, n=len(left), rulings=Rulings()), recipe)
    kept = {pick.item: pick for pick in again.picks}
    picks = {item: kept[item] for item in left if item in kept}
    for pick in new.values():
        if len(picks) < asked.n:
            picks.setdefault(pick.item, pick)
    return _Page(tuple(dict.fromkeys((*(item for item in ranked if item in shown or item in kept), *picks))), picks)


def _contributed(pages: Sequence[_Page], placed: Placed, names: Sequence[str]) -> Pick:
    """The pick as its team made it, or as the first variant did that has it."""
    team = placed.team
    pick = next(
        one.picks[placed.item] for one in (pages if team is None else [pages[team]]) if placed.item in one.picks
    )
    return msgspec.structs.replace(
        pick,
        team=None if team is None else names[team],
        propensity=pick.propensity if placed.chance is None else placed.chance,
    )


def _around(pins: Sequence[Pick], others: Sequence[Pick], *, first: int) -> tuple[Pick, ...]:
    """The pins in their places and the others between them; where these run out, the pins left move up."""
    picks: list[Pick] = []
    pins, others = list(pins), list(others)
    for position in range(first, first + len(pins) + len(others)):
        pinned = pins and (pins[0].position <= position or not others)
        picks.append(msgspec.structs.replace((pins if pinned else others).pop(0), position=position))
    return tuple(picks)


def _decided(
    model: Model,
    asked: Asked,
    recipe: Recipe,
    answer: Slate,
    *,
    teaches: Sequence[Recipe] = (),
    parts: Sequence[Part] = (),
    rankings: dict[str, tuple[str, ...]] | None = None,
    interleaved: Interleaved | None = None,
) -> Decided:
    return Decided(
        decision=asked.decision,
        request=asked.request,
        strategy=recipe.name,
        picks=answer.picks,
        as_of=model.state.seq,
        weights_as_of=model.published.seq,
        fits_as_of=model.state.fits.seq,
        scored_by=recipe.weights if recipe.learns else "",
        teaches=() if any(one.forced for one in parts) else tuple(one.weights for one in teaches if one.learns),
        assignments=tuple(one.assignment for one in parts),
        user=asked.user,
        context=asked.context,
        rankings=rankings or {},
        skipped=asked.among.skipped if isinstance(asked.among, Given) else {},
        fallback=answer.fallback,
        empty=answer.empty,
        interleaved=interleaved,
    )


def _parts(model: Model, asked: Asked) -> list[Part]:
    state = model.state

    def fits(audience: str) -> bool:
        user = asked.who[0]
        profile = None if user is None else state.people.get(user)
        facts = facts_of(asked.request, profile, user=user, newcomer=not len(asked.history.rows))
        return holds(parse(audience), facts)

    return parts(state.trials, asked.request, holdout=state.holdout, fits=fits, froze=model.published.frozen)


def _served(state: State, asked: Asked, mine: Sequence[Part]) -> Recipe | None:
    recipe = outside(state, asked.surface.strategy)
    for part in mine:
        if part.mixed:
            return None
        if not part.tunes:
            own = part.experiment.method == "ab"
            recipe = _own(state, part, part.variant) if own else beside(state, part.experiment, part.variant)
    return _tuned(recipe, [part for part in mine if part.tunes])


def _own(state: State, part: Part, variant: Variant) -> Recipe:
    """The recipe of a variant of its experiment, as it serves the units of this part's group."""
    return (frozen if part.frozen else inside)(state, part.experiment, variant)


def _tuned(recipe: Recipe, tuners: Sequence[Part]) -> Recipe:
    for one in tuners:
        recipe = tuned(recipe, one.experiment, one.variant)
    return recipe


def _why_empty(state: State, asked: Asked) -> str:
    if isinstance(asked.among, Given):
        return f"none of the {len(asked.request.candidates or ())} given candidates can be shown"
    if not state.catalogue.known:
        return "the catalogue has no items"
    if not asked.among.any():
        who = "a rule, the request" if asked.rulings.all else "the request"
        return f"{who}, the user or availability rule out all {len(state.catalogue.known)} items of the catalogue"
    return "no generator of the strategy proposed anything"
