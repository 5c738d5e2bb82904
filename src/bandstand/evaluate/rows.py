"""The decisions of a log as numbers, one row each: what is kept of a log is arrays."""

from array import array
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandstand.evaluate.past import Earned, key
from bandstand.events import Decided
from bandstand.stats.weights import importance_weights

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_POSITIVE: Final = (1 << 63) - 1

PLACED: Final = -1
"""In place of a number of candidates: a rule placed picks of the slate, so its propensities say nothing of a draw."""


class Rows:
    """Slates of up to `length` picks, for so many `targets` and `metrics`; 8 bytes a number, `targets + metrics + 1`
    numbers a pick. `filled` must be called before anything is asked; then `units` says whose decision each was, and of
    nobody's is a number of its own, below 0."""

    def __init__(self, targets: int, metrics: int, segments: int = 0) -> None:
        self.segments = [Labels() for _ in range(segments)]
        self._seqs, self._times, self._lengths = array("q"), array("d"), array("q")
        self._whose = array("q")  # of a user 63 bits of their key, which are 0 or more
        self._logged, self._positions = array("d"), array("q")
        self._targets = [array("d") for _ in range(targets)]
        self._rewards = [array("d") for _ in range(metrics)]
        self._wholes = [array("d") for _ in range(metrics)]
        self._unsupported = [array("d") for _ in range(targets)]
        self._candidates = array("q")
        self._dropped = array("d")

    def __len__(self) -> int:
        return len(self._seqs)

    def add(
        self,
        fact: Decided,
        *,
        seq: int,
        at: float,
        targets: list[Floats],
        earned: Earned,
        unsupported: list[float],
        candidates: int,
        dropped: float,
    ) -> None:
        """`targets` holds for each target the probability of each pick given those above; `candidates` is how many the
        first position could have held, 0 where that is not known, or PLACED; `dropped` how likely the decision was not
        to be in the log."""
        self._seqs.append(seq)
        self._times.append(at)
        user = fact.request.user
        # Without a user a decision stands for itself.
        self._whose.append(-len(self._seqs) if user is None else key(user) & _POSITIVE)
        self._lengths.append(len(fact.picks))
        self._logged.extend(pick.propensity for pick in fact.picks)
        self._positions.extend(pick.position for pick in fact.picks)
        for kept, new in zip(self._targets, targets, strict=True):
            kept.extend(new.tolist())
        for metric, kept in enumerate(self._rewards):
            kept.extend(earned.picks[metric].tolist())
            self._wholes[metric].append(float(earned.whole[metric]))
        for kept, mass in zip(self._unsupported, unsupported, strict=True):
            kept.append(mass)
        self._candidates.append(candidates)
        self._dropped.append(dropped)

    def filled(self) -> "Rows":
        """Where each pick stands in a table of slates × positions, and the users numbered as they came."""
        lengths = np.array(self._lengths, np.int64)
        self.length = int(lengths.max(initial=1))
        self.row_of_pick = np.repeat(np.arange(len(lengths)), lengths)
        self._slot = np.arange(len(self.row_of_pick)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        self.units = _numbered(_view(self._whose, np.int64))
        self._whose = array("q")
        return self

    @property
    def seqs(self) -> Integers:
        return _view(self._seqs, np.int64)

    @property
    def times(self) -> Floats:
        return _view(self._times, np.float64)

    @property
    def lengths(self) -> Integers:
        return _view(self._lengths, np.int64)

    @property
    def first_positions(self) -> Integers:
        return self.table(_view(self._positions, np.int64), fill=0)[:, 0].astype(np.int64)

    @property
    def repeated(self) -> bool:
        """Whether any user may have several decisions."""
        return bool((self.units >= 0).any())

    @property
    def people(self) -> int:
        return len(np.unique(self.units))

    def table(self, picks: npt.NDArray[Any], *, fill: float) -> Floats:
        """Slates × positions of one number a pick; `fill` where a slate is shorter."""
        out = np.full((len(self), self.length), fill)
        out[self.row_of_pick, self._slot] = picks
        return out

    def ratios(self, target: int) -> Floats:
        """Slates × positions: the target's probability of the pick given those above over the logger's."""
        return self.table(
            importance_weights(_view(self._targets[target], np.float64), _view(self._logged, np.float64)), fill=1.0
        )

    def logged(self) -> Floats:
        return self.table(_view(self._logged, np.float64), fill=1.0)

    @property
    def certain(self) -> Floats:
        """The least propensity of each slate's picks."""
        return np.asarray(self.logged().min(axis=1), np.float64)

    def rewards(self, metric: int) -> Floats:
        """Slates × positions: what came with each pick; what came for a slate as a whole not included."""
        return self.table(_view(self._rewards[metric], np.float64), fill=0.0)

    def wholes(self, metric: int) -> Floats:
        """What came for each slate as a whole."""
        return _view(self._wholes[metric], np.float64)

    def earned(self, metric: int) -> Floats:
        """All that each slate earned."""
        picked = np.bincount(self.row_of_pick, _view(self._rewards[metric], np.float64), len(self))
        return np.asarray(picked + self.wholes(metric), np.float64)

    def unsupported(self, target: int) -> Floats:
        """By slate, the weighted share of what the target would have shown that the logger could not."""
        return _view(self._unsupported[target], np.float64)

    @property
    def candidates(self) -> Integers:
        return _view(self._candidates, np.int64)

    @property
    def dropped(self) -> Floats | None:
        """How likely each decision was not to be in the log; None where the log has them all."""
        found: Floats = _view(self._dropped, np.float64)
        return found if found.any() else None


class Labels:
    """Which group each row is in; groups beyond the first thousand are one."""

    _MOST = 1000
    _REST = "others"

    def __init__(self) -> None:
        self._codes = array("q")
        self._known: dict[str, int] = {}

    def add(self, label: str) -> None:
        if label not in self._known and len(self._known) >= self._MOST:
            label = self._REST
        self._codes.append(self._known.setdefault(label, len(self._known)))

    @property
    def names(self) -> list[str]:
        return list(self._known)

    def groups(self, most: int) -> list[tuple[str, Flags]]:
        """The largest groups, each with its rows."""
        codes, names = _view(self._codes, np.int64), self.names
        sizes = np.bincount(codes, minlength=len(names))
        order = np.argsort(-sizes, kind="stable")[:most]
        return [(names[code], codes == code) for code in order.tolist()]


def _numbered(whose: Integers) -> Integers:
    """Users counted from 0 in the order in which they came first, known by 63 bits of their ids: a table of names would
    be the most of what is kept. Of a hundred million users two are one in one log of 1,800."""
    units = whose.copy()
    users = units >= 0
    _, first, unit = np.unique(units[users], return_index=True, return_inverse=True)
    units[users] = np.argsort(np.argsort(first))[unit]
    return units


def _view(kept: "array[Any]", kind: Any) -> npt.NDArray[Any]:
    return np.frombuffer(kept, kind) if len(kept) else np.zeros(0, kind)
