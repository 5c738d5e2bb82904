"""What another strategy would have earned on the decisions of a log, from the log alone."""

import math

from bandstand.errors import InputError
from bandstand.evaluate.answers import answers
from bandstand.evaluate.details import Studied
from bandstand.evaluate.estimators import chosen
from bandstand.evaluate.past import Past
from bandstand.evaluate.question import Question, check, in_words, targets
from bandstand.evaluate.result import Evaluation, counts
from bandstand.evaluate.walk import walked
from bandstand.replay import Progress
from bandstand.stats.assumptions import assumption
from bandstand.store import EventLog


def evaluate(log: EventLog, question: Question, *, progress: Progress | None = None) -> Evaluation:
    """Estimate what strategies would have earned per decision on a surface: by default the only one that decided.

    At each decision a strategy is asked how likely it would have shown what was shown, from what the deciding server
    knew then and from the weights that it had at that moment. Each reward in the log counts, late ones too, at its
    worth by the surface's latest definition. Left out are interleaved slates, whose propensities are neither side's
    (but for those that are exact), empty ones, those that nobody was shown, and those whose rewards may still come.

    UnknownError for a strategy, surface, weights, metric or estimator that is not known; InputError where the log or
    the estimator cannot answer at all. Where it can, but should not be believed, the answer is refused.
    """
    check(question)
    until = math.inf if question.until is None else question.until
    past = Past.read(log, question.surface, until=until, last=question.last)
    place = past.place()
    past.check(question.metrics)
    asked = targets(past, question)
    estimator, why = chosen(question, past.longest)
    evidence = estimator.evidence(len(asked), estimator.method, question)
    if question.learning is not None and evidence.whole_logger:
        raise InputError(
            f"estimator: {estimator.method} needs every chance that the logger had, which is not there while a "
            "strategy learns on the way; take snips or reward_interaction_snips",
            field="estimator",
        )
    found = walked(log, past, place, question, asked, evidence, progress)
    rows = found.rows
    if not len(rows):
        raise InputError(f"surface {place!r}: no decision can be evaluated; left out: {counts(past.left_out)}")
    studied = Studied(log, question, asked, estimator, evidence, found, frozenset(past.taught))
    return Evaluation(
        question=in_words(question, past, place, asked, single=estimator.single, length=rows.length),
        surface=place,
        estimator=estimator.method,
        why=why,
        assumption=assumption(estimator.method),
        alpha=question.alpha,
        decisions=len(rows),
        users=rows.people,
        since=float(rows.times.min()),
        until=float(rows.times.max()),
        left_out=dict(past.left_out),
        pending=found.pending / (len(rows) + (0 if question.pending else found.pending)),
        answers=answers(studied),
    )
