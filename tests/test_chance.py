"""Keyed chance: repeatable, uniform, and different for different purposes."""

from itertools import islice

from scipy import stats

from bandstand.chance import ids, token, uniform

GOLDEN = (0.9088830194582908, 0.0963145344814097, "e371731bc30f5e2f")


def test_golden_draws_stay_what_they_were() -> None:
    # Written down once: if these change, every logged decision and every assignment changes with them.
    assert uniform("decision", 0) == GOLDEN[0]
    assert uniform("décision 🎷", 0) == GOLDEN[1]
    assert token("key") == GOLDEN[2]


def test_draws_are_uniform() -> None:
    assert stats.kstest([uniform("draw", k) for k in range(10_000)], "uniform").pvalue > 1e-4


def test_parts_do_not_run_together() -> None:
    assert len({uniform("a", "bc"), uniform("ab", "c"), uniform("abc"), uniform("abc", "")}) == 4


def test_positions_of_one_decision_are_independent() -> None:
    pairs = [(uniform(f"d{k}", 0), uniform(f"d{k}", 1)) for k in range(5_000)]
    assert abs(stats.pearsonr(*zip(*pairs, strict=True)).statistic) < 4 / 5_000**0.5


def test_ids_never_come_twice_and_depend_on_the_secret() -> None:
    ours, theirs = (list(islice(ids(secret), 10_000)) for secret in (b"one", b"two"))
    assert len({*ours, *theirs}) == 20_000
    assert all(len(id_) == 32 for id_ in ours)
