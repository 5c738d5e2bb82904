r"""What each pick was expected to earn, by a ridge regression that never saw its user.

A model that is linear in features, :math:`\hat q(x, a) = \theta^\top \varphi(x, a)`, needs of a decision only the
features of the pick and their mean under the target, :math:`\sum_a \pi(a \mid x)\, \varphi(x, a)`: so no table of
decisions × candidates is kept, and every fold's model can be tried after one pass.
"""

from array import array
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from bandstand.evaluate.evidence import Seat
from bandstand.evaluate.rows import Floats, Integers, Rows
from bandstand.evaluate.sides import Side
from bandstand.features import hashed, item_features
from bandstand.offer import offered

FOLDS: Final = 5
RIDGE: Final = 1.0
"""As if each coefficient had been seen to be 0 once."""

_OF_CONTEXT, _OF_ITEM = 15, 48
WIDTH: Final = 1 + _OF_CONTEXT + _OF_ITEM
"""A constant, and hashed features of context and user, and of the item: main effects. Where two features share a place,
the model is worse; the estimates that correct it stay right."""


class Sketches:
    """The hashed features of each pick, and at its position their mean under each target given the picks above: 256
    bytes each."""

    whole_logger: ClassVar[bool] = False

    def __init__(self, targets: int) -> None:
        self._picks = array("d")
        self._means = [array("d") for _ in range(targets)]

    def add(self, seat: Seat) -> None:
        length = len(seat.fact.picks)
        context = np.concatenate(([1.0], _context(seat)))
        known = [side for side in (seat.logger, *seat.targets) if side is not None]
        tables = {id(side.offer): _items(seat, side) for side in known}
        for slot in range(length):
            self._picks.extend(np.concatenate((context, _of_pick(seat, slot, known, tables))).tolist())
        for side, kept in zip(seat.targets, self._means, strict=True):
            means = np.zeros((length, WIDTH))
            if side is not None:
                for slot, step in enumerate(side.path):
                    means[slot, : len(context)] = context
                    means[slot, len(context) :] = step.shares @ tables[id(side.offer)][step.left]
            kept.extend(means.ravel().tolist())

    def picks(self) -> Floats:
        return np.frombuffer(self._picks).reshape(-1, WIDTH)

    def means(self, target: int) -> Floats:
        return np.frombuffer(self._means[target]).reshape(-1, WIDTH)


class Predicted:
    """Slates × positions: what a pick was expected to earn there, and what the target's would have on average."""

    def __init__(self, shown: Floats, expected: Floats, explained: float) -> None:
        self.shown, self.expected, self.explained = shown, expected, explained


def first_position(rows: Rows, sketches: Sketches, target: int, rewards: Floats) -> Predicted:
    """Of each first pick; `rewards` has one a row."""
    at = np.flatnonzero(np.r_[True, np.diff(rows.row_of_pick) > 0])
    shown, means = sketches.picks()[at], sketches.means(target)[at]
    theta = _crossed(shown, rewards, folds(rows))
    found = np.einsum("ij,ij->i", shown, theta)
    spread = float(np.square(rewards - rewards.mean()).sum())
    explained = 1.0 - float(np.square(rewards - found).sum()) / spread if spread else 0.0
    return Predicted(found, np.einsum("ij,ij->i", means, theta), explained)


def cascade(rows: Rows, sketches: Sketches, target: int, rewards: Floats) -> Predicted:
    """Of each position what is expected from there on down; `rewards` are slates × positions.

    For each fold the models of all positions are fitted on the others, from the last up: what is expected below a
    position is part of what its model is fitted to.

    References
    ----------
    .. [1] Kiyohara et al. (2022), "Doubly robust off-policy evaluation for ranking policies under the cascade behavior
       model", WSDM, arXiv:2202.01562, section 4.
    """
    shown, expected = np.zeros_like(rewards), np.zeros_like(rewards)
    picks, means, fold = sketches.picks(), sketches.means(target), folds(rows)
    slots = np.arange(len(rows.row_of_pick)) - np.searchsorted(rows.row_of_pick, rows.row_of_pick)
    places = [np.flatnonzero(slots == slot) for slot in range(rows.length)]
    for number in range(FOLDS):
        # What others may expect further down is from models that never saw this fold either.
        below = np.zeros(len(rows))
        for slot, at in reversed(list(enumerate(places))):
            which = rows.row_of_pick[at]
            held, ours = fold[which] == number, which[fold[which] == number]
            features = picks[at]
            theta = _fitted(features[~held], (rewards[which, slot] + below[which])[~held])
            below[which] = means[at] @ theta
            shown[ours, slot], expected[ours, slot] = features[held] @ theta, below[ours]
    return Predicted(shown, expected, 0.0)


def folds(rows: Rows) -> Integers:
    """Users are dealt into FOLDS, and decisions of nobody's as they come."""
    _, unit = np.unique(rows.units, return_inverse=True)
    return unit % FOLDS


def _crossed(features: Floats, rewards: Floats, fold: Integers) -> Floats:
    """Rows × WIDTH: the coefficients for each row, fitted on the other folds."""
    theta = np.stack([_fitted(features[fold != number], rewards[fold != number]) for number in range(FOLDS)])
    return np.asarray(theta[fold])


def _fitted(features: Floats, rewards: Floats) -> Floats:
    return np.asarray(np.linalg.solve(features.T @ features + RIDGE * np.eye(WIDTH), features.T @ rewards))


def _context(seat: Seat) -> Floats:
    found = np.zeros(_OF_CONTEXT)
    for namespace, features in (("u", seat.asked.user), ("c", seat.asked.context)):
        places, values = hashed(namespace, features)
        np.add.at(found, places % _OF_CONTEXT, _signs(places) * values)
    return found


def _items(seat: Seat, side: Side) -> Floats:
    """Candidates × features."""
    said = offered(seat.model.state, side.offer)
    places, values = said.places[said.features[said.rows]], said.values[said.rows]
    found = np.zeros((len(places), _OF_ITEM))
    np.add.at(found, (np.arange(len(places))[:, None], places % _OF_ITEM), _signs(places) * values)
    return found


def _of_pick(seat: Seat, slot: int, known: list[Side], tables: dict[int, Floats]) -> Floats:
    for side in known:
        if side.order[slot] >= 0:
            return np.asarray(tables[id(side.offer)][side.order[slot]])
    pick = seat.fact.picks[slot]
    places, values = hashed("i", item_features(pick.item, pick.features or {}))
    found = np.zeros(_OF_ITEM)
    np.add.at(found, places % _OF_ITEM, _signs(places) * values)
    return found


def _signs(places: npt.NDArray[np.uint32]) -> Floats:
    """+1 or −1 by a bit that the place itself does not use, so that features which share one cancel on average.

    References
    ----------
    .. [1] Weinberger, Dasgupta, Langford, Smola, Attenberg (2009), "Feature hashing for large scale multitask
       learning", ICML, arXiv:0902.2206.
    """
    return np.where((places >> np.uint32(20)) & 1, 1.0, -1.0)
