"""Every decision of a log visited once, where its server stood, and what each strategy would have done there."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from bandstand.ask import Asked, understand
from bandstand.errors import UnknownError
from bandstand.evaluate.evidence import Evidence, Seat
from bandstand.evaluate.learning import learning as learned
from bandstand.evaluate.learning import recipe
from bandstand.evaluate.past import Past
from bandstand.evaluate.question import Question, Target, is_field
from bandstand.evaluate.result import PASSED_OVER
from bandstand.evaluate.rows import PLACED, Floats, Integers, Rows
from bandstand.evaluate.sides import Side, Table, most_weights, unsupported
from bandstand.events import Decided, Inline
from bandstand.expressions import parse
from bandstand.matching import Facts, holds
from bandstand.model import Model
from bandstand.recipe import Recipe
from bandstand.replay import Progress, revisited
from bandstand.ruling import facts_of
from bandstand.store import EventLog

MISSED: Final = 30.0
UNKNOWN: Final = "unknown"


class Walked(NamedTuple):
    """What was found: the decisions as rows, and how many of all could still earn something.

    `most` is by target the largest weight that is possible at the first position, of the mean position and of a whole
    slate; `lost` what it would show and no decision ever did, where that cannot be told from the logger itself.
    """

    rows: Rows
    pending: int
    most: Floats
    lost: Floats


def walked(
    log: EventLog,
    past: Past,
    place: str,
    question: Question,
    targets: Sequence[Target],
    evidence: Evidence,
    progress: Progress | None,
) -> Walked:
    """Decisions that nobody was shown are left out, and those still waiting for rewards unless the question wants
    them."""
    rows = Rows(len(targets), len(question.metrics), len(question.by))
    most, never, pending, known = np.ones((len(targets), 3)), _Never(len(targets)), 0, set[str]()
    surface = past.surfaces[place]
    learns = any(one.learns for one in targets) or past.learned
    visits = revisited(log, past.stops, learning=learns, progress=progress)
    if question.learning is not None:
        visits = learned(log, past, targets[0].strategy, question.learning, progress=progress)
    visited = 0
    for model, seq, fact in visits:
        visited += 1
        seen = past.positions_seen(fact)
        if not seen:
            past.left_out["not shown"] += 1
            continue
        if past.open(seq, fact, surface):
            pending += 1
            if not question.pending:
                past.left_out["pending"] += 1
                continue
        asked = understand(model.state, fact.request, fact.decision)
        table = Table(model, asked, fact)
        logger = table.logger() if question.learning is None else None
        if logger is None and evidence.whole_logger and not fact.imported:
            past.left_out["made otherwise today"] += 1  # of a user who was erased, or by an older release
            continue
        sides = [table.side(_recipe(model, one, question)) for one in targets]
        evidence.add(Seat(fact, asked, model, logger, sides))
        kept = question.learning == "run"  # as often as it would have made them, so each counts once
        rows.add(
            fact,
            seq=seq,
            at=past.when(seq),
            targets=[_logged(fact) if kept else _chances(side, fact) for side in sides],
            earned=past.earned(fact, seen, surface, question.metrics),
            unsupported=[0.0 if None in (side, logger) else unsupported(side, logger) for side in sides],  # type: ignore[arg-type]
            candidates=_candidates(fact, logger),
            dropped=0.0 if kept else fact.dropped,
        )
        if logger is None:
            never.add(fact, sides)
        most = np.maximum(most, [_most(side, logger) for side in sides])
        for labels, by in zip(rows.segments, question.by, strict=True):
            labels.add(_label(by, asked, model))
        known.update(fact.request.context)
    if question.learning == "run":
        past.left_out[PASSED_OVER] = len(past.stops) - visited
    for labels, by in zip(rows.segments, question.by, strict=True):
        if labels.names == [UNKNOWN]:
            there = ", ".join(sorted(known | {"daypart", "hour", "weekday"}))
            raise UnknownError(f"by {by!r}: no decision has it in its context; known: {there}", field="by")
    return Walked(rows.filled(), pending, most, never.shares(len(rows)))


class _Never:
    """What targets would have put first and no decision ever showed, of loggers of whom the log knows picks alone.

    An item counts that uniform choice would have shown MISSED times: one that was never shown all the same is shown
    less than a tenth as often, if at all (but once in 20 such items). Rarer ones may just have had no chance yet.
    """

    def __init__(self, targets: int) -> None:
        self._known: dict[str, int] = {}
        self._latest: tuple[list[str], Integers] = ([], np.zeros(0, np.int64))
        self._shown: set[str] = set()
        self._mass = np.zeros((1 + targets, 16))  # of uniform choice, then of each target

    def add(self, fact: Decided, sides: Sequence[Side | None]) -> None:
        self._shown.update(pick.item for pick in fact.picks)
        for number, side in enumerate(sides):
            if side is None:
                continue
            step = side.path[0]
            places = self._places(side.urn.items)[step.left]
            more = len(self._known) - self._mass.shape[1]
            if more > 0:
                self._mass = np.pad(self._mass, ((0, 0), (0, 2 * more)))
            self._mass[1 + number, places] += step.shares
            if number == 0:
                self._mass[0, places] += 1.0 / len(places)

    def _places(self, items: Sequence[str]) -> Integers:
        """The items' numbers; most decisions have the candidates of the one before."""
        if list(items) != self._latest[0]:
            numbers = [self._known.setdefault(item, len(self._known)) for item in items]
            self._latest = list(items), np.array(numbers, np.int64)
        return self._latest[1]

    def shares(self, rows: int) -> Floats:
        """By target, of all rows."""
        uniform, *masses = self._mass
        missing = [at for item, at in self._known.items() if item not in self._shown and uniform[at] >= MISSED]
        return np.array([mass[missing].sum() for mass in masses]) / max(rows, 1)


def _logged(fact: Decided) -> Floats:
    return np.array([pick.propensity for pick in fact.picks])


def _chances(side: Side | None, fact: Decided) -> Floats:
    return np.zeros(len(fact.picks)) if side is None else side.chances()


def _recipe(model: Model, target: Target, question: Question) -> Recipe:
    if question.learning is not None:
        return recipe(target.strategy)
    weights = question.weights or target.weights or model.state.weights_name(target.name)
    return Recipe(target.name, target.strategy, weights)


def _candidates(fact: Decided, logger: Side | None) -> int:
    if any(pick.rule is not None for pick in fact.picks):
        return PLACED
    if logger is not None:
        return int(np.count_nonzero(logger.path[0].shares))
    if fact.request.candidates is None:
        return 0
    named = {one.item if isinstance(one, Inline) else one for one in fact.request.candidates}
    return len(named - fact.skipped.keys())


def _most(side: Side | None, logger: Side | None) -> tuple[float, float, float]:
    if logger is None:
        return math.inf, math.inf, math.inf
    if side is None:
        return 1.0, 1.0, 1.0
    found = most_weights(side, logger)
    return float(found[0]), float(found.mean()), float(found[-1])


def _label(by: str, asked: Asked, model: Model) -> str:
    """The value of a field of the context, or whether a condition holds."""
    request = asked.request
    profile = model.state.people.get(request.user) if request.user is not None and asked.who[0] is not None else None
    facts: Facts = facts_of(request, profile, user=asked.who[0], newcomer=not len(asked.history.rows))
    if is_field(by):
        value = facts.context.get(by)
        return UNKNOWN if value is None else str(value)
    return "yes" if holds(parse(by), facts) else "no"
