"""What a report asks for, whatever it says: the laws of the pure decision."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.lifecycle import MOVES, weights
from bandstand.experiments.trial import Trial
from bandstand.report.result import Check, Comparison, Report, Verdict
from bandstand.steward.acts import act
from bandstand.steward.wishes import Reweigh, Ship, Stop, fact

VARIANTS = (Variant("a", "default", 0.5), Variant("b", "random", 0.5))
X = Experiment("x", "home", VARIANTS)


@dataclass(frozen=True)
class Case:
    report: Report
    experiment: Experiment
    chances: tuple[float, ...] | None

    @property
    def wanted(self) -> Stop | Ship | Reweigh | None:
        return act(self.report, self.experiment, chances=self.chances)

    @property
    def broken(self) -> bool:
        return any(check.ok is False for check in self.report.health)

    @property
    def alarmed(self) -> bool:
        return any(one.alarm for one in self.report.comparisons)


def report(state: str, verdict: Verdict, health: tuple[Check, ...], comparisons: tuple[Comparison, ...]) -> Report:
    about: dict[str, Any] = {"since": 0.0, "until": None, "at": 1.0, "as_of": 9, "state": state, "winner": None}
    return Report(
        "x", "", "home", "ab", "user", 0.05, Analysis(), verdict=verdict, health=health, variants=(),
        comparisons=comparisons, **about,
    )  # fmt: skip


comparisons = st.builds(
    lambda alarm, difference: Comparison("m", "guardrail", "b", "a", difference=difference, alarm=alarm),
    st.sampled_from([None, False, True]),
    st.none() | st.floats(-1, 1),
)
verdicts = st.sampled_from(
    [
        Verdict("ship", "Ship 'b'.", "b"),
        Verdict("stop", "Stop."),
        Verdict("keep running", "Keep running."),
        Verdict("broken", "Broken."),
    ]
)
reports = st.builds(
    report,
    st.sampled_from(sorted(MOVES)),
    verdicts,
    st.lists(st.builds(Check, st.just("c"), st.sampled_from([None, True, False]), st.just("")), max_size=3).map(tuple),
    st.lists(comparisons, max_size=3).map(tuple),
)
chances = st.none() | st.floats(0, 1).map(lambda share: (1 - share, share))
cases = st.builds(
    lambda found, automatic, allocation, floor, share: Case(
        found, msgspec.structs.replace(X, automatic=automatic, allocation=allocation, floor=floor), share
    ),
    reports,
    st.sampled_from(["nothing", "harm", "stop", "ship"]),
    st.sampled_from(["fixed", "adaptive"]),
    st.floats(0.001, 0.499),
    chances,
)


@given(cases)
def test_only_what_runs_is_acted_upon(case: Case) -> None:
    if case.report.state != "running":
        assert case.wanted is None


@given(cases)
def test_an_alarm_stops_what_runs_unless_the_definition_says_nothing(case: Case) -> None:
    if case.report.state == "running" and case.alarmed and case.experiment.automatic != "nothing":
        assert isinstance(case.wanted, Stop)
        assert "Guardrail m" in case.wanted.why


@given(cases)
def test_what_is_broken_neither_ships_nor_moves_weights(case: Case) -> None:
    if case.broken:
        assert not isinstance(case.wanted, Ship | Reweigh)
        assert case.alarmed or case.wanted is None


@given(cases)
def test_nothing_is_done_beyond_what_the_definition_allows(case: Case) -> None:
    automatic = case.experiment.automatic
    match case.wanted:
        case Ship(winner):
            assert (automatic, case.report.verdict.outcome, winner) == ("ship", "ship", case.report.verdict.variant)
            assert not case.alarmed
        case Stop():
            assert automatic != "nothing"
            assert case.alarmed or (automatic in ("stop", "ship") and case.report.verdict.outcome == "stop")
        case Reweigh(before, after):
            assert case.experiment.allocation == "adaptive"
            assert list(before) == weights(case.experiment)
            assert sum(after) == pytest.approx(1, abs=1e-9)
            assert min(after) >= case.experiment.floor - 1e-12


@given(cases)
def test_what_is_done_is_a_step_that_life_allows_and_done_once(case: Case) -> None:
    if case.wanted is None:
        return
    trial = Trial(case.experiment, "running")
    done = fact(trial, case.wanted, running=[])
    assert done is not None
    for stage in MOVES:
        if stage != "running":
            assert fact(Trial(case.experiment, stage), case.wanted, running=[]) is None
    if isinstance(case.wanted, Reweigh):
        trial.put(msgspec.json.decode(done.definition, type=Experiment))  # type: ignore[union-attr]
        assert fact(trial, case.wanted, running=[]) is None
        assert trial.phase == done.phase == 1  # type: ignore[union-attr]


def test_weights_that_hardly_move_begin_no_phase() -> None:
    adaptive = msgspec.structs.replace(X, allocation="adaptive")
    quiet = report("running", Verdict("keep running", ""), (), ())
    assert act(quiet, adaptive, chances=(0.505, 0.495)) is None
    moved = act(quiet, adaptive, chances=(0.3, 0.7))
    assert moved == Reweigh((0.5, 0.5), (0.32, 0.68), "How likely each variant is the best: 'a' 30.0 %, 'b' 70.0 %.")
