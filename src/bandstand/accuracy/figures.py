"""From lists to figures: one row for each system, with intervals over people, and a choice among settings."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.accuracy.lists import Lists
from bandstand.accuracy.systems import Kind, System
from bandstand.candidates import Mask, Rows
from bandstand.stats import ranking
from bandstand.stats.bootstrap import means
from bandstand.stats.ranking import Judged

Floats = npt.NDArray[np.float64]

REPLICATES: Final = 1000
SEED: Final = 0
CHOSEN_BY: Final = "ndcg"
METRICS: Final[dict[str, Callable[[Judged, int], Floats]]] = {
    "ndcg": ranking.ndcg,
    "hit_rate": ranking.hit_rate,
    "precision": ranking.precision,
    "recall": ranking.recall,
    "map": ranking.average_precision,
    "mrr": ranking.reciprocal_rank,
}


class Figure(msgspec.Struct, frozen=True):
    """A mean over lists, and its interval over people."""

    value: float
    low: float
    high: float


class Row(msgspec.Struct, frozen=True):
    """What one system's lists found, and what they are like.

    `behind` is how far its nDCG is below that of the best of the comparison, None for the best itself; `silent` the
    part of the lists that hold nothing. `coverage` and `gini` are of the catalogue; `novelty` is in bits; `popularity`
    is the mean number of likes that the listed items had; `diversity` is None where nothing is known of the items.
    """

    name: str
    kind: Kind
    settings: str
    metrics: dict[str, Figure]
    behind: Figure | None
    silent: float
    coverage: float | None
    novelty: float | None
    diversity: float | None
    popularity: float | None
    gini: float | None


class Contender(NamedTuple):
    """A system by the number of its lists: one and the same for all questions, or one that was chosen for each part."""

    system: System
    which: Rows


def contenders(lists: Lists) -> list[Contender]:
    return [Contender(system, np.full(lists.count, at)) for at, system in enumerate(lists.systems)]


def chosen(lists: Lists, tried: Sequence[Contender]) -> tuple[Contender, str]:
    """For each part the setting that did best on others, and what to say of it.

    Where parts are in order of time, the first is what all is chosen by; otherwise each part by all others.
    """
    scores = np.column_stack([ranking.ndcg(_judged(lists, one.which), lists.k) for one in tried])
    which, names = np.zeros(lists.count, np.int64), list[str]()
    for part in np.unique(lists.part[lists.judged_rows]).tolist():
        others = ~lists.judged_rows if lists.report_from else lists.part != part
        best = tried[int(scores[others].mean(axis=0).argmax())]
        which[lists.part == part] = best.which[lists.part == part]
        names.append(best.system.changed)
    different = list(dict.fromkeys(names))
    system = tried[0].system._replace(changed="chosen: " + " or ".join(different))
    by = "the first half of the lists, and judged by the second" if lists.report_from else "the other parts"
    said = f"{len(tried)} settings of {system.name!r} were tried; {' or '.join(different)} was chosen by {by}"
    return Contender(system, which), said


def rows(lists: Lists, compared: Sequence[Contender], *, alpha: float) -> list[Row]:
    """A row for each, the best nDCG first; equal ones in the order given."""
    reported = lists.judged_rows
    columns, undefined = _columns(lists, compared, reported)
    replicates = means(lists.who[reported], columns, seed=SEED, replicates=REPLICATES)
    values = columns.mean(axis=0).reshape(len(compared), -1)
    drawn = replicates.reshape(len(replicates), len(compared), -1)
    best = int(values[:, 0].argmax())
    made = []
    for at, one in enumerate(compared):
        names = [name for name in (*METRICS, "auc") if not (name == "auc" and undefined)]
        figures = {name: _figure(values[at, column], drawn[:, at, column], alpha) for column, name in enumerate(names)}
        gap = _figure(values[best, 0] - values[at, 0], drawn[:, best, 0] - drawn[:, at, 0], alpha)
        made.append(_row(lists, one, reported, figures, None if at == best else gap))
    return sorted(made, key=lambda row: -row.metrics[CHOSEN_BY].value)


def _columns(lists: Lists, compared: Sequence[Contender], reported: Mask) -> tuple[Floats, bool]:
    """A column for each system and metric; and whether the AUC is undefined, for a catalogue of nothing else."""
    parts: list[Floats] = []
    for one in compared:
        judged = _judged(lists, one.which)
        parts += [metric(judged, lists.k) for metric in METRICS.values()]
        parts.append(ranking.auc(judged, lists.candidates))
    table = np.column_stack(parts)[reported]
    undefined = bool(np.isnan(table).any())
    return np.nan_to_num(table), undefined


def _judged(lists: Lists, which: Rows) -> Judged:
    return Judged(lists.hits(which), lists.relevant, lists.lengths(which))


def _figure(value: float, drawn: Floats, alpha: float) -> Figure:
    low, high = np.nanquantile(drawn, [alpha / 2, 1 - alpha / 2]).tolist()
    return Figure(float(value), low, high)


def _row(lists: Lists, one: Contender, reported: Mask, figures: dict[str, Figure], behind: Figure | None) -> Row:
    shown = lists.top(one.which)[reported]
    shares = ranking.shares(shown, lists.items)
    return Row(
        name=one.system.name,
        kind=one.system.kind,
        settings=one.system.changed,
        metrics=figures,
        behind=behind,
        silent=float((lists.lengths(one.which)[reported] == 0).mean()),
        coverage=_known(ranking.coverage(shares)),
        novelty=_mean(ranking.novelty(shown, lists.known.touches)),
        diversity=_mean(ranking.diversity(shown, lists.known.labels)),
        popularity=_mean(ranking.popularity(shown, lists.known.touches)),
        gini=_known(ranking.gini(shares)),
    )


def _mean(values: Floats) -> float | None:
    """Over the lists that have one."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
