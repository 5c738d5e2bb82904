"""When a window closes, and what a decision has earned by then."""

from bandstand.join import Join, Waiting


def waiting(decision: str = "d", *, shown: bool = True, default: float = 0.0) -> Waiting:
    picks = {0: "first", 1: "second"}
    return Waiting(decision, ("default",), "shared", picks, default, set(picks) if shown else set())


def opened(one: Waiting, *, deadline: float = 10.0) -> Join:
    join = Join()
    join.open(one, seq=1, deadline=deadline)
    return join


def examples(join: Join, clock: float = 10.0) -> list[tuple[str, float]]:
    return [example for closed in join.close(clock) for example in zip(*closed.examples(), strict=True)]


def test_every_shown_pick_is_an_example_the_unrewarded_ones_too() -> None:
    join = opened(waiting())
    join.rewarded("d", 1, 2.0)
    join.rewarded("d", 1, 0.5)
    assert examples(join) == [("first", 0.0), ("second", 2.5)]


def test_default_reward_stands_where_none_came() -> None:
    join = opened(waiting(default=-0.5))
    join.rewarded("d", 0, 1.0)
    assert examples(join) == [("first", 1.0), ("second", -0.5)]


def test_reward_at_the_deadline_is_too_late() -> None:
    join = opened(waiting())
    assert join.close(9.999) == []
    assert len(join.close(10.0)) == 1
    join.rewarded("d", 0, 1.0)
    assert join.waiting == {}


def test_deferred_decision_teaches_only_what_was_exposed() -> None:
    join = opened(waiting(shown=False))
    join.rewarded("d", 0, 1.0)
    join.exposed("d", (1,))
    assert examples(join) == [("second", 0.0)]


def test_deferred_decision_that_nobody_saw_teaches_nothing() -> None:
    join = opened(waiting(shown=False))
    join.rewarded("d", None, 1.0)
    assert examples(join) == []


def test_exposure_without_positions_is_of_the_whole_slate() -> None:
    join = opened(waiting(shown=False))
    join.exposed("d", None)
    assert examples(join) == [("first", 0.0), ("second", 0.0)]


def test_reward_for_the_slate_is_shared_by_what_was_seen() -> None:
    join = opened(waiting())
    join.rewarded("d", None, 1.0)
    join.rewarded("d", 0, 3.0)
    assert examples(join) == [("first", 3.5), ("second", 0.5)]


def test_windows_close_by_deadline_then_by_place_in_the_log() -> None:
    join = Join()
    for seq, (decision, deadline) in enumerate([("late", 9.0), ("early", 5.0), ("also early", 5.0)]):
        join.open(waiting(decision), seq=seq, deadline=deadline)
    assert [one.decision for one in join.close(20.0)] == ["early", "also early", "late"]


def test_reward_for_an_unknown_decision_or_position_changes_nothing() -> None:
    join = opened(waiting())
    join.rewarded("other", 0, 1.0)
    join.rewarded("d", 7, 1.0)
    assert examples(join) == [("first", 0.0), ("second", 0.0)]
