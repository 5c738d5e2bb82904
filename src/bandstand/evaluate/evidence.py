"""What some estimators need of each decision beyond the chances of what was shown, kept as arrays if asked for."""

from array import array
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from bandstand.ask import Asked
from bandstand.errors import InputError
from bandstand.evaluate.marginals import Remembered
from bandstand.evaluate.rows import Floats, Rows
from bandstand.evaluate.sides import Side
from bandstand.events import Decided
from bandstand.model import Model
from bandstand.stats.pseudo_inverse import pseudo_inverse_weights


class Seat(NamedTuple):
    """One decision, the logger where the log can make it again, and every target: None where it had no candidates."""

    fact: Decided
    asked: Asked
    model: Model
    logger: Side | None
    targets: Sequence[Side | None]


class Evidence(Protocol):
    """`whole_logger` where it needs every chance of whoever decided, not those of the picks alone."""

    whole_logger: ClassVar[bool]

    def add(self, seat: Seat) -> None:
        """Keep what is needed of one decision. InputError where it cannot be had."""
        ...


class Nothing:
    """Of those that need the chances of what was shown alone."""

    whole_logger: ClassVar[bool] = False

    def add(self, seat: Seat) -> None:
        pass


class Reach:
    """For each pick of a slate the marginal chance of its item at every position of it, under logger and targets."""

    whole_logger: ClassVar[bool] = True

    def __init__(self, targets: int, method: str) -> None:
        self._method = method
        self._remembered = Remembered()
        self._logged = array("d")
        self._targets = [array("d") for _ in range(targets)]
        self._noise = [array("d") for _ in range(targets)]
        self.drawn = 0

    def add(self, seat: Seat) -> None:
        length = len(seat.fact.picks)
        if length == 1:  # then the marginal is the chance itself, whoever the logger was
            self._logged.append(seat.fact.picks[0].propensity)
            for target, kept, noise in zip(seat.targets, self._targets, self._noise, strict=True):
                kept.append(0.0 if target is None else float(target.chances()[0]))
                noise.append(0.0)
            return
        logger = needed(seat, self._method)
        below, below_noise, exact = self._shares(logger, seat, "logger")
        self._logged.extend(below.ravel().tolist())
        for number, target in enumerate(seat.targets):
            found = (np.zeros_like(below), np.zeros(length), True)
            if target is not None:
                found = self._shares(target, seat, f"target {number}")
            exact = exact and found[2]
            self._targets[number].extend(found[0].ravel().tolist())
            own = np.diagonal(below)
            ratio = np.diagonal(found[0]) / own
            self._noise[number].extend(((found[1] + ratio**2 * below_noise) / own**2).tolist())
        self.drawn += not exact

    def logged(self, rows: Rows) -> Floats:
        """Slates × picks × positions; ones where a slate is shorter."""
        return _cubed(self._logged, rows)

    def target(self, rows: Rows, target: int) -> Floats:
        return _cubed(self._targets[target], rows)

    def noise(self, rows: Rows, target: int) -> Floats:
        """Slates × positions: the variance of each marginal weight that comes of drawing slates."""
        return rows.table(np.frombuffer(self._noise[target]), fill=0.0)

    def _shares(self, side: Side, seat: Seat, whose: str) -> tuple[Floats, Floats, bool]:
        length = len(seat.fact.picks)
        found = self._remembered.marginals(side.urn, length, key=f"{seat.fact.decision}/{whose}")
        shares, variances = np.zeros((length, length)), np.zeros(length)
        for row, index in enumerate(side.order):
            if index >= 0:
                reach = found.shares.shape[1]
                shares[row, :reach] = np.clip(found.shares[index], 0.0, 1.0)
                if row < reach:
                    variances[row] = found.variances[index, row]
        return shares, variances, found.exact


class Inverse:
    """The pseudo-inverse's weight of each slate."""

    whole_logger: ClassVar[bool] = True

    def __init__(self, targets: int, method: str) -> None:
        self._method = method
        self._remembered = Remembered()
        self._weights = [array("d") for _ in range(targets)]

    def add(self, seat: Seat) -> None:
        logger = needed(seat, self._method)
        length = len(seat.fact.picks)
        below = self._remembered.slates(logger.urn, length)
        for target, kept in zip(seat.targets, self._weights, strict=True):
            above = None if target is None else self._remembered.slates(target.urn, length)
            if below is None or (above is None and target is not None):
                raise InputError(
                    f"estimator: {self._method} goes through all slates, and decision {seat.fact.decision!r} could "
                    "have had more than 2,000; take reward_interaction_snips, or a surface of fewer candidates",
                    field="estimator",
                )
            if target is None or above is None:
                kept.append(0.0)
                continue
            index = {item: at for at, item in enumerate(logger.urn.items)}
            places = np.array([index.setdefault(item, len(index)) for item in target.urn.items])
            chances = dict(zip(map(tuple, places[above.slates].tolist()), above.shares.tolist(), strict=True))
            slates = list(dict.fromkeys([*map(tuple, below.slates.tolist()), *chances]))
            logged = dict(zip(map(tuple, below.slates.tolist()), below.shares.tolist(), strict=True))
            weights = pseudo_inverse_weights(
                slates,
                target=[chances.get(one, 0.0) for one in slates],
                logging=[logged.get(one, 0.0) for one in slates],
            )
            kept.append(float(weights[slates.index(logger.order)]))

    def weights(self, target: int) -> Floats:
        return np.frombuffer(self._weights[target])


class Embedded:
    """How likely logger and targets were to show at the first position an item that is alike in these features."""

    whole_logger: ClassVar[bool] = True

    def __init__(self, targets: int, method: str, features: Sequence[str]) -> None:
        if not features:
            raise InputError(
                f"embedding: {method} knows items by their features; name some, such as --embedding category",
                field="embedding",
            )
        self._method, self._features = method, tuple(features)
        self._logged = array("d")
        self._targets = [array("d") for _ in range(targets)]
        self._known: dict[tuple[str, int], tuple[str, ...]] = {}

    def add(self, seat: Seat) -> None:
        logger = needed(seat, self._method)
        shown = self._alike(seat, logger.urn.items[logger.order[0]], logger)
        self._logged.append(self._mass(seat, logger, shown))
        for target, kept in zip(seat.targets, self._targets, strict=True):
            kept.append(0.0 if target is None else self._mass(seat, target, shown))

    def weights(self, target: int) -> Floats:
        return np.asarray(np.frombuffer(self._targets[target]) / np.frombuffer(self._logged))

    def _mass(self, seat: Seat, side: Side, shown: tuple[str, ...]) -> float:
        step = side.path[0]
        items = side.urn.items
        alike = [self._alike(seat, items[at], side) == shown for at in step.left.tolist()]
        return float(step.shares[alike].sum())

    def _alike(self, seat: Seat, item: str, side: Side) -> tuple[str, ...]:
        catalogue = seat.model.state.catalogue
        row = catalogue.rows.get(item, -1)
        known = catalogue.known.get(row)
        if known is None:
            features = next((one.features for one in side.offer.inline if one.item == item), {})
            return tuple(repr(features.get(name)) for name in self._features)
        key = (item, known.version)
        if key not in self._known:
            put = known.put
            self._known[key] = tuple(repr(put.features.get(name)) for name in self._features)
        return self._known[key]


def needed(seat: Seat, method: str) -> Side:
    """The logger; InputError where it cannot be had."""
    if seat.logger is None:
        raise InputError(
            f"estimator: {method} needs every chance that the logger had, and of decision {seat.fact.decision!r}, "
            "which another system made, the log holds those of the picks alone; take reward_interaction_snips or "
            "whole_slate_snips, or snips for the first position",
            field="estimator",
        )
    return seat.logger


def _cubed(kept: "array[float]", rows: Rows) -> Floats:
    cube = np.ones((len(rows), rows.length, rows.length))
    lengths = rows.lengths
    start = np.cumsum(lengths**2) - lengths**2
    flat = np.frombuffer(kept)
    for length in np.unique(lengths).tolist():
        which = np.flatnonzero(lengths == length)
        block = flat[start[which][:, None] + np.arange(length * length)]
        # A shorter slate has nothing further down: no one looks there, and no weight changes.
        part = np.zeros((len(which), rows.length, rows.length))
        part[:, :length, :length] = block.reshape(-1, length, length)
        part[:, length:, :] = 1.0
        cube[which] = part
    return cube
