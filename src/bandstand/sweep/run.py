"""A sweep, from beginning to end: what is tried in each round, who goes on, and how the best is judged."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from joblib import Parallel, delayed
from msgspec.structs import replace

from bandstand.strategy import Strategy
from bandstand.sweep.kept import Kept, key
from bandstand.sweep.result import Judged, Rung, Swept, Tried, difference, value
from bandstand.sweep.space import AS_IT_IS, Candidate, Halving, Sweep, candidates
from bandstand.sweep.trial import BLOCKS, Block, Ground, OnWorld, attempt, known, world
from bandstand.sweep.workers import workers

Progress = Callable[[int, int | None], None]
"""Told how many trials are done, and of how many."""

ALPHA: Final = 0.05

_ASKED: Final = {
    "run": "rewards per decision as it learns from its own choices, by rejection replay",
    "progressive": "rewards per decision, each asked before it learned from it",
    "final": "rewards per decision in the last half, with what it learned in the first",
}


class Field(NamedTuple):
    """Where strategies are tried: the `grounds` of a share of all there is, and the judges' own; of the blocks that
    come of either, `chosen_by` and `judged_by` are those that count."""

    base: Strategy
    grounds: Callable[[float], list[Ground]]
    judges: list[Ground]
    chosen_by: slice
    judged_by: slice
    asked: str


def swept(
    sweep: Sweep,
    *,
    trials: Path,
    database: str = "",
    n_jobs: int = -1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Swept:
    """Try what the sweep says, as far as the file `trials` does not know it already.

    The result is the same whatever the number of workers, and however often the sweep was stopped on the way.
    """
    field = _field(sweep, database)
    everyone = on = candidates(sweep, field.base)
    base, seen = on[0], dict[str, Tried]()
    with Kept(trials) as kept, workers(n_jobs=n_jobs, cluster=cluster):
        for share, survivors in _rounds(sweep, len(on)):
            if seen:
                worth = {one.name: seen[one.name].value for one in on}
                on = [one for one in on if one is base or one.name in _best(worth, survivors)]
            results = _attempts(on, field.grounds(share), kept, progress)
            seen |= {one.name: _tried(one, share, results, field.chosen_by, seen.get(one.name)) for one in on}
        (name,) = _best({one.name: seen[one.name].value for one in on}, 1)
        best = next(one for one in on if one.name == name)
        judged = _attempts([base] if best is base else [base, best], field.judges, kept, progress)
    mine, theirs = (judged[one.name][field.judged_by] for one in (best, base))
    return Swept(
        sweep=sweep.name,
        about=sweep.about,
        asked=field.asked,
        strategy=sweep.strategy,
        alpha=ALPHA,
        tried=tuple(sorted((seen[one.name] for one in everyone), key=_order)),
        best=best.name,
        settings=best.settings,
        judged=Judged(value(mine), value(theirs), difference(mine, theirs, alpha=ALPHA)),
    )


def _field(sweep: Sweep, database: str) -> Field:
    if sweep.world is not None:
        base, scenario = world(sweep)
        seeds = sweep.world.seeds
        return Field(
            base,
            lambda share: [OnWorld(scenario, seed) for seed in range(1, math.ceil(share * seeds) + 1)],
            [OnWorld(scenario, seed) for seed in range(seeds + 1, 2 * seeds + 1)],
            slice(None),
            slice(None),
            f"clicks per shown pick in the world of '{scenario.name}'",
        )
    base, ground = known(sweep, database)
    chosen = BLOCKS - math.ceil(BLOCKS * sweep.judged_by)
    return Field(
        base,
        lambda share: [replace(ground, share=share)],
        [ground],
        slice(chosen),
        slice(chosen, None),
        f"{_ASKED[ground.how]}, on surface '{ground.surface}'",
    )


def _rounds(sweep: Sweep, count: int) -> list[tuple[float, int]]:
    """How much of all there is each round sees, and how many go on to it."""
    search = sweep.search
    if not isinstance(search, Halving):
        return [(1.0, count)]
    back = range(search.rounds - 1, -1, -1)
    return [(search.keep**left, math.ceil(count * search.keep ** (search.rounds - 1 - left))) for left in back]


def _attempts(
    on: Sequence[Candidate], grounds: Sequence[Ground], kept: Kept, progress: Progress | None
) -> dict[str, list[Block]]:
    """The blocks of each candidate over all grounds; what is known already is not tried again."""
    wanted = {key(one.strategy, ground): (one.strategy, ground) for one in on for ground in grounds}
    missing = {name: trial for name, trial in wanted.items() if kept.get(name) is None}
    work = Parallel(return_as="generator_unordered")
    for done, (name, blocks) in enumerate(work(delayed(_named)(name, *trial) for name, trial in missing.items()), 1):
        kept.put(name, blocks)
        if progress is not None:
            progress(len(wanted) - len(missing) + done, len(wanted))
    found = {one.name: [kept.get(key(one.strategy, ground)) or [] for ground in grounds] for one in on}
    return {name: [block for blocks in parts for block in blocks] for name, parts in found.items()}


def _named(name: str, strategy: Strategy, ground: Ground) -> tuple[str, list[Block]]:
    return name, attempt(strategy, ground)


def _tried(one: Candidate, share: float, results: Mapping[str, list[Block]], by: slice, before: Tried | None) -> Tried:
    mine, base = results[one.name][by], results[AS_IT_IS][by]
    over = None if one.name == AS_IT_IS else difference(mine, base, alpha=ALPHA)
    rungs = (*(() if before is None else before.rungs), Rung(share, value(mine)))
    return Tried(one.name, one.settings, value(mine), share, over, rungs)


def _best(worth: Mapping[str, float | None], count: int) -> list[str]:
    """The first of them at equal worth is the earlier one."""
    return sorted(worth, key=lambda name: -_above(worth[name]))[:count]


def _order(one: Tried) -> tuple[float, float]:
    return -one.share, -_above(one.value)


def _above(found: float | None) -> float:
    return -math.inf if found is None else found
