"""The blend: reciprocal-rank fusion by hand, promised places, and the features that a learner sees."""

import numpy as np
import pytest

from bandstand.candidates import NOBODY, Proposals
from bandstand.candidates.blend import (
    NOT_PROPOSED,
    Candidates,
    Cascade,
    Fusion,
    Weighted,
    blend,
    source_matrix,
    source_names,
    sources,
)
from bandstand.events import Source
from bandstand.features import source_features

IDS = [f"item{row}" for row in range(1000)]


def said(*rows: int, scores: list[float] | None = None) -> Proposals:
    falling = scores or [float(len(rows) - at) for at in range(len(rows))]
    return Proposals(np.array(rows, np.int64), np.array(falling))


def test_two_voices_outweigh_one() -> None:
    # 7 has 1/62 + 1/62, ahead of 1/61 for each of the firsts (Cormack et al. 2009, k = 60); ties go by row.
    assert blend([("a", said(3, 7)), ("b", said(2, 7))], limit=10).rows.tolist() == [7, 2, 3]


def test_weights_settle_whose_word_counts_more() -> None:
    proposals = [("a", said(1, 2)), ("b", said(3, 4))]
    assert blend(proposals, limit=10, weights=[1.0, 2.0]).rows.tolist() == [3, 4, 1, 2]
    assert blend(proposals, limit=10, weights=[2.0, 1.0]).rows.tolist() == [1, 2, 3, 4]


def test_each_candidate_keeps_what_every_generator_said_of_it() -> None:
    blended = blend([("a", said(5, 6, scores=[8.0, 2.0])), ("b", said(6, scores=[0.5]))], limit=10)
    assert blended.names == ("a", "b")
    assert blended.rows.tolist() == [6, 5]
    assert blended.scores.tolist() == [[0.25, 1.0], [1.0, 0.0]]
    assert blended.ranks.tolist() == [[1, 0], [0, NOT_PROPOSED]]
    assert (blended.scores.dtype, blended.ranks.dtype) == (np.float32, np.int32)


def test_no_generator_is_crowded_out() -> None:
    # Without the promise, two that agree on 100 rows would leave none of 50 places for the third.
    agreed = range(100)
    proposals = [("a", said(*agreed)), ("b", said(*agreed)), ("c", said(*range(900, 1000)))]
    blended = blend(proposals, limit=50)
    assert len(blended.rows) == 50
    assert {900, 901, 902, 903, 904} <= set(blended.rows.tolist())
    assert blended.rows[0] == 0


def test_a_short_list_still_has_a_place_for_each_if_there_are_enough() -> None:
    agreed = range(10)
    proposals = [("a", said(*agreed)), ("b", said(*agreed)), ("c", said(900, 901))]
    assert 900 in blend(proposals, limit=3).rows
    assert blend(proposals, limit=2).rows.tolist() == [0, 1]


def test_what_is_promised_does_not_rise_above_its_fused_score() -> None:
    proposals = [("a", said(*range(10))), ("b", said(*range(10))), ("c", said(900))]
    blended = blend(proposals, limit=10)
    assert blended.rows.tolist()[-1] == 900  # 1/61 is less than 1/70 + 1/70


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_the_limit_is_kept_and_no_row_comes_twice(limit: int) -> None:
    blended = blend([("a", said(1, 2, 3)), ("b", said(3, 4, 5)), ("c", said())], limit=limit)
    assert len(blended.rows) == min(limit, 5)
    assert len(set(blended.rows.tolist())) == len(blended.rows)


def test_silence_gives_no_candidates() -> None:
    blended = blend([("a", said()), ("b", said())], limit=10)
    assert blended.rows.tolist() == []
    assert blended.ranks.shape == (0, 2)
    assert source_matrix(blended).shape == (0, 6)


def test_scores_that_are_all_zero_stay_zero() -> None:
    assert blend([("a", said(1, 2, scores=[0.0, 0.0]))], limit=10).scores.tolist() == [[0.0], [0.0]]


def test_sources_come_highest_rank_first() -> None:
    blended = blend([("a", said(5, 6, scores=[8.0, 2.0])), ("b", said(6, scores=[0.5]))], limit=10)
    assert sources(blended, 0, [1, NOBODY], IDS) == (Source("b", 1.0, 0), Source("a", 0.25, 1, "item1"))
    assert sources(blended, 1, [1, NOBODY], IDS) == (Source("a", 1.0, 0, "item1"),)


def a_wide_blend() -> Candidates:
    proposals = [
        ("collaborative", said(*range(0, 60), scores=(1 / np.arange(3, 63)).tolist())),
        ("content", said(*range(40, 120, 2), scores=np.linspace(0.9, 0.1, 40).tolist())),
        ("trending", said()),
        ("popular", said(*range(200, 30, -3))),
    ]
    return blend(proposals, limit=100)


def test_the_matrix_holds_the_features_that_a_learner_is_given() -> None:
    blended = a_wide_blend()
    matrix, names = source_matrix(blended), source_names(blended.names)
    assert (matrix.dtype, matrix.shape) == (np.float32, (100, len(names)))
    for i in range(len(blended.rows)):
        learned = source_features(sources(blended, i, [999, 998, NOBODY, NOBODY], IDS))
        served = dict(zip(names, matrix[i].tolist(), strict=True))
        # Equal to the bit: what is learned from must be what was served.
        assert {name: value for name, value in served.items() if value != 0} == {
            name: float(np.float32(value)) for name, value in learned.items()
        }


def test_the_columns_are_in_the_order_of_the_features() -> None:
    assert source_names(["a", "b"]) == list(source_features([Source("a", 1.0, 0), Source("b", 1.0, 0)]))


def test_weighted_blend_goes_by_how_strongly_each_generator_speaks() -> None:
    # 7: 0.5 · 1.0 + 2 · 0.25 = 1.0; 8: 2 · 1.0 = 2.0; 9: 0.5 · 0.8 = 0.4.
    proposals = [("a", said(7, 9, scores=[10.0, 8.0])), ("b", said(8, 7, scores=[4.0, 1.0]))]
    blended = blend(proposals, limit=10, weights=[0.5, 2.0], how=Weighted())
    assert blended.rows.tolist() == [8, 7, 9]


def test_cascade_fills_from_the_next_generator_only_what_the_one_before_left() -> None:
    proposals = [("a", said(5, 3)), ("b", said(3, 9, 1)), ("c", said(2))]
    assert blend(proposals, limit=4, how=Cascade()).rows.tolist() == [5, 3, 9, 1]
    assert blend(proposals, limit=1, how=Cascade()).rows.tolist() == [5]
    first = blend(proposals, limit=4, how=Cascade())
    assert first.ranks[1].tolist() == [1, 0, NOT_PROPOSED]  # what the others said of it is kept


def test_smaller_k_lets_first_ranks_count_more() -> None:
    proposals = [("a", said(1, 2)), ("b", said(3, 2))]
    assert blend(proposals, limit=10, how=Fusion(0.0)).rows.tolist() == [1, 2, 3]  # 1/2 + 1/2 is not more than 1/1
    assert blend(proposals, limit=10, how=Fusion(60.0)).rows.tolist() == [2, 1, 3]
