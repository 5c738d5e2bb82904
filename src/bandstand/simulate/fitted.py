"""A world fitted from a log: the likings and the attention that explain best what people there clicked."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.events import ItemPut
from bandstand.simulate.browsing import LONGEST, Floats, PositionBased
from bandstand.simulate.impressions import Asked, Impressions, Ints, Names, gathered, moments, names
from bandstand.simulate.nature import Fitted
from bandstand.simulate.people import DAY_S, Chance, Traits, Visit, daypart, session
from bandstand.simulate.world import Ground
from bandstand.store import EventLog

LEAST_CLICKS: Final = 50
_HELD_OUT: Final = 0.2  # of users, and as many to choose the spread by
_SPREADS: Final = (0.03, 0.1, 0.3, 0.8)  # logits, from "all alike" to "as different as the made worlds' people"
_NEAR: Final = 0.05  # of the logged requests, those nearest in time of day
_MOST_KEPT: Final = 20_000  # requests that are asked again
_BINS: Final = 10
_LOWEST: Final = -6.0  # of a logarithm of attention
_TINY: Final = 1e-9


class Goodness(msgspec.Struct, frozen=True):
    """How well the fit foretells what it has not seen: clicks of `held_out` impressions, by users of their own.

    Log-losses are means per impression; `explained` is the share of the constant's that is gone. `expected` and
    `clicked` are clicks of the held-out part, and `miscalibration` the mean distance between both over tenths of it by
    expectation, as a share of the click-through.
    """

    impressions: int
    clicks: int
    held_out: int
    log_loss: float
    log_loss_of_constant: float
    explained: float
    expected: float
    clicked: int
    miscalibration: float
    spread: float
    attention: tuple[float, ...]


class Fit(NamedTuple):
    """liking = expit(base + quality[item] + Σ mood[m] + Σ pull[m, k]) over the names m of the request's context and k
    of the item's attributes; a click has the probability liking · attention[position]."""

    names: Names
    items: list[ItemPut]
    asked: list[Asked]
    base: float
    quality: Floats
    mood: Floats
    pull: Floats
    attention: Floats
    goodness: Goodness


class _Cells(NamedTuple):
    """Impressions by context, item and position: how many, and clicks among them. `contexts` is 0 or 1 by name."""

    contexts: Floats
    context: Ints
    item: Ints
    position: Ints
    shown: Floats
    clicked: Floats


def fit(log: EventLog, source: Fitted) -> Fit:
    """Maximum a posteriori under normal priors, InputError where too little was clicked.

    Examination and liking are estimated together, as in the position-based model (Wang, Golbandi, Bendersky, Metzler
    and Najork 2018, "Position bias estimation for unbiased learning to rank", with gradients in place of EM). What it
    is worth is told on users that it has not seen; the figures in use are then fitted to all.
    """
    found = gathered(log, source)
    clicks = int(found.clicked.sum())
    told = names(found)
    lots = np.array([_lot(asked, number) for number, asked in enumerate(found.asked)])[found.who]
    apart = lots < _HELD_OUT
    least = min(clicks, int(found.clicked[apart].sum()) * 5)
    if least < LEAST_CLICKS:
        raise InputError(
            f"fitted: {clicks} clicks in {len(found.clicked):,} impressions, {int(found.clicked[apart].sum())} of them "
            f"by the users who are held out; a fit needs at least {LEAST_CLICKS} and {LEAST_CLICKS // 5}",
            field="world.fitted",
        )
    spread = source.spread or _spread(found, told, choosing=(lots >= _HELD_OUT) & (lots < 2 * _HELD_OUT), apart=apart)
    seen = _Parameters(_cells(found, told, ~apart), told, spread).fitted(None)
    goodness = _goodness(_cells(found, told, apart), _cells(found, told, ~apart), told, seen)
    model = _Parameters(_cells(found, told, np.ones_like(apart)), told, spread)
    base, quality, mood, pull, attention = model.split(model.fitted(seen))
    step = max(1, len(found.asked) // _MOST_KEPT)
    kept = sorted(found.asked[::step], key=lambda asked: asked.time % DAY_S)
    shares = tuple(round(float(one), 4) for one in np.exp(attention))
    goodness = msgspec.structs.replace(
        goodness, impressions=len(found.clicked), clicks=clicks, spread=spread, attention=shares
    )
    return Fit(told, found.items, kept, base, quality, mood, pull, np.exp(attention), goodness)


def ground(found: Fit, items: Sequence[ItemPut], chance: Chance) -> Ground:
    """The people, tastes and attention of the fit, for these items of it in their order."""
    last = found.attention[-1]  # further down, as at the last position that was seen
    attention = np.r_[found.attention, np.full(LONGEST - len(found.attention), last)]
    return Ground(_Again(found, chance), _Likings(found, items), PositionBased(attention))


class _Again:
    """Logged requests, asked again at about their time of day."""

    def __init__(self, found: Fit, chance: Chance) -> None:
        self._asked = found.asked
        self._times = np.array([asked.time % DAY_S for asked in found.asked])
        self._chance = chance

    def visit(self, number: int, *, time: float) -> Visit:
        near = max(1, round(_NEAR * len(self._asked)))
        at = int(np.searchsorted(self._times, time % DAY_S)) + int((self._chance("asked", number) - 0.5) * near)
        asked = self._asked[at % len(self._asked)]
        user = asked.user if asked.user is not None else f"nobody{number}"
        traits = Traits("", "", daypart(time + asked.utc_offset_s), "")
        return Visit(number, time, user, session(user, time), asked.context, asked.utc_offset_s, False, traits)


class _Likings:
    def __init__(self, found: Fit, items: Sequence[ItemPut]) -> None:
        index = {item.item: row for row, item in enumerate(found.items)}
        self._rows = np.array([index[item.item] for item in items], np.int64)
        self._fit = found
        self._has = found.names.has[self._rows]

    def key(self, visit: Visit) -> frozenset[str]:
        return moments(Asked(visit.time, None, visit.context, visit.utc_offset_s)).intersection(self._fit.names.moments)

    def logits(self, visit: Visit) -> Floats:
        said = self.key(visit)
        context = np.array([name in said for name in self._fit.names.moments], np.float64)
        fit = self._fit
        return fit.base + context @ fit.mood + fit.quality[self._rows] + self._has @ (context @ fit.pull)


class _Parameters:
    """One vector of base, qualities, moods, pulls and logarithms of attention, and how bad it is."""

    def __init__(self, cells: _Cells, told: Names, spread: float) -> None:
        self._cells = cells
        self._has = told.has
        self._precision = spread**-2
        items, kinds = told.has.shape
        self._shape = (len(told.moments), kinds)
        self._cuts = np.cumsum([1, items, len(told.moments), len(told.moments) * kinds])
        self._positions = int(cells.position.max()) + 1

    def fitted(self, start: Floats | None) -> Floats:
        """The best vector, looked for from `start` on."""
        if start is None or len(start) != self._cuts[-1] + self._positions:
            start = np.zeros(self._cuts[-1] + self._positions)
            start[0] = logit(self._cells.clicked.sum() / self._cells.shown.sum())
        bounds = [(None, None)] * int(self._cuts[-1]) + [(_LOWEST, 0.0)] * self._positions
        found = minimize(self.badness, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300})
        return np.asarray(found.x, np.float64)

    def split(self, vector: Floats) -> tuple[float, Floats, Floats, Floats, Floats]:
        base, quality, mood, pull, attention = np.split(vector, self._cuts)
        return float(base[0]), quality, mood, pull.reshape(self._shape), attention

    def chances(self, vector: Floats, cells: _Cells) -> tuple[Floats, Floats]:
        """The probabilities that each cell is liked and that it is clicked."""
        base, quality, mood, pull, attention = self.split(vector)
        table = base + quality + (cells.contexts @ mood)[:, None] + cells.contexts @ pull @ self._has.T
        liking = expit(table[cells.context, cells.item])
        position = np.minimum(cells.position, self._positions - 1)
        return liking, np.clip(liking * np.exp(attention[position]), _TINY, 1 - _TINY)

    def badness(self, vector: Floats) -> tuple[float, Floats]:
        """Minus the logarithm of the posterior, and its gradient."""
        cells = self._cells
        liking, p = self.chances(vector, cells)
        missed = cells.shown - cells.clicked
        loss = -(cells.clicked * np.log(p) + missed * np.log1p(-p)).sum()
        by_log_p = -(cells.clicked - missed * p / (1 - p))  # by the logarithm of p
        by_logit = np.zeros((len(cells.contexts), len(self._has)))
        np.add.at(by_logit, (cells.context, cells.item), by_log_p * (1 - liking))
        gradient = np.concatenate(
            [
                [by_logit.sum()],
                by_logit.sum(axis=0),
                cells.contexts.T @ by_logit.sum(axis=1),
                (cells.contexts.T @ (by_logit @ self._has)).ravel(),
                np.bincount(cells.position, by_log_p, minlength=self._positions),
            ]
        )
        prior = np.where(np.arange(len(vector)) < self._cuts[-1], self._precision, 1.0)
        prior[0] = 0.0
        return float(loss + 0.5 * (prior * vector**2).sum()), gradient + prior * vector


def _cells(found: Impressions, told: Names, among: npt.NDArray[np.bool_]) -> _Cells:
    said = [names.intersection(told.moments) for names in found.said]
    index = {context: at for at, context in enumerate(dict.fromkeys(said))}
    contexts = np.array([[name in context for name in told.moments] for context in index], np.float64)
    codes = np.array([index[context] for context in said], np.int64)[found.who[among]]
    keys = np.stack([codes, found.item[among], found.position[among]])
    cells, which = np.unique(keys, axis=1, return_inverse=True)
    which = which.ravel()
    clicked: Floats = np.bincount(which, found.clicked[among], minlength=cells.shape[1]).astype(np.float64)
    shown = np.bincount(which, minlength=cells.shape[1]).astype(np.float64)
    context, item, position = cells
    contexts = contexts.reshape(len(index), len(told.moments))
    return _Cells(contexts, context, item, position, shown, clicked)


def _spread(found: Impressions, told: Names, *, choosing: npt.NDArray[np.bool_], apart: npt.NDArray[np.bool_]) -> float:
    """The spread whose fit to all others foretells best those who choose; who is held apart has no part in it."""
    others, cells = _cells(found, told, ~choosing & ~apart), _cells(found, told, choosing)
    losses: dict[float, float] = {}
    start = None
    for spread in _SPREADS:
        parameters = _Parameters(others, told, spread)
        start = parameters.fitted(start)
        losses[spread] = _log_loss(cells, parameters.chances(start, cells)[1])
    return min(losses, key=lambda spread: losses[spread])


def _goodness(cells: _Cells, others: _Cells, told: Names, vector: Floats) -> Goodness:
    _, p = _Parameters(others, told, 1.0).chances(vector, cells)
    constant = np.full_like(p, others.clicked.sum() / others.shown.sum())
    loss, plain = (_log_loss(cells, one) for one in (p, constant))
    order = np.argsort(p, kind="stable")
    tenth = np.minimum((np.cumsum(cells.shown[order]) / cells.shown.sum() * _BINS).astype(int), _BINS - 1)
    off = np.abs(np.bincount(tenth, (cells.shown * p - cells.clicked)[order])).sum()
    return Goodness(
        impressions=0,
        clicks=0,
        held_out=int(cells.shown.sum()),
        log_loss=loss,
        log_loss_of_constant=plain,
        explained=1 - loss / plain,
        expected=float((cells.shown * p).sum()),
        clicked=int(cells.clicked.sum()),
        miscalibration=float(off / cells.clicked.sum()),
        spread=0.0,
        attention=(),
    )


def _log_loss(cells: _Cells, p: Floats) -> float:
    missed = cells.shown - cells.clicked
    return float(-(cells.clicked * np.log(p) + missed * np.log1p(-p)).sum() / cells.shown.sum())


def _lot(asked: Asked, number: int) -> float:
    """On which side of the split somebody is: whole users, so that the fit cannot know them."""
    return uniform("fitted", "held out", f"{number}" if asked.user is None else asked.user)
