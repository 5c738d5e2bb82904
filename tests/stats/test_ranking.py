"""Every expected number is counted by hand beside it, or comes from SciPy."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import mannwhitneyu

from bandstand.errors import InputError
from bandstand.stats import ranking
from bandstand.stats.bootstrap import PoissonBootstrap, means
from bandstand.stats.ranking import NONE, Judged

# Three lists of five: hits at ranks 1, 3 and 5; at rank 2; and none, in a list of two.
RANKED = [[4, 9, 2, 8, 7], [5, 1, 6, 0, 3], [3, 2, NONE, NONE, NONE]]
RELEVANT = [[2, 4, 7, 11], [1, NONE, NONE, NONE], [0, 9, NONE, NONE]]
JUDGED = Judged.of(RANKED, RELEVANT)


def test_hits_are_the_places_of_relevant_items() -> None:
    assert JUDGED.hits.astype(int).tolist() == [[1, 0, 1, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert JUDGED.relevant.tolist() == [4, 1, 2]
    assert JUDGED.lengths.tolist() == [5, 5, 2]


def test_item_that_is_relevant_to_one_is_no_hit_for_another() -> None:
    assert not Judged.of([[1], [2]], [[2], [1]]).hits.any()


def test_precision_divides_by_k_also_where_the_list_is_shorter() -> None:
    assert ranking.precision(JUDGED, 3) == pytest.approx([2 / 3, 1 / 3, 0])
    assert ranking.precision(Judged.of([[1]], [[1]]), 10) == pytest.approx([1 / 10])


def test_recall_divides_by_all_that_is_relevant() -> None:
    assert ranking.recall(JUDGED, 5) == pytest.approx([3 / 4, 1, 0])


def test_hit_rate_and_reciprocal_rank_look_at_the_first_hit() -> None:
    assert ranking.hit_rate(JUDGED, 1).tolist() == [1, 0, 0]
    assert ranking.hit_rate(JUDGED, 2).tolist() == [1, 1, 0]
    assert ranking.reciprocal_rank(JUDGED, 5) == pytest.approx([1, 1 / 2, 0])
    assert ranking.reciprocal_rank(JUDGED, 1) == pytest.approx([1, 0, 0])


def test_average_precision_divides_by_all_relevant_items_as_gorse_does() -> None:
    # Precisions at the hits are 1/1, 2/3 and 3/5, of four relevant items.
    assert ranking.average_precision(JUDGED, 5) == pytest.approx([(1 + 2 / 3 + 3 / 5) / 4, 1 / 2, 0])
    # Three are relevant and k is 2: by min(k, relevant) it would be 1.
    assert ranking.average_precision(Judged.of([[1, 2, 3]], [[1, 2, 3]]), 2) == pytest.approx([2 / 3])


def test_ndcg_compares_with_the_best_list_of_length_k() -> None:
    first = (1 + 1 / math.log2(4) + 1 / math.log2(6)) / (1 + 1 / math.log2(3) + 1 / math.log2(4) + 1 / math.log2(5))
    assert ranking.ndcg(JUDGED, 5) == pytest.approx([first, 1 / math.log2(3), 0])
    assert ranking.ndcg(Judged.of([[1, 2, 3]], [[1, 2, 3]]), 2) == pytest.approx([1])
    assert ranking.ndcg(Judged.of([[1, 2]], [[1, 9]]), 10) == pytest.approx([1 / (1 + 1 / math.log2(3))])


def test_auc_is_the_mann_whitney_statistic_over_its_pairs(rng: np.random.Generator) -> None:
    depth, candidates = 12, 30
    ranked = np.array([rng.permutation(candidates)[:depth] for _ in range(40)])
    relevant = np.array([rng.permutation(candidates)[:6] for _ in range(40)])
    found = ranking.auc(Judged.of(ranked, relevant), np.full(40, candidates))
    for row, items, value in zip(ranked, relevant, found, strict=True):
        score = np.zeros(candidates)  # what is not listed is tied, below all that is
        score[row] = np.arange(depth, 0, -1)
        good = np.isin(np.arange(candidates), items)
        statistic = mannwhitneyu(score[good], score[~good]).statistic
        assert value == pytest.approx(statistic / (6 * 24))


def test_auc_of_a_catalogue_of_nothing_else_is_not_a_number() -> None:
    assert np.isnan(ranking.auc(Judged.of([[0, 1]], [[0, 1]]), [2])).all()


def test_perfect_lists_score_one_throughout() -> None:
    perfect = Judged.of([[0, 1, 2]], [[2, 0, 1]])
    for metric in (
        *(ranking.precision, ranking.recall, ranking.hit_rate),
        *(ranking.reciprocal_rank, ranking.average_precision, ranking.ndcg),
    ):
        assert metric(perfect, 3) == pytest.approx([1])
    assert ranking.auc(perfect, [10]) == pytest.approx([1])


def test_coverage_and_gini_know_who_is_shown_how_often() -> None:
    shares = ranking.shares([[0, 1], [0, NONE]], 4)
    assert shares.tolist() == [2, 1, 0, 0]
    assert ranking.coverage(shares) == 1 / 2
    # Half the mean difference over pairs of shares (2/3, 1/3, 0, 0), over the mean, times n / (n - 1): 2/3 here.
    p = np.array([2, 1, 0, 0]) / 3
    by_pairs = np.abs(p[:, None] - p).sum() / (2 * 4 * 4) / p.mean() * 4 / 3
    assert ranking.gini(shares) == pytest.approx(by_pairs)
    assert ranking.gini([5, 5, 5]) == pytest.approx(0)
    assert ranking.gini([9, 0, 0]) == pytest.approx(1)
    assert math.isnan(ranking.gini([0, 0]))
    assert math.isnan(ranking.coverage([]))


def test_novelty_is_the_surprise_of_meeting_the_items_shown() -> None:
    touches = [3, 1, 0]  # with one more each: 4/7, 2/7, 1/7
    found = ranking.novelty([[0, 1], [2, NONE], [NONE, NONE]], touches)
    assert found[:2] == pytest.approx([(math.log2(7 / 4) + math.log2(7 / 2)) / 2, math.log2(7)])
    assert np.isnan(found[2])


def test_popularity_is_the_mean_number_of_touches() -> None:
    assert ranking.popularity([[0, 1], [2, NONE]], [3, 1, 0]).tolist() == [2, 0]


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    half = math.sqrt(0.5)
    vectors = csr_array(np.array([[1, 0], [0, 1], [half, half], [0, 0]]))
    found = ranking.diversity([[0, 1, 2], [0, 0, NONE], [0, 3, NONE], [1, 3, 0]], vectors)
    assert found[0] == pytest.approx(1 - (0 + half + half) / 3)
    assert found[1] == pytest.approx(0)
    assert np.isnan(found[2])  # nothing is known of item 3, so there is no pair
    assert found[3] == pytest.approx(1)


def test_tables_that_do_not_fit_say_what_must_be_so() -> None:
    with pytest.raises(InputError, match="must both be tables with a row a list"):
        Judged.of([[1, 2]], [[1], [2]])
    with pytest.raises(InputError, match="row 1 of relevant is empty"):
        Judged.of([[1], [2]], [[1], [NONE]])
    with pytest.raises(InputError, match="k is 0, must be >= 1"):
        ranking.ndcg(JUDGED, 0)


def test_bootstrapped_means_are_those_of_the_bootstrap_of_one_column(rng: np.random.Generator) -> None:
    users = rng.integers(0, 30, size=200)
    columns = rng.integers(0, 9, size=(200, 3)).astype(float)
    together = means(users, columns, seed=5, replicates=50)
    for at in range(3):
        alone = PoissonBootstrap.of(users, columns[:, at], np.ones(200), seed=5, replicates=50)
        assert together[:, at] == pytest.approx(alone.num / alone.den)
    with pytest.raises(InputError, match="must be a table with a row for each of 3 units"):
        means([1, 2, 3], [[1.0], [2.0]], seed=1)
