"""An estimate before its interval: sums over rows, and what each row's weight and reward are."""

from typing import NamedTuple

import numpy as np

from bandstand.evaluate.evidence import Evidence
from bandstand.evaluate.question import Question
from bandstand.evaluate.rows import Flags, Floats, Rows
from bandstand.stats.thinned import standing


class Scored(NamedTuple):
    r"""An estimate before its interval: :math:`\hat V = \sum_j \bar{a}_j / \bar{b}_j`, rows where b is missing.

    Means are over decisions, of which a row stands for 1/(1 − `dropped`): a log may lack some.

    `weights` are the rows' own: 1 on average where propensities are right and the logger could show all that the target
    shows, and `rewards` go with them. Where the estimate is `plain`, weight × reward is the score of a row: no model,
    no level, no weight below 0. `most` is the largest reward of a row, in rewards of one pick. `slots` (slates ×
    positions) are the weights of single picks, where there are any.
    """

    above: tuple[Floats, ...]
    below: tuple[Floats | None, ...]
    weights: Floats
    rewards: Floats
    most: float = 1.0
    plain: bool = True
    slots: Floats | None = None
    dropped: Floats | None = None

    def among(self, rows: Flags) -> "Scored":
        pairs = [(a[rows], None if b is None else b[rows]) for a, b in zip(self.above, self.below, strict=True)]
        pairs = [(a, b) for a, b in pairs if b is None or b.any()]
        return Scored(
            tuple(a for a, _ in pairs),
            tuple(b for _, b in pairs),
            self.weights[rows],
            self.rewards[rows],
            self.most,
            self.plain,
            None if self.slots is None else self.slots[rows],
            None if self.dropped is None else self.dropped[rows],
        )

    @property
    def value(self) -> float:
        parts = zip(self.above, self.below, strict=True)
        return float(sum(self.mean(a) / (1.0 if b is None else self.mean(b)) for a, b in parts))

    @property
    def standing(self) -> Floats | None:
        """How many decisions each row stands for; None where it is itself alone."""
        return None if self.dropped is None else standing(self.dropped)

    def mean(self, each: Floats) -> float:
        return float(np.average(each, weights=self.standing))

    @property
    def empty(self) -> bool:
        """Whether no row has any weight, so that there is no estimate."""
        return not self.above or not self.weights.any()


class Case(NamedTuple):
    """What an estimator is asked: of which target and which metric."""

    rows: Rows
    evidence: Evidence
    target: int
    metric: int
    question: Question


def normalised(plain: Scored) -> Scored:
    """Divided by the mean of its weights."""
    return plain._replace(below=(plain.weights,)) if plain.weights.any() else plain._replace(above=(), below=())
