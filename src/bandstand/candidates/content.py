"""Likeness of words: items whose texts, categories and numbers resemble what the user touched."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Scores, Touch, best, highest
from bandstand.candidates.growing import grown
from bandstand.candidates.postings import Floats, Places, Postings, postings
from bandstand.events import ItemPut
from bandstand.features import named
from bandstand.native import native

# Read in this order, up to LONGEST_TEXT characters in all.
TEXTS = ("title", "text", "description")
LONGEST_TEXT = 20_000
LONGEST_WORD = 40
MOST_WORDS = 256
MOST_LABELS = 64
# What a category or a tag counts, where a word counts 1. On the shipped catalogue with `style` hidden, the ten
# nearest to an item have its style in 69 % of cases at 1, 74 % at 2, 78 % at 3 and at 4.
LABEL_WEIGHT = 3.0
# Magnitudes in each factor of e.
STEPS = 3
# The strongest words of a history, whose lists are read; and how many of the items in these are weighed by all their
# words for each that is proposed.
MOST_WORDS_HEARD = 48
WEIGHED_FOR_EACH = 2

_WORD = re.compile(r"[^\W_]{2,}")
_ENGLISH = """
an and any are as at be been but by can do for from had has have he her his how if in into is it its
just like made make makes may more most no nor not of off on only or our out over own perfect she so
some such than that the their them then there these they this those through to too up us very was we
were what when where which while who will with you your
"""
_STOP_WORDS = frozenset(_ENGLISH.split())


def terms(item: ItemPut) -> dict[str, float]:
    """The item's words, with sub-linear counts 1 + ln n, its labels (`category=shoes`, `tag=sale`), and of each number
    its magnitude (`price~11`), the same for numbers that differ by less than some 40 %."""
    texts = (item.features.get(name) for name in TEXTS)
    text = " ".join(value for value in texts if isinstance(value, str))[:LONGEST_TEXT].lower()
    words = Counter(word for word in _WORD.findall(text) if len(word) <= LONGEST_WORD)
    for word in _STOP_WORDS:
        del words[word]
    attributes = named(item.features)
    labels = [label for label in attributes if "=" in label] + [f"tag={tag}" for tag in item.tags]
    magnitudes = [f"{name}~{round(number * STEPS)}" for name, number in attributes.items() if "=" not in name]
    counted = {word: 1 + math.log(n) for word, n in words.most_common(MOST_WORDS)}
    return counted | dict.fromkeys(labels[:MOST_LABELS], LABEL_WEIGHT) | dict.fromkeys(magnitudes[:MOST_LABELS], 1.0)


class Vectors(NamedTuple):
    """Some sparse vectors end to end, of `lengths` entries each."""

    places: Places
    weights: Floats
    lengths: Places


class Content(msgspec.Struct):
    """TF-IDF vectors of unit length, one for each item, in compressed sparse rows.

    weight(term, item) ∝ count(term, item) · idf(term)
    idf(term) = ln((1 + items) / (1 + items with the term)) + 1

    (Salton and Buckley 1988, smoothed as in scikit-learn). Document d lies in `places` from `starts[d]` to
    `starts[d + 1]`, and `document[row]` is 1 + d, or 0 where the item has no words. An item that changes gets
    a new document at the end. Once a quarter as many items were put as the last fit saw, the next fit is made
    within that `put`: it leaves out the documents and words of no further use and weighs all others anew.

    It proposes the most similar of the items that stand in the lists of the history's MOST_WORDS_HEARD strongest words.
    Of the 50 nearest of all it so finds 99 % among the 2,465 items shipped and 95 % among the 10,000 of the benchmark.
    Among 100,000 of these, whose many categories are drawn each for itself, it finds 36 %, and others in the place of
    the rest, so that the 50 are on average 94 % as similar as the nearest.
    """

    name: ClassVar[str] = "content"

    words: list[str] = []
    vocabulary: dict[str, int] = {}
    idf: Floats = msgspec.field(default_factory=lambda: np.zeros(0, np.float32))
    document: Places = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    documents: int = 0
    starts: Places = msgspec.field(default_factory=lambda: np.zeros(1, np.int32))
    places: Places = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    counts: Floats = msgspec.field(default_factory=lambda: np.zeros(0, np.float32))
    weights: Floats = msgspec.field(default_factory=lambda: np.zeros(0, np.float32))
    postings: Postings = msgspec.field(default_factory=Postings)
    fitted: int = 0
    put_since: int = 0

    def put(self, row: int, item: ItemPut, at: float) -> None:
        self.removed(row)
        found = terms(item)
        if not found:
            return
        self._append(row, self._vocabulary_places(found), np.fromiter(found.values(), np.float32, len(found)))
        self.put_since += 1
        if 4 * self.put_since >= self.fitted:
            self._fit()

    def removed(self, row: int) -> None:
        if row < len(self.document) and self.document[row]:
            self.postings.drop(row, self._vectors(self.document[[row]] - 1).places)
            self.document[row] = 0

    def touched(self, touch: Touch) -> None:
        """Behaviour is of no matter here."""

    def propose(self, ask: Ask) -> Proposals:
        words, profile = self._profile(ask)
        strengths = profile[words]
        heard = highest(strengths, MOST_WORDS_HEARD)
        likely = self.postings.scores(words[heard], strengths[heard], len(ask.allowed))
        likely[ask.history] = 0
        rows = np.sort(best(likely, ask.allowed, WEIGHED_FOR_EACH * ask.limit))
        scores = self._likeness(rows, profile)
        first = best(scores, np.ones(len(rows), np.bool_), ask.limit)
        return Proposals(rows[first], scores[first])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the history that is most like each."""
        history, shares = self._heard(ask)
        if not len(history) or not len(rows):
            return np.full(len(rows), NOBODY)
        candidates, liked = self.document[rows] - 1, self.document[history] - 1
        nearest: Rows = history[self._nearest(candidates, liked, shares)]
        return nearest

    def shared_terms(self, a: int, b: int, most: int = 3) -> list[str]:
        """The words, not labels or numbers, that make the items in rows `a` and `b` most alike."""
        if max(a, b) >= len(self.document) or not (self.document[a] and self.document[b]):
            return []
        first, second = self._weighed(a), self._weighed(b)
        both = sorted(first.keys() & second.keys(), key=lambda place: (-first[place] * second[place], place))
        return list(islice(filter(str.isalpha, (self.words[place] for place in both)), most))

    def _weighed(self, row: int) -> dict[int, float]:
        """The words of the item in this row, and their weights."""
        start, end = self.starts[self.document[row] - 1 : self.document[row] + 1]
        return dict(zip(self.places[start:end].tolist(), self.weights[start:end].tolist(), strict=True))

    def _vectors(self, documents: Places) -> Vectors:
        index, lengths = _spans(self.starts, documents)
        return Vectors(self.places[index], self.weights[index], lengths)

    def _profile(self, ask: Ask) -> tuple[Rows, Floats]:
        """The words of the history, rising, and float32[words]: how strongly each word stands in it, by the shares."""
        history, shares = self._heard(ask)
        documents = self.document[history] - 1
        if native is not None:
            profile = np.zeros(len(self.words), np.float32)
            words = np.empty((self.starts[documents + 1] - self.starts[documents]).sum(), np.int64)
            found = native.profile(self.starts, self.places, self.weights, documents, shares, profile, words)
            return np.sort(words[:found]), profile
        liked = self._vectors(documents)
        weights = liked.weights * np.repeat(shares, liked.lengths)
        profile = np.bincount(liked.places, weights, minlength=len(self.words)).astype(np.float32)
        return np.flatnonzero(profile != 0), profile  # of truth values it is many times as fast as of numbers

    def _heard(self, ask: Ask) -> tuple[Rows, Floats]:
        """The rows of the history that have words, and their shares of it."""
        known = ask.history < len(self.document)
        known[known] = self.document[ask.history[known]] > 0
        weights = ask.weights[known]
        return ask.history[known], (weights / weights.sum()).astype(np.float32)

    def _likeness(self, rows: Rows, profile: Floats) -> Scores:
        """float64[rows]: how similar the item in each row is to the profile."""
        documents = self.document[rows] - 1
        if native is not None:
            likeness = np.empty(len(rows))
            native.alike(self.starts, self.places, self.weights, documents, profile, likeness)
            return likeness
        return _products(self._vectors(documents), profile)

    def _nearest(self, candidates: Places, liked: Places, shares: Floats) -> Rows:
        """For each candidate the number of the liked document with the largest inner product, times its share; of
        equal ones the first."""
        profile, nearest = np.zeros(len(self.words), np.float32), np.zeros(len(candidates), np.int64)
        if native is not None:
            native.nearest(self.starts, self.places, self.weights, candidates, liked, shares, profile, nearest)
            return nearest
        vectors = self._vectors(liked)
        vectors = vectors._replace(weights=vectors.weights * np.repeat(shares, vectors.lengths))
        for at in range(len(candidates)):
            profile[:] = 0
            candidate = self._vectors(candidates[[at]])
            profile[candidate.places] = candidate.weights
            nearest[at] = _products(vectors, profile).argmax()
        return nearest

    def _vocabulary_places(self, words: Iterable[str]) -> Places:
        """The places of these words; a new one is as rare as can be until the next fit."""
        known = len(self.words)
        for word in words:
            if self.vocabulary.setdefault(word, len(self.words)) == len(self.words):
                self.words.append(word)
        self.idf = grown(self.idf, len(self.words))
        self.idf[known : len(self.words)] = _idf(self.fitted, 0)
        return np.fromiter(map(self.vocabulary.__getitem__, words), np.int32)

    def _append(self, row: int, places: Places, counts: Floats) -> None:
        used = int(self.starts[self.documents])
        end = used + len(places)
        self.places, self.counts, self.weights = (
            grown(self.places, end),
            grown(self.counts, end),
            grown(self.weights, end),
        )
        self.places[used:end] = places
        self.counts[used:end] = counts
        weights = counts * self.idf[places]
        self.weights[used:end] = weights / np.sqrt(np.square(weights).sum())
        self.documents += 1
        self.starts = grown(self.starts, self.documents + 1)
        self.starts[self.documents] = end
        self.document = grown(self.document, row + 1)
        self.document[row] = self.documents
        self.postings.add(row, places, self.weights[used:end])

    def _fit(self) -> None:
        """Keep the documents in use and their words, and weigh them by how rare each word is now."""
        rows = np.flatnonzero(self.document)
        index, lengths = _spans(self.starts, self.document[rows] - 1)
        places, self.counts = self.places[index], self.counts[index]
        self.documents = self.fitted = len(rows)
        self.put_since = 0
        self.document[rows] = np.arange(1, len(rows) + 1)
        self.starts = np.concatenate((np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)))

        frequency = np.bincount(places, minlength=len(self.words))
        used = np.flatnonzero(frequency)
        self.words = [self.words[place] for place in used]
        self.vocabulary = {word: place for place, word in enumerate(self.words)}
        moved = np.zeros(len(frequency), np.int32)
        moved[used] = np.arange(len(used))
        self.places = moved[places]
        self.idf = _idf(self.fitted, frequency[used])

        weights = self.counts * self.idf[self.places]
        norms = np.sqrt(np.add.reduceat(np.square(weights), self.starts[:-1]))
        self.weights = weights / np.repeat(norms, lengths)
        self.postings = postings(rows, len(self.words), self.starts, self.places, self.weights)


def _idf(documents: int, frequency: npt.NDArray[np.int64] | int) -> Floats:
    return (np.log((1 + documents) / (1 + np.asarray(frequency))) + 1).astype(np.float32)


def _spans(starts: Places, documents: Places) -> tuple[npt.NDArray[np.int64], Places]:
    """Where the entries of these documents lie, end to end, and how many each has."""
    lengths = starts[documents + 1] - starts[documents]
    shift = starts[documents] - (np.cumsum(lengths) - lengths)
    return np.repeat(shift, lengths) + np.arange(lengths.sum()), lengths


def _products(vectors: Vectors, profile: Floats) -> Scores:
    """The inner product of each vector with the profile, summed in the order of its words."""
    which = np.repeat(np.arange(len(vectors.lengths)), vectors.lengths)
    products = profile[vectors.places] * vectors.weights
    return np.bincount(which, products, minlength=len(vectors.lengths)).astype(np.float64, copy=False)
