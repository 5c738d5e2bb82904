"""How well the collaborative generators rank, on ratings that you supply: `python -m benchmarks.accuracy u.data`.

Two protocols. *Folds*: five-fold cross-validation over ratings, every rating a like, all items that the user has not
rated in training ranked, measures at 10 averaged over users with something to find: the protocol of gorse's only
published table (its README of 2019-12-20, commit ed1c1a44, MovieLens-100K). *Replay*: the last ratings in the order of
time, each to be found by what its user did before it, the models made anew every so often: what a server meets.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import rich_click as click
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, Fitted, Proposals, Touch
from bandstand.candidates.als import Als
from bandstand.candidates.collaborative import Collaborative
from bandstand.candidates.ease import Ease
from bandstand.candidates.items import Items
from bandstand.candidates.svd import Svd
from bandstand.candidates.users import Users
from bandstand.history import HISTORY_HALF_LIFE, LONGEST_HISTORY

FITTED: tuple[type[Fitted], ...] = (Ease, Als, Svd, Users, Items)
AT = 10
FOLDS = 5
_DISCOUNT = 1 / np.log2(np.arange(2, AT + 2))
# nDCG, precision, recall, reciprocal rank at 10, in gorse's table.
_GORSE = {
    "gorse ItemPop": (0.21785, 0.19081, 0.11584, 0.40991),
    "gorse KNN": (0.34746, 0.28584, 0.19328, 0.57766),
    "gorse BPR": (0.37643, 0.32083, 0.20906, 0.59818),
    "gorse WRMF": (0.41614, 0.34727, 0.23665, 0.65439),
}

Ints = npt.NDArray[np.int64]


class Proposes(Protocol):
    def propose(self, ask: Ask) -> Proposals: ...


class Ratings(NamedTuple):
    """In the order of time; people and items numbered from 0."""

    people: Ints
    items: Ints
    at: Ints

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.people.max()) + 1, int(self.items.max()) + 1


class Popularity:
    """What most people like, for everyone: the floor."""

    def __init__(self, likes: csr_array) -> None:
        self.counts = np.bincount(likes.indices, minlength=likes.shape[1]).astype(np.float64)

    def propose(self, ask: Ask) -> Proposals:
        rows = np.argsort(-np.where(ask.allowed, self.counts, 0), kind="stable")[: ask.limit]
        return Proposals(rows, self.counts[rows])


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--last", default=10_000, show_default=True, help="Ratings to find in the replay.")
@click.option("--every", default=2_000, show_default=True, help="Ratings from one fit to the next in the replay.")
def main(path: Path, last: int, every: int) -> None:
    """Rank the ratings at PATH: rows of user, item, rating and time, separated by tabs, or a folder with a u.data."""
    ratings = read(path / "u.data" if path.is_dir() else path)
    click.echo(f"{len(ratings.at):,} ratings by {ratings.shape[0]:,} people of {ratings.shape[1]:,} items\n")
    click.echo(f"{'folds':24} {'nDCG@10':>9} {'P@10':>9} {'R@10':>9} {'MRR@10':>9}")
    for name, figures in (*_GORSE.items(), *folds(ratings)):
        click.echo(f"{name:24} " + " ".join(f"{figure:9.4f}" for figure in figures))
    click.echo(f"\n{'replay, live history':24} {'nDCG@10':>9} {'HR@10':>9}")
    for name, figures in replay(ratings, last=last, every=every):
        click.echo(f"{name:24} " + " ".join(f"{figure:9.4f}" for figure in figures))


def read(path: Path) -> Ratings:
    people, items, _, at = np.loadtxt(path, np.int64, delimiter="\t").T
    order = np.argsort(at, kind="stable")
    people, items = (np.unique(column, return_inverse=True)[1] for column in (people, items))
    return Ratings(people[order], items[order], at[order])


def folds(ratings: Ratings) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """Each generator's measures, averaged over the folds."""
    fold = np.random.default_rng(0).permutation(len(ratings.at)) % FOLDS
    kinds: dict[str, Callable[[Ratings], Proposes]] = {"popularity": lambda train: Popularity(_likes(train, ratings))}
    for kind in FITTED:
        kinds[kind.name] = lambda train, kind=kind: _fit(kind, _likes(train, ratings))
    kinds["collaborative, live"] = lambda train: _fed(train)
    for name, make in kinds.items():
        figures = []
        for held in range(FOLDS):
            train = Ratings(*(column[fold != held] for column in ratings))
            found = Ratings(*(column[fold == held] for column in ratings))
            figures.append(_measured(make(train), _likes(train, ratings), _likes(found, ratings)))
        yield name, np.mean(figures, axis=0)


def _measured(model: Proposes, train: csr_array, held: csr_array) -> npt.NDArray[np.float64]:
    """nDCG, precision, recall and reciprocal rank at AT, averaged over people of whom something was held out."""
    ideals = np.cumsum(_DISCOUNT)
    measures = []
    for person in np.flatnonzero(np.diff(held.indptr)).tolist():
        history = train.indices[train.indptr[person] : train.indptr[person + 1]].astype(np.int64)
        wanted = held.indices[held.indptr[person] : held.indptr[person + 1]]
        rows = model.propose(_ask(history, np.ones(len(history)), history, train.shape[1])).rows
        hits = np.zeros(AT)
        hits[: len(rows)] = np.isin(rows, wanted)
        first = 1 / (1 + hits.argmax()) if hits.any() else 0.0
        ideal = ideals[min(len(wanted), AT) - 1]
        measures.append((hits @ _DISCOUNT / ideal, hits.mean(), hits.sum() / len(wanted), first))
    return np.mean(measures, axis=0)


def replay(ratings: Ratings, *, last: int, every: int) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """nDCG and hit rate at AT over the last ratings, each generator asked with what its user did until then."""
    start = len(ratings.at) - last
    for kind in FITTED:
        yield kind.name, _replayed(ratings, start, every, lambda likes, kind=kind: _fit(kind, likes))
    yield "popularity", _replayed(ratings, start, every, Popularity)
    yield "ease, no decay", _replayed(ratings, start, every, lambda likes: _fit(Ease, likes), half_life=np.inf)
    yield "ease, frozen lists", _frozen(ratings, start)
    yield "collaborative, live", _counted(ratings, start)


def _replayed(
    ratings: Ratings,
    start: int,
    every: int,
    make: Callable[[csr_array], Proposes],
    *,
    half_life: float = HISTORY_HALF_LIFE,
) -> npt.NDArray[np.float64]:
    found = []
    for at, history, seen in _told(ratings, start):
        if (at - start) % every == 0:
            model = make(_likes(Ratings(*(column[:at] for column in ratings)), ratings))
        found.append(_place(model, history, seen, int(ratings.items[at]), ratings.shape[1], half_life))
    return np.mean(found, axis=0)


def _frozen(ratings: Ratings, start: int) -> npt.NDArray[np.float64]:
    """Lists made once, from what everybody had done by then; newcomers get what is popular."""
    likes = _likes(Ratings(*(column[:start] for column in ratings)), ratings)
    model, floor, before = _fit(Ease, likes), Popularity(likes), {}
    found = []
    for at, history, seen in _told(ratings, start):
        then = before.setdefault(int(ratings.people[at]), (history, seen))
        found.append(
            _place(model if then[0] else floor, *then, int(ratings.items[at]), ratings.shape[1], HISTORY_HALF_LIFE)
        )
    return np.mean(found, axis=0)


def _counted(ratings: Ratings, start: int) -> npt.NDArray[np.float64]:
    model, found = Collaborative(), []
    for at, history, seen in _told(ratings, 0):
        row = int(ratings.items[at])
        if at >= start:
            found.append(_place(model, history, seen, row, ratings.shape[1], HISTORY_HALF_LIFE))
        model.touched(Touch(row, float(ratings.at[at]), tuple(history)))
    return np.mean(found, axis=0)


def _told(ratings: Ratings, start: int) -> Iterator[tuple[int, list[int], list[int]]]:
    """From `start` on: each rating's place, the latest of what its user had done, newest first, and all of it."""
    done: dict[int, list[int]] = {}
    for at, (person, item) in enumerate(zip(ratings.people.tolist(), ratings.items.tolist(), strict=True)):
        seen = done.setdefault(person, [])
        if at >= start:
            yield at, seen[: -LONGEST_HISTORY - 1 : -1], list(seen)
        seen.append(item)


def _place(
    model: Proposes, history: list[int], seen: list[int], wanted: int, rows: int, half_life: float
) -> tuple[float, float]:
    weights = 0.5 ** (np.arange(len(history)) / half_life)
    found = model.propose(_ask(np.array(history, np.int64), weights, np.array(seen, np.int64), rows)).rows == wanted
    return (float(_DISCOUNT[found.argmax()]), 1.0) if found.any() else (0.0, 0.0)


def _ask(history: Ints, weights: npt.NDArray[np.float64], seen: Ints, rows: int) -> Ask:
    allowed = np.ones(rows, np.bool_)
    allowed[seen] = False
    return Ask("accuracy", 0.0, history, weights, allowed, AT)


def _likes(some: Ratings, of: Ratings) -> csr_array:
    return csr_array((np.ones(len(some.at), np.float32), (some.people, some.items)), shape=of.shape)


def _fit(kind: type[Fitted], likes: csr_array) -> Proposes:
    model = kind.fit(Evidence(likes, np.zeros((likes.shape[1], 64), np.float32)))
    if model is None:
        raise click.ClickException(f"{kind.name}: these ratings are nothing to go by")
    return model


def _fed(train: Ratings) -> Collaborative:
    """The generator that counts live, told of everything touch by touch."""
    model = Collaborative()
    for at, history, _ in _told(train, 0):
        model.touched(Touch(int(train.items[at]), float(train.at[at]), tuple(history)))
    return model


if __name__ == "__main__":
    main()
