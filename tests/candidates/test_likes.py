"""Who liked what: sums, bounds, and people who are forgotten."""

import math
from itertools import pairwise

import numpy as np
import pytest

from bandstand.candidates import likes
from bandstand.candidates.likes import Likes, damped
from bandstand.chance import bits
from bandstand.packing import pack, unpack


def of(*told: tuple[str, int, float]) -> Likes:
    kept = Likes()
    for who, row, worth in told:
        kept.add(who, row, worth)
    return kept


def test_what_a_person_likes_in_one_item_adds_up() -> None:
    matrix = of(("ann", 2, 1.0), ("bob", 0, 5.0), ("ann", 2, 0.5), ("ann", 1, 1.0)).matrix(4)
    assert matrix.dtype == np.float32
    assert matrix.toarray().tolist() == [[0, 1, 1.5, 0], [5, 0, 0, 0]]
    assert matrix.nnz == 3


def test_nobody_who_liked_nothing_stands_in_the_matrix() -> None:
    assert Likes().matrix(3).shape == (0, 3)
    kept = of(("ann", 0, 1.0), ("bob", 1, 1.0), ("cat", 2, 1.0))
    kept.forget("bob")
    kept.forget("nobody")
    assert kept.matrix(3).toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    kept.add("bob", 0, 2.0)
    assert kept.matrix(3).toarray().tolist() == [[1, 0, 0], [0, 0, 1], [2, 0, 0]]


def test_it_is_the_same_after_it_was_written_down_and_read_back() -> None:
    kept = of(*((f"u{bits('packed', n) % 9}", n % 7, 1.0) for n in range(200)))
    kept.forget("u3")
    again = unpack(pack(kept), Likes)
    assert pack(again) == pack(kept)
    for one in (kept, again):
        one.add("u3", 6, 2.0)
    assert (again.matrix(7) != kept.matrix(7)).nnz == 0


def test_where_it_is_full_the_latest_stay_and_people_with_nothing_left_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likes, "MOST_KEPT", 64)
    told = [(f"u{n // 10}", n % 5, 1.0) for n in range(1000)]
    kept = of(*told)
    assert kept.used <= 64
    assert len(kept.persons) == 64
    assert len(kept.people) <= 7
    assert list(kept.people)[-1] == "u99"
    assert kept.matrix(5).toarray().tolist() == of(*told[-kept.used :]).matrix(5).toarray().tolist()


def test_a_keen_robot_drives_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likes, "MOST_KEPT", 64)
    monkeypatch.setattr(likes, "MOST_EACH", 8)
    kept = of(("ann", 0, 1.0), *(("robot", n % 5, 1.0) for n in range(5000)), ("bob", 1, 1.0))
    matrix = kept.matrix(5).toarray()
    assert list(kept.people) == ["ann", "robot", "bob"]
    assert matrix[[0, 2]].tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    assert 8 <= matrix[1].sum() <= 16


def test_a_snapshot_at_any_point_changes_nothing_that_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likes, "MOST_KEPT", 64)
    monkeypatch.setattr(likes, "MOST_EACH", 4)
    kept = again = Likes()
    for n in range(300):
        for one in {id(kept): kept, id(again): again}.values():
            one.add(f"u{bits('snapshot', n) % 12}", n % 5, 1.0)
        if n % 37 == 0:
            again = unpack(pack(again), Likes)
    assert pack(again) == pack(kept)


def test_one_like_counts_one_and_more_of_the_same_ever_less() -> None:
    told = damped(of(*((f"u{n}", 0, float(n)) for n in range(1, 9))).matrix(1)).data.tolist()
    assert told == pytest.approx([math.log2(1 + n) for n in range(1, 9)], rel=1e-6)
    gains = [b - a for a, b in pairwise(told)]
    assert told[0] == 1.0
    assert gains == sorted(gains, reverse=True)
