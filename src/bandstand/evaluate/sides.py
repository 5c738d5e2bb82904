"""One decision as each side would have made it: the logger, where the log can make it again, and every target."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from bandstand.ask import Asked
from bandstand.errors import BandstandError
from bandstand.evaluate.rows import Floats
from bandstand.events import Decided
from bandstand.model import Model
from bandstand.offer import Offer, offer
from bandstand.policy.baseline import Random
from bandstand.policy.explore import EpsilonGreedy, Softmax, SquareCB
from bandstand.rank import serving, urn
from bandstand.recipe import Recipe
from bandstand.replay import PROPENSITY_SLACK
from bandstand.shape import PLAIN
from bandstand.slate import Indices, Urn
from bandstand.strategy import Strategy


class Step(NamedTuple):
    """What may be drawn next, and how likely each is."""

    left: Indices
    shares: Floats


class Side(NamedTuple):
    """One strategy before a decision: what it draws from, where the logged picks stand among its candidates (-1: they
    do not), and its chances at each position given the logged picks above, as far as it could have followed them."""

    offer: Offer
    urn: Urn
    order: tuple[int, ...]
    path: tuple[Step, ...]

    def chances(self) -> Floats:
        """The probability of each logged pick given those above; 0 from the first on that it could not make."""
        found = np.zeros(len(self.order))
        for slot, (step, index) in enumerate(zip(self.path, self.order, strict=False)):
            found[slot] = step.shares[step.left == index].sum()
        return found


class Table:
    """Candidates for one decision, each offer made once however many strategies ask for the same."""

    def __init__(self, model: Model, asked: Asked, fact: Decided) -> None:
        self._model, self._asked, self._fact = model, asked, fact
        self._offers: list[tuple[Strategy, Offer]] = []

    def side(self, recipe: Recipe) -> Side | None:
        """None where the strategy has nothing to show."""
        candidates = self._offer(recipe.strategy)
        if not candidates.items:
            return None
        drawn = urn(self._model, self._asked, recipe, candidates)
        index = {item: at for at, item in enumerate(candidates.items)}
        order = tuple(index.get(pick.item, -1) for pick in self._fact.picks)
        return Side(candidates, drawn, order, tuple(_path(drawn, order)))

    def logger(self) -> Side | None:
        """Who decided, where the decision comes out as it was logged; None otherwise, and for another system."""
        if self._fact.imported or self._fact.merged:
            return None
        try:
            recipe = serving(self._model, self._asked)
            found = None if recipe is None else self.side(recipe)
        except BandstandError:  # of an experiment or a strategy that the log does not hold any more
            return None
        if found is None:
            return None
        logged = [pick.propensity for pick in self._fact.picks]
        return found if np.allclose(found.chances(), logged, rtol=0.0, atol=PROPENSITY_SLACK) else None

    def _offer(self, strategy: Strategy) -> Offer:
        asks = msgspec.structs.replace(strategy, policy=Random(), learning=Strategy().learning)
        for known, found in self._offers:
            if known == asks:
                return found
        found = offer(self._model.state, self._asked, strategy)
        self._offers.append((asks, found))
        return found


def unsupported(target: Side, logger: Side) -> float:
    """The share of slates that the target shows and the logger never could, weighted so that its mean over logged
    decisions is without bias: Σ_k w_1:k-1 · (the target's chances at k of what the logger cannot show there)."""
    place = _places(target, logger)
    weight, lost = 1.0, 0.0
    for ours, theirs, mine, other in zip(target.path, logger.path, target.order, logger.order, strict=False):
        shown = np.zeros(len(logger.urn.items) + 1, np.bool_)  # the last: what it has no candidate for
        shown[theirs.left[theirs.shares > 0]] = True
        lost += weight * float(ours.shares[~shown[place[ours.left]]].sum())
        above = ours.shares[ours.left == mine].sum()
        weight *= float(above / theirs.shares[theirs.left == other].sum())
        if weight == 0.0:
            break
    return lost


def most_weights(target: Side, logger: Side) -> Floats:
    """The largest weight that is possible at each position, by what the two policies can do at all: infinite where the
    logger's has no floor."""
    found = []
    for slot in range(len(logger.order)):
        ours, theirs = len(target.urn.items) - slot, len(logger.urn.items) - slot
        floor = least_share(logger.urn, max(theirs, 1))
        ceiling = 1.0 / max(ours, 1) if isinstance(target.urn.policy, Random) and target.urn.shape == PLAIN else 1.0
        found.append(ceiling / floor if floor > 0 else math.inf)
    return np.cumprod(found, dtype=np.float64)


def least_share(urn: Urn, left: int) -> float:
    """The least probability that the policy gives any of so many candidates, 0 where it has no floor."""
    plain, mixed = urn.shape == PLAIN, max(0.0, 1.0 - sum(one.share for one in urn.shape.mixtures))
    match urn.policy:
        case Random():
            return mixed / left
        case EpsilonGreedy(epsilon=epsilon) | Softmax(epsilon=epsilon):
            return float(epsilon * mixed / left)
        case SquareCB(gamma_scale=scale, gamma_exponent=exponent) if plain:
            gamma = float(scale * max(urn.learned, 1) ** exponent)
            return 1.0 / (left + gamma * float(urn.scores.max() - urn.scores.min()))
        case _:
            return 0.0


def _places(target: Side, logger: Side) -> Indices:
    """Where each candidate of the target's stands among the logger's, -1 where it does not."""
    if target.offer is logger.offer:
        return np.arange(len(target.urn.items))
    index = {item: at for at, item in enumerate(logger.urn.items)}
    return np.array([index.get(item, -1) for item in target.urn.items])


def _path(drawn: Urn, order: Sequence[int]) -> list[Step]:
    slots, path = drawn.slots(), []
    for index in order[: len(drawn.items)]:
        path.append(Step(*slots.next()))
        if index not in path[-1].left:
            break
        slots.fill(index)
    return path
