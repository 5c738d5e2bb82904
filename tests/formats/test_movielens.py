"""The layouts of MovieLens, in tiny files of our own: the data sets may not be passed on."""

import re
import zipfile
from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.events import Entry, Interacted, ItemPut, UserPut
from bandstand.formats.transfer import Imported, import_
from bandstand.model import Model, fold
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
FLAGS = "0|0|0|1|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0"  # Animation and Comedy, the fourth and the sixth of u.genre


def imported(log: MemoryLog, path: Path, **options: object) -> Imported:
    return import_(log, "movielens", [path], now=NOON, **options)


def everything(log: MemoryLog) -> list[Entry]:
    return log.read(limit=1000)


def facts(log: MemoryLog, kind: type) -> list:
    return [entry.fact for entry in everything(log) if isinstance(entry.fact, kind)]


def hundred_thousand(folder: Path, *ratings: str) -> Path:
    (folder / "u.data").write_text("\n".join(ratings or ("1\t7\t5\t300", "2\t7\t2\t100", "1\t8\t3\t200")))
    films = f"7|Toy Story (1995)|01-Jan-1996||http://x|{FLAGS}\n8|Léon: Männer|02-Feb-1994|||{FLAGS[::-1]}\n"
    (folder / "u.item").write_bytes(films.encode("latin-1"))
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n")
    return folder


def test_ratings_are_interactions_in_the_order_of_their_times(tmp_path: Path) -> None:
    log = MemoryLog()
    assert imported(log, hundred_thousand(tmp_path)).refused.count == 0
    ratings = [
        (e.at, e.fact.user, e.fact.item, e.fact.value) for e in everything(log) if isinstance(e.fact, Interacted)
    ]
    assert ratings == [(100.0, "2", "7", 2.0), (200.0, "1", "8", 3.0), (300.0, "1", "7", 5.0)]
    assert {(fact.name, fact.time == at) for fact, at in ((e.fact, e.at) for e in everything(log)[4:])} == {
        ("rating", True)
    }


def test_films_have_title_year_and_genres_and_people_no_address(tmp_path: Path) -> None:
    log = MemoryLog()
    imported(log, hundred_thousand(tmp_path))
    assert facts(log, ItemPut) == [
        ItemPut("7", {"year": 1995.0, "title": "Toy Story", "genres": ["Animation", "Comedy"]}),
        # The flags of the first film read backwards: the fourteenth and the sixteenth.
        ItemPut("8", {"year": 1994.0, "title": "Léon: Männer", "genres": ["Mystery", "Sci-Fi"]}),
    ]
    assert facts(log, UserPut)[0] == UserPut("1", {"age": 24.0, "gender": "M", "occupation": "technician"})


def test_second_import_adds_nothing(tmp_path: Path) -> None:
    log = MemoryLog()
    imported(log, hundred_thousand(tmp_path))
    before = log.head()
    again = imported(log, tmp_path)
    assert (again.stored, again.duplicates, log.head()) == (0, 3, before)


def test_low_ratings_are_no_likes_where_it_is_said_what_is_one(tmp_path: Path) -> None:
    log = MemoryLog()
    imported(log, hundred_thousand(tmp_path), likes_from=4.0)
    assert sorted(fact.value for fact in facts(log, Interacted)) == [-2.0, -1.0, 5.0]
    state = fold(Model(learning=False), everything(log)).state
    assert {who: len(past.rows) for who, past in state.histories.items()} == {"u:1": 1}


def million(folder: Path) -> Path:
    (folder / "ratings.dat").write_text("1::7::5::300\n2::8::4::100\n")
    (folder / "movies.dat").write_bytes(
        "7::Toy Story (1995)::Animation|Comedy\n8::Café (1990)::Drama\n".encode("latin-1")
    )
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    return folder


def latest(folder: Path) -> Path:
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,7,4.5,300\n2,8,0.5,100\n")
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n7,"American President, The (1995)",Comedy|Drama\n8,Café,(no genres listed)\n', "utf-8"
    )
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,7,Politics,9\n2,7,president,9\n1,7,politics,9\n")
    return folder


def test_layout_with_double_colons_is_read(tmp_path: Path) -> None:
    log = MemoryLog()
    assert imported(log, million(tmp_path)).refused.count == 0
    assert facts(log, ItemPut)[1] == ItemPut("8", {"title": "Café", "year": 1990.0, "genres": ["Drama"]})
    assert facts(log, UserPut)[0] == UserPut("1", {"age": 1.0, "gender": "F", "occupation": "10"})
    assert [fact.user for fact in facts(log, Interacted)] == ["2", "1"]


def test_layout_of_today_is_read_with_the_words_that_most_people_gave(tmp_path: Path) -> None:
    log = MemoryLog()
    assert imported(log, latest(tmp_path)).refused.count == 0
    first, second = facts(log, ItemPut)
    assert first.features == {
        "title": "American President, The",
        "year": 1995.0,
        "genres": ["Comedy", "Drama"],
        "keywords": ["politics", "president"],
    }
    assert second.features == {"title": "Café"}
    assert [fact.value for fact in facts(log, Interacted)] == [0.5, 4.5]


@pytest.mark.parametrize("layout", [hundred_thousand, million, latest])
def test_zip_says_what_its_folder_says(tmp_path: Path, layout: object) -> None:
    folder = tmp_path / "ml"
    folder.mkdir()
    layout(folder)
    with zipfile.ZipFile(tmp_path / "ml.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"ml/{file.name}")
    one, other = MemoryLog(), MemoryLog()
    imported(one, folder)
    imported(other, tmp_path / "ml.zip")
    assert everything(one) == everything(other)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1\t7\t5", "it must hold user, film, rating and time"),
        ("1\t7\tmany\t100", "rating is 'many', must be a finite number"),
        ("1\t7\tnan\t100", "rating is 'nan', must be a finite number"),
        ("1\t7\t5\tyesterday", "time is 'yesterday', must be seconds since the epoch or a date"),
        ("1\t7\t5\t1999999999", "time is 1999999999, which is in the future"),
        ("\t7\t5\t100", "user '' must have from 1 to 256 characters"),
        ("1\t" + "x" * 300 + "\t5\t100", "item 'x+' must have from 1 to 256 characters"),
    ],
)
def test_bad_line_is_left_out_and_says_why(tmp_path: Path, line: str, words: str) -> None:
    log = MemoryLog()
    report = imported(log, hundred_thousand(tmp_path, "2\t8\t4\t50", line))
    (only,) = report.refused.first
    assert (only.line, Path(only.file).name) == (2, "u.data")
    assert re.search(words, only.reason), only.reason
    assert len(facts(log, Interacted)) == 1


def test_film_that_cannot_be_read_is_left_out_and_put_bare_when_it_is_rated(tmp_path: Path) -> None:
    folder = hundred_thousand(tmp_path)
    (folder / "u.item").write_text("7|Toy Story (1995)|01-Jan-1996\n")
    log = MemoryLog()
    assert imported(log, folder).refused.first[0].reason == "it must hold a film, its title and its genres"
    assert ItemPut("7") in facts(log, ItemPut)


def test_zip_whose_checksum_does_not_hold_says_so(tmp_path: Path) -> None:
    folder = hundred_thousand(tmp_path)
    with zipfile.ZipFile(tmp_path / "ml.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in ("u.item", "u.data"):
            archive.write(folder / name, name)
    body = (tmp_path / "ml.zip").read_bytes()
    (tmp_path / "ml.zip").write_bytes(body.replace(b"1\t7\t5\t300", b"1\t7\t4\t300"))
    (only,) = imported(MemoryLog(), tmp_path / "ml.zip").refused.first
    assert only.reason.startswith("the file is damaged from here on (Bad CRC-32")


def test_place_that_holds_no_layout_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "some.zip").write_bytes(b"no zip")
    for path in (tmp_path, tmp_path / "some.zip", tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"movielens '.*': (holds neither u.data|must be a folder or a zip)"):
            imported(MemoryLog(), path)


def test_nobody_may_name_columns_of_films(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="columns: format 'movielens' takes none; these do: csv, parquet, aws-personalize, recbole"
    ):
        imported(MemoryLog(), hundred_thousand(tmp_path), columns={"user": "x"})
