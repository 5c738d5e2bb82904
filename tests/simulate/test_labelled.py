"""A labelled table as a world: rows become visits, labels items, and a hit a click."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.simulate.grounds import grounds
from bandstand.simulate.labelled import ground, read, table
from bandstand.simulate.nature import Labelled, Nature
from bandstand.simulate.scenario import parse
from bandstand.simulate.world import World

PENGUINS = Path(__file__).parents[2] / "simulations" / "data" / "penguins.csv"
SPECIES = {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}  # Horst, Hill and Gorman (2020), table 1


def world(noise: float = 0.0, *, seed: int = 1) -> World:
    fields = {"requests": 10, "world": {"labelled": {"csv": PENGUINS.name, "label": "species", "noise": noise}}}
    return grounds(parse(fields, name="s", folder=PENGUINS.parent)).world(seed)


def test_every_row_comes_once_a_turn_and_its_label_alone_is_right() -> None:
    penguins = world()
    seen = [penguins.visit(number, time=0.0) for number in range(344 * 2)]
    right = [penguins.ideal(visit, 1)[0] for visit in seen]
    assert Counter(right[:344]) == Counter(right[344:]) == SPECIES
    assert right[:344] != right[344:]  # the next turn has an order of its own
    for visit, label in zip(seen[:50], right, strict=False):
        assert penguins.best(visit, 1) == 1.0
        assert penguins.by_chance(visit, 1) == pytest.approx(1 / 3)
        assert penguins.clicks(visit, sorted(SPECIES)) == [sorted(SPECIES).index(label)]
    assert [world(seed=2).visit(number, time=0.0).context for number in range(9)] != [v.context for v in seen[:9]]


def test_noise_is_how_often_an_answer_is_judged_wrongly() -> None:
    penguins = world(0.2)
    wrong = []
    for number in range(1000):
        visit = penguins.visit(number, time=0.0)
        label = penguins.ideal(visit, 1)[0]
        wrong += [
            (at in penguins.clicks(visit, sorted(SPECIES))) != (one == label) for at, one in enumerate(sorted(SPECIES))
        ]
    assert np.mean(wrong) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 3000))


def test_arrays_do_as_well_as_a_file() -> None:
    x = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    found = table({"a": x[:, 0], "b": x[:, 1]}, np.array([0, 0, 1, 1]), parts=2)
    assert found.contexts[0] == {"a": "part 1 of 2", "b": "part 1 of 2"}
    assert found.contexts[3] == {"a": "part 2 of 2", "b": "part 2 of 2"}
    from_arrays = World(
        found.items(), Nature(), seed=1, ground=lambda items, chance: ground(found, items, chance, noise=0.0)
    )
    assert {from_arrays.ideal(from_arrays.visit(n, time=0.0), 1)[0] for n in range(4)} == {"0", "1"}


def test_missing_cells_are_not_said_and_words_are_said_as_they_are() -> None:
    found = table({"mass": ["NA", "1", "2", "3"], "sex": ["", "male", "female", "NaN"]}, ["a", "a", "b", "b"], parts=2)
    assert found.contexts == [
        {},
        {"mass": "part 1 of 2", "sex": "male"},
        {"mass": "part 1 of 2", "sex": "female"},
        {"mass": "part 2 of 2"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows, must be from 1"),
        ("species,cm\n", "no rows, must be from 1"),
        ("kind,cm\na,1\nb,2\n", "label == 'species', must be a column of 'x.csv'; known: kind, cm"),
        ("species,cm\na,1\nb\n", "line 3: must have a label and 2 cells"),
        ("species,cm\na,1\nb,1,2\n", "line 3: must have a label and 2 cells"),
        ("species,cm\na,1\n,2\n", "line 3: must have a label and 2 cells"),
        ("species,cm\na,1\na,2\n", "labels: 1 different ones, must be from 2 to 1000"),
        ("species\xff", "cannot be read"),
    ],
)
def test_errors_say_what_is_wrong_with_a_table(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read(Labelled(str(path), "species"))


def test_a_table_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError, match=r"labelled\.csv 'nowhere\.csv': cannot be read"):
        read(Labelled("nowhere.csv", "species"))
