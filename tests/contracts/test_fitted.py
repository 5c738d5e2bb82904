"""What holds for every generator that is fitted and answers a live history, whatever it makes of the likes."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import NOBODY, Ask, Evidence, Fitted, lists
from bandstand.candidates.registry import FITTED, GENERATORS
from bandstand.chance import uniform
from bandstand.packing import pack, unpack

ROWS = 60
# One that stands in for a live generator goes by items, not by likes.
_LIVE = {kind.name for kind in GENERATORS}
KINDS = [kind for kind in FITTED if kind.name not in _LIVE]


@pytest.fixture(scope="module", params=KINDS, ids=[kind.name for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> type[Fitted]:
    found: type[Fitted] = request.param
    return found


def evidence(people: int = 300) -> Evidence:
    """Every sixth person likes much of every sixth row, and little else; low rows are liked more."""
    chance = np.array([[uniform("live", person, row) for row in range(ROWS)] for person in range(people)])
    alike = (np.arange(people)[:, None] - np.arange(ROWS)) % 6 == 0
    likes = chance < np.where(alike, 0.6, 0.1) * np.linspace(1, 0.5, ROWS)
    return Evidence(csr_array(likes.astype(np.float32)), np.zeros((ROWS, 64), np.float32))


@cache
def given() -> Evidence:
    return evidence()


@cache
def fitted(kind: type[Fitted]) -> Fitted:
    made = kind.fit(given())
    assert made is not None
    return made


def an_ask(history: list[int], *, weights: list[float] | None = None, rows: int = ROWS, limit: int = 20) -> Ask:
    heard = 0.5 ** (np.arange(len(history)) / 5) if weights is None else np.array(weights)
    return Ask("d", 0.0, np.array(history, np.int64), heard, np.ones(rows, np.bool_), limit)


def test_two_fits_are_the_same_to_the_last_bit_and_so_is_one_written_down(kind: type[Fitted]) -> None:
    one, other = fitted(kind), kind.fit(evidence())
    assert pack(one) == pack(other)
    assert pack(unpack(pack(one), kind)) == pack(one)


def test_likes_may_stand_in_any_order(kind: type[Fitted]) -> None:
    likes = given().likes
    backwards = np.concatenate([np.arange(b, a, -1) - 1 for a, b in pairwise(likes.indptr.tolist())])
    turned = csr_array((likes.data[backwards], likes.indices[backwards], likes.indptr), shape=likes.shape)
    was = turned.indices.copy()
    other = kind.fit(given()._replace(likes=turned))
    assert pack(other) == pack(fitted(kind))
    assert (turned.indices == was).all()


def test_it_leaves_what_it_is_made_from_as_it_was(kind: type[Fitted]) -> None:
    untouched, likes = evidence().likes, given().likes
    fitted(kind)
    for name in ("data", "indices", "indptr"):
        assert (getattr(untouched, name) == getattr(likes, name)).all()


def test_there_is_nothing_to_go_by_without_likes(kind: type[Fitted]) -> None:
    for shape in ((0, 0), (0, 5), (3, 5)):
        assert kind.fit(Evidence(csr_array(shape, dtype=np.float32), np.zeros((shape[1], 64), np.float32))) is None


def test_a_single_like_does_no_harm(kind: type[Fitted]) -> None:
    likes = csr_array((np.ones(1, np.float32), ([0], [3])), shape=(1, 5))
    made = kind.fit(Evidence(likes, np.zeros((5, 64), np.float32)))
    if made is not None:
        assert made.propose(an_ask([3], rows=5)).rows.tolist() == []


@pytest.mark.parametrize("limit", [0, 1, 20, 1000])
@pytest.mark.parametrize("history", [[], [3], [7, 1, 0, 19, 42, 59]], ids=["empty", "one", "six"])
def test_it_proposes_allowed_rows_outside_the_history_best_first(
    kind: type[Fitted], history: list[int], limit: int
) -> None:
    made = fitted(kind)
    for nth in (1, 2, 60):
        ask = an_ask(history, limit=limit)._replace(allowed=np.arange(ROWS) % nth == 0)
        rows, scores = made.propose(ask)
        assert (rows.dtype, scores.dtype) == (np.int64, np.float64)
        assert len(rows) == len(scores) <= limit
        assert len(set(rows.tolist())) == len(rows)
        assert ask.allowed[rows].all()
        assert not set(rows.tolist()) & set(history)
        assert np.isfinite(scores).all()
        assert (scores > 0).all()
        assert (np.diff(scores) <= 0).all()


def test_a_first_click_is_answered_and_the_next_one_changes_the_answer(kind: type[Fitted]) -> None:
    made = fitted(kind)
    assert len(made.propose(an_ask([])).rows) == 0
    first, second = made.propose(an_ask([5])), made.propose(an_ask([9, 5]))
    assert len(first.rows) > 0
    assert first.rows.tolist() != second.rows.tolist()


def test_what_counts_little_says_little(kind: type[Fitted]) -> None:
    made = fitted(kind)
    alone = made.propose(an_ask([5], limit=5))
    hardly = made.propose(an_ask([5, 9], weights=[1.0, 1e-6], limit=5))
    # To `als` such a row is one of which nothing is known, not one that was passed over: that is a little different.
    assert hardly.scores == pytest.approx(alone.scores, rel=0.05)


def test_rows_from_after_the_fit_do_no_harm(kind: type[Fitted]) -> None:
    made = fitted(kind)
    before, after = made.propose(an_ask([5, 9])), made.propose(an_ask([5, 9], rows=ROWS + 40))
    assert before.rows.tolist() == after.rows.tolist()
    later = an_ask([ROWS + 3, 5, ROWS + 1, 9], weights=[1.0, 1.0, 0.9, 0.5], rows=ROWS + 40)
    known = an_ask([5, 9], weights=[1.0, 0.5])
    assert made.propose(later).rows.tolist() == made.propose(known).rows.tolist()
    assert set(made.brought(later, made.propose(later).rows).tolist()) <= {5, 9}
    unknown = an_ask([ROWS + 3], rows=ROWS + 40)
    assert made.propose(unknown).rows.tolist() == []
    assert made.brought(unknown, np.array([4, ROWS + 5])).tolist() == [NOBODY, NOBODY]


def test_what_brought_an_item_is_in_the_history_and_the_same_whatever_else_is_shown(kind: type[Fitted]) -> None:
    made = fitted(kind)
    for history in ([], [3], [7, 1, 0, 19, 42, 59]):
        ask = an_ask(history)
        rows = made.propose(ask).rows
        brought = made.brought(ask, rows)
        assert brought.dtype == np.int64
        assert set(brought.tolist()) <= set(history)
        assert [made.brought(ask, rows[[at]])[0] for at in range(len(rows))] == brought.tolist()
        assert made.brought(ask, rows[:0]).tolist() == []


def test_the_compiled_loops_and_numpy_agree_to_the_last_bit(
    kind: type[Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fitted(kind)
    compiled = made.propose(an_ask([7, 1, 0, 19, 42, 59]))
    monkeypatch.setattr(lists, "native", None)
    plain = made.propose(an_ask([7, 1, 0, 19, 42, 59]))
    assert compiled.rows.tolist() == plain.rows.tolist()
    assert compiled.scores.tolist() == plain.scores.tolist()
