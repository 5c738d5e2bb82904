"""What ranks, with which weights: a strategy as it serves outside experiments, inside one, and tuned by others."""

from typing import NamedTuple

import msgspec

from bandstand.candidates.fits import fittable
from bandstand.errors import InputError, UnknownError
from bandstand.experiments import freeze, tuning
from bandstand.experiments.definition import Experiment, Variant
from bandstand.state import State
from bandstand.strategy import Strategy, generating, varied


class Recipe(NamedTuple):
    """A strategy, the weights that it serves from, and what keeps its draws apart from another's in one decision."""

    name: str
    strategy: Strategy
    weights: str
    stream: str = ""

    @property
    def learns(self) -> bool:
        return self.strategy.policy.scored_by == "weights"


def outside(state: State, strategy: str) -> Recipe:
    """A strategy as it serves outside any experiment."""
    return Recipe(strategy, _defined(state, strategy), state.weights_name(strategy))


def inside(state: State, trial: Experiment, variant: Variant) -> Recipe:
    """A variant's strategy, with weights of the variant's own."""
    return beside(state, trial, variant)._replace(weights=f"{trial.name}/{variant.name}")


def beside(state: State, trial: Experiment, variant: Variant) -> Recipe:
    """A variant's strategy, with the weights that the strategy has outside the experiment."""
    strategy = _fitting(_defined(state, variant.strategy), trial, variant)
    return Recipe(variant.strategy, strategy, state.weights_name(variant.strategy), variant.name)


def frozen(state: State, trial: Experiment, variant: Variant) -> Recipe:
    """A variant's strategy, with the variant's weights as they were frozen."""
    recipe = inside(state, trial, variant)
    return recipe._replace(weights=freeze.name(recipe.weights))


def tuned(recipe: Recipe, trial: Experiment, variant: Variant) -> Recipe:
    """The recipe as this variant would have it, with weights of that combination's own."""
    return recipe._replace(
        strategy=_fitting(recipe.strategy, trial, variant),
        weights=tuning.name(recipe.weights, trial.name, variant.name),
    )


def behind(state: State, weights: str) -> Strategy | None:
    """The strategy whose settings these weights are learned with; None where nobody knows any more."""
    under, _, last = weights.rpartition(tuning.JOINT)
    experiment, _, name = last.rpartition("/")
    trial = state.trials.get(experiment)
    if under and trial is not None and trial.definition.tunes:
        return _varied(behind(state, under), trial.definition, name)
    experiment, _, name = weights.rpartition("/")
    trial = state.trials.get(experiment)
    if trial is None:
        return state.strategies.get(weights)
    strategies = {one.name: state.strategies.get(one.strategy) for one in trial.definition.variants}
    return _varied(strategies.get(name), trial.definition, name)


def wanted_fits(state: State) -> list[str]:
    """The fitted generators that some strategy asks, or some variant of one."""
    trials = [trial.definition for trial in state.trials.values() if trial.stage in ("draft", "running")]
    compared = [(trial, variant) for trial in trials if not trial.tunes for variant in trial.variants]
    variants = (_varied(state.strategies.get(variant.strategy), trial, variant.name) for trial, variant in compared)
    tuned = (generating(variant.parameters) for trial in trials if trial.tunes for variant in trial.variants)
    strategies = (*state.strategies.values(), *filter(None, variants), *filter(None, tuned))
    return fittable({name for strategy in strategies for name in strategy.asked})


def _varied(strategy: Strategy | None, trial: Experiment, name: str) -> Strategy | None:
    parameters = next((one.parameters for one in trial.variants if one.name == name), None)
    if strategy is None or parameters is None:
        return None
    try:
        return varied(strategy, parameters)
    except msgspec.ValidationError:  # the strategy has changed since the experiment ended, and they fit it no more
        return strategy


def _fitting(strategy: Strategy, trial: Experiment, variant: Variant) -> Strategy:
    """InputError where the parameters do not fit; of what runs they do, but a draft may be forced at any time."""
    try:
        return varied(strategy, variant.parameters)
    except msgspec.ValidationError as error:
        where = f"experiment {trial.name!r}: the parameters of variant {variant.name!r}"
        raise InputError(f"{where} do not fit what ranks here: {error}", field="force") from None


def _defined(state: State, name: str) -> Strategy:
    strategy = state.strategies.get(name)
    if strategy is None:
        known = ", ".join(sorted(state.strategies)) or "none"
        message = f"strategy {name!r} is not defined; known: {known}"
        raise UnknownError(message, field="strategy", code="unknown_strategy")
    return strategy
