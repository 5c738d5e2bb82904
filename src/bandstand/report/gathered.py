"""What a report needs of an experiment, as the log says it."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from bandstand.events import ExperimentMoved
from bandstand.experiments import lifecycle
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import DAY_S
from bandstand.report.asked import windows
from bandstand.report.ledger import Ledger
from bandstand.report.slates import Slate


class Life(msgspec.Struct):
    """What became of the experiment itself. `phases` are the weights that it has had since it started, one row each
    time that they changed; `began` is the log position at which it started, `as_of` and `at` say how far the log was
    read."""

    experiment: Experiment
    state: str = "draft"
    winner: str | None = None
    since: float | None = None
    until: float | None = None
    began: int | None = None
    phases: list[list[float]] = []
    as_of: int = 0
    at: float = 0.0

    @property
    def days(self) -> float:
        """How long it has run, or ran."""
        if self.since is None:
            return 0.0
        begun = max(self.since, self.experiment.starts or 0.0)
        return max(0.0, (self.at if self.until is None else self.until) - begun) / DAY_S

    def redefined(self, experiment: Experiment) -> None:
        """Phases are numbered as `experiments.trial.Trial` numbers them, which decisions record."""
        weights = lifecycle.weights(experiment)
        if self.state == "draft":
            self.phases = [weights]
        elif self.state == "running" and weights != lifecycle.weights(self.experiment):
            self.phases.append(weights)
        self.experiment = experiment

    def moved(self, fact: ExperimentMoved, at: float, seq: int) -> None:
        self.state, self.winner = fact.to, fact.winner
        if fact.to == "running":
            self.since, self.began = at, seq
        elif self.until is None:
            self.until = at


class Drafts(NamedTuple):
    """The slates of an interleaving up to `as_of`, by decision."""

    as_of: int = 0
    slates: Mapping[str, Slate] = {}


class Gathered(NamedTuple):
    """`drafts` are the slates of an interleaving that are known without reading the log."""

    life: Life
    ledger: Ledger
    drafts: Drafts = Drafts()

    def each_slate(self, *, history: bool) -> bool:
        """Whether it has to be known when each slate was shown: for pictures over time, planned looks, metrics with a
        window over slates, and where clocks disagree on what is over."""
        experiment = self.life.experiment
        looks_back = history or experiment.analysis.method == "group-sequential"
        return looks_back or self.ledger.latest > self.life.at or any(map(windows, experiment.metrics))
