"""What a report needs of an experiment, as columns of numbers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.events import ExperimentMoved
from bandstand.experiments.definition import Experiment

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

WHOLE = -1
"""In the place of a position: the whole slate."""


class Life(msgspec.Struct):
    """What became of the experiment itself; `reweighted` where its weights changed while it ran. `as_of` and `at` say
    how far the log was read."""

    experiment: Experiment
    state: str = "draft"
    winner: str | None = None
    since: float | None = None
    until: float | None = None
    reweighted: bool = False
    as_of: int = 0
    at: float = 0.0

    def redefined(self, experiment: Experiment) -> None:
        before, after = ([one.weight for one in each.variants] for each in (self.experiment, experiment))
        self.reweighted = self.reweighted or (self.state == "running" and before != after)
        self.experiment = experiment

    def moved(self, fact: ExperimentMoved, at: float) -> None:
        self.state, self.winner = fact.to, fact.winner
        if fact.to == "running":
            self.since = at
        elif self.until is None:
            self.until = at


class Decisions(NamedTuple):
    """One row a decision under the experiment, in the order of the log. `id` is a hash of the decision's, and `person`
    a number of what joins units, such as the session in which somebody signed in; NOBODY where it is unknown."""

    id: Ints
    unit: Ints
    person: Ints
    variant: Ints
    at: Floats
    first: Ints
    picks: Ints
    shown: npt.NDArray[np.bool_]


class Exposures(NamedTuple):
    decision: Ints
    at: Floats
    position: Ints


class Rewards(NamedTuple):
    decision: Ints
    unit: Ints
    at: Floats
    position: Ints
    value: Floats


class Interactions(NamedTuple):
    unit: Ints
    at: Floats
    value: Floats


class Gathered(NamedTuple):
    """`born` is when each unit first appeared in the log, `labels` its segment in each dimension at its first decision
    under the experiment (codes into `names`, -1 before that). `shared` says that variants learned from each other."""

    life: Life
    decisions: Decisions
    exposures: Exposures
    rewards: Mapping[str, Rewards]
    interactions: Mapping[str, Interactions]
    born: Floats
    labels: Mapping[str, Ints]
    names: Mapping[str, tuple[str, ...]]
    shared: bool
