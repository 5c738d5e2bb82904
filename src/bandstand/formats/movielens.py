"""MovieLens: ratings of films, in the three layouts that GroupLens has published, as a folder or its zip.

F. M. Harper, J. A. Konstan (2015), "The MovieLens datasets: history and context", ACM TiiS 5(4). The files may not be
passed on; whoever wants them takes them from GroupLens.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

from bandstand.errors import InputError
from bandstand.events import Feature, ItemPut, UserPut
from bandstand.formats import Format, Read, Refused, Target
from bandstand.formats.columns import checked, did, number, seconds, tidy
from bandstand.formats.lines import numbered
from bandstand.formats.timeline import Described, Happened, timeline

# The last 19 columns of u.item, in the order of u.genre; the first means that none is known.
GENRES = (
    *("", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
MOST_KEYWORDS = 10
_TITLE = re.compile(r"(.*?)\s*\((\d{4})\)\s*")
_NO_GENRE = "(no genres listed)"

Row = tuple[int, list[str]]


class Layout(NamedTuple):
    """The names of one layout's files (None where it has none), how their lines are written, and who reads them."""

    ratings: str
    films: str
    people: str | None
    tags: str | None
    encoding: str
    separator: str
    film: Callable[[list[str]], tuple[str, dict[str, Feature | None]]]


def read(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What the ratings say, in the order of their times, after the films and the people. InputError where the place
    holds none of the layouts."""
    with ExitStack() as opened:
        place = _place(path, opened)
        layout = _layout(path, place)
        yield from timeline(target, _described(place, layout, refused), _ratings(place, layout, target, refused))


FORMAT = Format(
    "movielens",
    "a folder or zip of MovieLens: u.data and u.item, or ratings.dat, or ratings.csv",
    read,
    takes=frozenset({"likes_from"}),
)


class Place(NamedTuple):
    """Files by their names, and how to read the lines of one."""

    names: dict[str, Path]
    lines: Callable[[str, Refused], Iterator[tuple[int, bytes]]]


def _place(path: Path, opened: ExitStack) -> Place:
    if path.is_dir():
        files = {file.name: file for file in sorted(path.iterdir())}

        def from_folder(name: str, refused: Refused) -> Iterator[tuple[int, bytes]]:
            with files[name].open("rb") as file:
                yield from numbered(file, files[name], refused)

        return Place(files, from_folder)
    try:
        archive = opened.enter_context(ZipFile(path))
    except (BadZipFile, OSError) as error:
        raise InputError(
            f"movielens '{path}': must be a folder or a zip ({error}); take it from GroupLens anew", field="path"
        ) from error
    members = {PurePosixPath(name).name: name for name in archive.namelist()}

    def from_archive(name: str, refused: Refused) -> Iterator[tuple[int, bytes]]:
        with archive.open(members[name]) as file:
            yield from numbered(file, path / name, refused)

    return Place({name: path / name for name in members}, from_archive)


def _layout(path: Path, place: Place) -> Layout:
    for layout in (_100K, _1M, _10M, _LATEST):
        needed = [layout.ratings, layout.films, *(["users.dat"] if layout is _1M else [])]
        if all(name in place.names for name in needed):
            return layout
    raise InputError(
        f"movielens '{path}': holds neither u.data and u.item, nor ratings.dat and movies.dat, nor ratings.csv and "
        "movies.csv; name the folder or the zip that does",
        field="path",
    )


def _rows(place: Place, name: str, layout: Layout, refused: Refused) -> Iterator[Row]:
    """The cells of each line; the header of a CSV file is left out."""
    separator = _RATINGS_SEPARATOR if name == _100K.ratings else layout.separator
    for line, body in place.lines(name, refused):
        try:
            text = body.decode(layout.encoding)
            cells = next(csv.reader([text], strict=True)) if separator == "," else text.split(separator)
        except (UnicodeDecodeError, csv.Error) as error:
            refused.add(place.names[name], line, str(error))
            continue
        if line > 1 or separator != ",":
            yield line, cells


def _ratings(place: Place, layout: Layout, target: Target, refused: Refused) -> Iterator[Happened]:
    for line, cells in _rows(place, layout.ratings, layout, refused):
        try:
            user, film, rating, time = cells
            yield did(
                target,
                line,
                user=checked(user, "user"),
                item=checked(film, "item"),
                name="rating",
                value=number(rating, "rating"),
                time=seconds(time, now=target.now),
            )
        except ValueError as error:
            refused.add(place.names[layout.ratings], line, _said(error, "user, film, rating and time"))


def _described(place: Place, layout: Layout, refused: Refused) -> Iterator[Described]:
    keywords = _keywords(place, layout, refused)
    for line, cells in _rows(place, layout.films, layout, refused):
        try:
            film, features = layout.film(cells)
            fact = ItemPut(checked(film, "item"), tidy(features | {"keywords": keywords.get(film)}))
        except (ValueError, IndexError) as error:
            refused.add(place.names[layout.films], line, _said(error, "a film, its title and its genres"))
        else:
            yield Described(line, fact)
    if layout.people is not None and layout.people in place.names:
        yield from _people(place, layout, layout.people, refused)


def _people(place: Place, layout: Layout, name: str, refused: Refused) -> Iterator[Described]:
    """Age, gender and occupation; where they live is left out."""
    for line, cells in _rows(place, name, layout, refused):
        try:
            user, *about = cells
            age, gender, occupation = about[:3] if layout is _100K else (about[1], about[0], about[2])
            features = tidy({"age": number(age, "age"), "gender": gender, "occupation": occupation})
            yield Described(line, UserPut(checked(user, "user"), features))
        except (ValueError, IndexError) as error:
            refused.add(place.names[name], line, _said(error, "a user, age, gender and occupation"))


def _keywords(place: Place, layout: Layout, refused: Refused) -> dict[str, list[str | float]]:
    """The words that most people gave to each film; of equal ones the first in the alphabet."""
    given: defaultdict[str, Counter[str]] = defaultdict(Counter)
    if layout.tags is not None and layout.tags in place.names:
        for line, cells in _rows(place, layout.tags, layout, refused):
            if len(cells) != 4:
                refused.add(place.names[layout.tags], line, _said(None, "user, film, tag and time"))
            else:
                given[cells[1]][cells[2].strip().lower()] += 1
    return {
        film: [word for word, _ in sorted(words.items(), key=lambda one: (-one[1], one[0]))[:MOST_KEYWORDS]]
        for film, words in given.items()
    }


def _film_100k(cells: list[str]) -> tuple[str, dict[str, Feature | None]]:
    film, title, released = cells[:3]
    flags = cells[-len(GENRES) :]
    genres: list[str | float] = [name for name, flag in zip(GENRES, flags, strict=True) if flag == "1" and name]
    return film, ({"year": float(released[-4:])} if released else {}) | _titled(title) | {"genres": genres}


def _film(cells: list[str]) -> tuple[str, dict[str, Feature | None]]:
    film, title, genres = cells
    named: list[str | float] = [name for name in genres.split("|") if name and name != _NO_GENRE]
    return film, _titled(title) | {"genres": named}


def _titled(title: str) -> dict[str, Feature | None]:
    """The title, and the year that stands behind it."""
    found = _TITLE.fullmatch(title)
    return {"title": title.strip()} if found is None else {"title": found[1], "year": float(found[2])}


def _said(error: Exception | None, wanted: str) -> str:
    """What is wrong with a line: Python's words for a wrong number of cells are of no use to people."""
    text = str(error)
    wrong = error is None or "unpack" in text or "index" in text or "zip()" in text
    return f"it must hold {wanted}" if wrong else text


_RATINGS_SEPARATOR = "\t"
_100K = Layout("u.data", "u.item", "u.user", None, "latin-1", "|", _film_100k)
_1M = Layout("ratings.dat", "movies.dat", "users.dat", None, "latin-1", "::", _film)
_10M = Layout("ratings.dat", "movies.dat", None, "tags.dat", "utf-8", "::", _film)
_LATEST = Layout("ratings.csv", "movies.csv", None, "tags.csv", "utf-8", ",", _film)
