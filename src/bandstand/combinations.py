"""Whether experiments that tune a surface fit whatever ranks there, in every combination of their variants."""

from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from typing import Final

import msgspec

from bandstand.candidates.registry import names
from bandstand.errors import ConflictError, InputError
from bandstand.experiments.definition import Experiment, Variant
from bandstand.state import State
from bandstand.strategy import Strategy, Surface, varied

MOST: Final = 1000
"""Of one surface: each learns alone, and more would learn next to nothing."""


def check_combinations(state: State, experiment: Experiment, running: Sequence[Experiment]) -> None:
    """InputError where parameters would not fit a strategy that they may come to tune once the experiment runs."""
    every = [experiment, *(other for other in running if other.name != experiment.name)]
    for name in experiment.on:
        here = [one for one in every if name in one.on]
        own = Variant("", state.surfaces[name].strategy)
        ranking = [own, *(one for other in here if not other.tunes for one in other.variants)]
        tuning = [other.variants for other in here if other.tunes]
        if tuning and (count := len(ranking) * prod(map(len, tuning))) > MOST:
            raise InputError(
                f"experiment '{experiment.name}': {count} combinations of variants on surface '{name}', must be at "
                f"most {MOST}; stop one of {', '.join(repr(other.name) for other in here[1:])}",
                field="variants",
            )
        for base, *others in product(ranking, *tuning) if tuning else ():
            _check(state, base, others, experiment)


def check_winner(state: State, experiment: Experiment, winner: Variant, running: Iterable[Experiment]) -> None:
    """InputError where the winner's parameters do not fit what it would rank with once shipped, since strategies have
    changed after the experiment stopped; or those that tune its surfaces now do not fit the winner."""
    for name in experiment.on:
        own = Variant("", state.surfaces[name].strategy)
        base, *first = (own, winner) if experiment.tunes else (winner,)
        tuning = [one.variants for one in running if one.tunes and name in one.on and one.name != experiment.name]
        for others in product(*tuning):
            _check(state, base, [*first, *others], experiment)


def check_strategy(name: str, strategy: Strategy) -> None:
    """InputError where it asks a generator that does not exist."""
    known = names()
    for generator in strategy.asked:
        if generator not in known:
            raise InputError(
                f"strategy {name!r}: generator {generator!r} is not defined; known: {', '.join(known)}",
                field="generators",
            )


def check_surface(name: str, before: Surface | None, surface: Surface, running: Iterable[Experiment]) -> None:
    """ConflictError where its strategy would change while an experiment tunes it."""
    for experiment in running:
        tuned = experiment.tunes and name in experiment.on
        if tuned and before is not None and before.strategy != surface.strategy:
            raise ConflictError(
                f"surface {name!r}: its strategy cannot change while experiment {experiment.name!r} tunes it; stop "
                "that first",
                field="surfaces",
            )


def check_shipped(experiment: Experiment, running: Iterable[Experiment]) -> None:
    """ConflictError where others rank with strategies of their own, which would lose what this one tunes."""
    for other in running if experiment.tunes else ():
        if not other.tunes and {*other.on} & {*experiment.on}:
            raise ConflictError(
                f"experiment '{experiment.name}' tunes what ranks on its surface, and '{other.name}' compares "
                f"strategies there, which would go back to what they were; stop '{other.name}' first",
                field="winner",
            )


def _check(state: State, base: Variant, others: Sequence[Variant], experiment: Experiment) -> None:
    strategy = state.strategies[base.strategy]
    try:
        for one in (base, *others):
            strategy = varied(strategy, one.parameters)
        check_strategy(base.strategy, strategy)
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(
            f"experiment '{experiment.name}': strategy '{base.strategy}' with the parameters of "
            f"{', '.join(repr(one.name) for one in ((base, *others) if base.parameters else others))}: {error}",
            field="variants",
        ) from None
