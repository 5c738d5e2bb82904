"""How good the lists are: what was wanted next, and how high each generator and each blend had put it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bandstand.accuracy.figures import Row, chosen, contenders, rows
from bandstand.accuracy.folds import across_folds
from bandstand.accuracy.lists import Found, Protocol
from bandstand.accuracy.past import Past
from bandstand.accuracy.settings import Setting, settings
from bandstand.accuracy.systems import System, compared
from bandstand.accuracy.walk import through_time
from bandstand.errors import InputError
from bandstand.store import EventLog

Progress = Callable[[int, int | None], None]

TRAIN: Final = 0.8
MOST_EVENTS: Final = 10_000
LARGEST_K: Final = 100
FEWEST_PEOPLE: Final = 2


class Accuracy(msgspec.Struct, frozen=True):
    """The answer to `question`, in `rows`, the best nDCG first.

    `lists` lists of `k` were judged, made for `people` out of `items` in the catalogue; `left_out` were not, by reason.
    `notes` say what was sampled and what was chosen, and what speaks against a figure.
    """

    question: str
    k: int
    alpha: float
    lists: int
    people: int
    items: int
    left_out: dict[str, int]
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    tried: tuple[Row, ...] = ()

    @property
    def interval(self) -> str:
        """What the intervals are."""
        return f"{100 * (1 - self.alpha):g} % intervals over people"


def accuracy(
    log: EventLog,
    *,
    strategies: Sequence[str] = (),
    generators: Sequence[str] = (),
    vary: Mapping[str, Sequence[Setting]] | None = None,
    k: int = 10,
    train: float = TRAIN,
    folds: int | None = None,
    most_events: int = MOST_EVENTS,
    alpha: float = 0.05,
    progress: Progress | None = None,
) -> Accuracy:
    """Judge generators (by default all) and the blends of strategies (by default those that the log defines).

    The log is gone through in order: the first part, `train`, is only read; then each thing that somebody liked for the
    first time must be ranked, among all that they had not touched, just before the model learns of it. With `folds`,
    each person's things are dealt into so many parts by chance, and each part is ranked from all the others. At most
    `most_events` lists are judged, evenly spread over those that could be.

    `vary` names settings of one strategy with the values to try. The best is chosen by nDCG on other lists than those
    it is then judged by: the first half of them, or the other folds.

    UnknownError for a name that is not known, InputError for a number out of range and where there is too little.
    """
    _check(k=k, train=train, folds=folds, most_events=most_events, alpha=alpha)
    past = Past.read(log)
    systems = compared(past, strategies=strategies, generators=generators)
    tried = settings(systems, vary) if vary else []
    _check_enough(past)
    ranked = [*systems, *tried]
    protocol = Protocol(k=k, train=train, most_events=most_events)
    if folds is None:
        found = through_time(log, past, ranked, protocol, choosing=bool(tried), progress=progress)
    else:
        found = across_folds(log, past, ranked, protocol, folds=folds, progress=progress)
    lists = found.lists
    if lists.people < FEWEST_PEOPLE or (tried and lists.judged_rows.all() and folds is None):
        raise InputError(
            f"ranking: {lists.count:,} lists for {lists.people:,} people can be judged; left out: "
            f"{_counts(found.left_out)}; people must be {FEWEST_PEOPLE} at least; put what was liked into the "
            "catalogue, or collect more"
        )
    return _answer(found, tried, k=k, alpha=alpha)


def _answer(found: Found, tried: Sequence[System], *, k: int, alpha: float) -> Accuracy:
    lists, notes = found.lists, list(found.notes)
    all_of_them = contenders(lists)
    compared = all_of_them[: len(all_of_them) - len(tried)]
    trials = all_of_them[len(compared) :]
    if trials:
        best, why = chosen(lists, trials)
        compared.append(best)
        notes.append(why)
    return Accuracy(
        question=found.question,
        k=k,
        alpha=alpha,
        lists=int(lists.judged_rows.sum()),
        people=lists.people,
        items=lists.items,
        left_out=dict(found.left_out),
        notes=tuple(notes),
        rows=tuple(rows(lists, compared, alpha=alpha)),
        tried=tuple(rows(lists, trials, alpha=alpha)) if trials else (),
    )


def _check(*, k: int, train: float, folds: int | None, most_events: int, alpha: float) -> None:
    if not 1 <= k <= LARGEST_K:
        raise InputError(f"k == {k}, must be from 1 to {LARGEST_K}; a slate holds no more", field="k")
    if not 0 < train < 1:
        raise InputError(f"train == {train:g}, must lie between 0 and 1; 0.8 leaves the last fifth to judge by")
    if folds is not None and not 2 <= folds <= 20:
        raise InputError(f"folds == {folds}, must be from 2 to 20; 5 is usual", field="folds")
    if most_events < 2:
        raise InputError(f"most_events == {most_events}, must be at least 2; 10,000 are usual", field="most_events")
    if not 0 < alpha < 1:
        raise InputError(f"alpha == {alpha:g}, must lie between 0 and 1; 0.05 gives 95 % intervals", field="alpha")


def _check_enough(past: Past) -> None:
    if not len(past.likes):
        raise InputError(
            "ranking: the log holds no interaction or reward above 0 of any user or session, must hold some; "
            "`bandstand import` reads them from files"
        )
    if past.people < FEWEST_PEOPLE:
        raise InputError(
            f"ranking: all {len(past.likes):,} likes are by one person, must be by {FEWEST_PEOPLE} at least, for the "
            "interval is over people; check the column of users"
        )


def _counts(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "none"
