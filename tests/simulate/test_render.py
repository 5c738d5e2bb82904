"""What a person sees of a scenario's outcome, in a terminal of 80 columns."""

from io import StringIO

from rich.console import Console

from bandstand.simulate.accepted import Change
from bandstand.simulate.outcome import Figure, Judged, Result, Side
from bandstand.simulate.render import render, sparkline
from bandstand.simulate.scenario import Expectation

LIFT = Expectation("lift", side="bandit", against="random", over="last 25%", at_least=1.0, note="It must pay.")
RESULT = Result(
    scenario="taste-by-context",
    about="Tastes depend on person, device, time and place.",
    requests=5000,
    seeds=3,
    sides=(
        Side("bandit", Figure(0.15, 0.14, 0.16), Figure(0.4, 0.35, 0.45), tuple(at / 160 for at in range(40))),
        Side("random", Figure(0.05), None, (None,) * 40),
    ),
    by_chance=(0.05,) * 40,
    ideal=(0.25,) * 40,
    expectations=(
        Judged(LIFT, Figure(2.0, 1.8, 2.2), True),
        Judged(LIFT, Figure(0.5), False),
        Judged(Expectation("regret", at_least=0.1, at_most=0.2), None, False),
    ),
)


def text(result: Result, *changes: Change) -> list[str]:
    console = Console(file=StringIO(), width=80)
    console.print(render(result, changes))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_it_fits_and_says_what_was_compared_and_what_held() -> None:
    lines = text(RESULT, Change("regret of bandit", 0.45, 0.4))
    assert max(map(len, lines)) <= 80
    assert lines[0] == "taste-by-context: 5000 requests, 3 seeds"
    bandit = next(line for line in lines if line.startswith("bandit"))
    assert "15.0 ± 1.0 %" in bandit
    assert "40.0 ± 5.0 %" in bandit
    assert "✓ lift of bandit over random, last 25%: 2 [1.8, 2.2], expected ≥ 1" in lines
    assert "✗ lift of bandit over random, last 25%: 0.5, expected ≥ 1" in lines
    assert "✗ regret: could not be computed, expected 0.1 to 0.2" in lines
    assert "≠ regret of bandit: 0.4, accepted was 0.45" in lines


def test_the_note_explains_a_failure_and_keeps_quiet_otherwise() -> None:
    assert sum("It must pay." in line for line in text(RESULT)) == 1


def test_a_sparkline_runs_from_nothing_to_the_optimum() -> None:
    assert sparkline(tuple(at / 7 for at in range(8)), 1.0) == "▁▂▃▄▅▆▇█"
    assert sparkline((0.2, 0.2, None, 1.0), 1.0, width=2) == "▂█"  # 0.2 of 7 steps is nearest to the first
    assert sparkline((), 1.0) == ""
