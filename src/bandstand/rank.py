"""A request becomes a decision: a pure function of the model, the request and the decision's id."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.ask import Asked, Given, understand
from bandstand.chance import uniform, uniforms
from bandstand.errors import UnknownError
from bandstand.events import Assignment, Decided, Pick, Request
from bandstand.experiments.assignment import assign, unit
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.interleaving import team_draft
from bandstand.features import hashed
from bandstand.model import Model
from bandstand.offer import Offer, offer, offered, picked
from bandstand.placing import Placing, placing
from bandstand.policy import Scores
from bandstand.policy.linear import Shared, untaught
from bandstand.shaping import shaped
from bandstand.slate import draw, propensities
from bandstand.state import State
from bandstand.strategy import Strategy


class Recipe(NamedTuple):
    """A strategy, the weights that it serves from, and what keeps its draws apart from another's in one decision."""

    name: str
    strategy: Strategy
    weights: str
    stream: str = ""

    @property
    def learns(self) -> bool:
        return self.strategy.policy.scored_by == "weights"


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
    trial, variant = _assigned(state, request)
    if trial is None or variant is None:
        recipe = outside(state, asked.surface.strategy)
        return _decided(model, asked, recipe, slate(model, asked, recipe), teaches=[recipe])
    if trial.method == "interleave":
        return _interleaved(model, asked, trial)
    recipe = inside(state, trial, variant)
    students = trial.variants if trial.learn_from == "all" else [variant]
    answer = slate(model, asked, recipe)
    return _decided(
        model,
        asked,
        recipe,
        answer,
        teaches=[inside(state, trial, student) for student in students],
        assignments=(Assignment(trial.name, variant.name, trial.layer),),
        rankings=_counterfactual(model, asked, trial, variant) if trial.analysis.trigger == "changed" else None,
    )


def outside(state: State, strategy: str) -> Recipe:
    """A strategy as it serves outside any experiment."""
    return Recipe(strategy, _defined(state, strategy), state.weights_name(strategy))


def inside(state: State, trial: Experiment, variant: Variant) -> Recipe:
    """A variant's strategy, with weights of the variant's own."""
    strategy = _defined(state, variant.strategy)
    return Recipe(variant.strategy, strategy, f"{trial.name}/{variant.name}", variant.name)


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


def _counterfactual(model: Model, asked: Asked, trial: Experiment, shown: Variant) -> dict[str, tuple[str, ...]]:
    """What every variant would have shown: the evidence of a triggered analysis.

    All draw with the chances of the one that is shown, or two policies that are the same would differ by luck.
    """
    recipes = [inside(model.state, trial, one)._replace(stream=shown.name) for one in trial.variants]
    slates = [slate(model, asked, recipe).picks for recipe in recipes]
    return {one.name: tuple(pick.item for pick in picks) for one, picks in zip(trial.variants, slates, strict=True)}


def _interleaved(model: Model, asked: Asked, trial: Experiment) -> Decided:
    """Both strategies' slates, merged by team draft.

    Nobody learns from it: the propensity of a merged slate under either policy is not the one that the pick records. So
    both serve from the weights that they have outside the experiment.
    """
    recipes = [outside(model.state, one.strategy)._replace(stream=one.name) for one in trial.variants]
    slates = [slate(model, asked, recipe) for recipe in recipes]
    rankings = {r.stream: tuple(p.item for p in s.picks) for r, s in zip(recipes, slates, strict=True)}
    by_item = [{pick.item: pick for pick in one.picks} for one in slates]
    first, second = rankings.values()
    drafted = team_draft(
        first, second, asked.n, coin=lambda round_: uniform("team draft", trial.name, asked.decision, round_)
    )
    picks = tuple(
        msgspec.structs.replace(
            by_item[team][item], position=asked.request.first_position + at, team=recipes[team].stream
        )
        for at, (item, team) in enumerate(drafted)
    )
    assignment = Assignment(trial.name, "interleaved", trial.layer)
    merged = Slate(picks, all(one.fallback for one in slates), slates[0].empty if not picks else None)
    return _decided(model, asked, recipes[0], merged, assignments=(assignment,), rankings=rankings)


def _decided(
    model: Model,
    asked: Asked,
    recipe: Recipe,
    answer: Slate,
    *,
    teaches: Sequence[Recipe] = (),
    assignments: tuple[Assignment, ...] = (),
    rankings: dict[str, tuple[str, ...]] | None = None,
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
        teaches=tuple(student.weights for student in teaches if student.learns),
        assignments=assignments,
        user=asked.user,
        context=asked.context,
        rankings=rankings or {},
        skipped=asked.among.skipped if isinstance(asked.among, Given) else {},
        fallback=answer.fallback,
        empty=answer.empty,
    )


def _assigned(state: State, request: Request) -> tuple[Experiment, Variant] | tuple[None, None]:
    """The running experiment on this surface in which this user or session takes part, and its side of it."""
    for trial in state.trials.values():
        if trial.stage == "running" and trial.definition.surface == request.surface:
            who = unit(trial.definition, request)
            variant = assign(trial.definition, who) if who else None
            if variant is not None:
                return trial.definition, variant
    return None, None


def _defined(state: State, name: str) -> Strategy:
    strategy = state.strategies.get(name)
    if strategy is None:
        known = ", ".join(sorted(state.strategies)) or "none"
        message = f"strategy {name!r} is not defined; known: {known}"
        raise UnknownError(message, field="strategy", code="unknown_strategy")
    return strategy


def _why_empty(state: State, asked: Asked) -> str:
    if isinstance(asked.among, Given):
        return f"none of the {len(asked.request.candidates or ())} given candidates can be shown"
    if not state.catalogue.known:
        return "the catalogue has no items"
    if not asked.among.any():
        who = "a rule, the request" if asked.rulings.all else "the request"
        return f"{who}, the user or availability rule out all {len(state.catalogue.known)} items of the catalogue"
    return "no generator of the strategy proposed anything"
