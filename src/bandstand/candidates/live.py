"""How fitted generators answer a live history: which of it they know, what they propose, and what brought it."""

import numpy as np
import numpy.typing as npt

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Scores, best


def heard(ask: Ask, size: int) -> tuple[Rows, Scores]:
    """The rows of the history below `size`, which a table made at the fit knows, and how much each counts."""
    known = ask.history < size
    return ask.history[known], ask.weights[known]


def proposals(scores: Scores, ask: Ask) -> Proposals:
    """The rows with the highest scores above 0, but those of the history; `scores` may end before `ask.allowed`, and is
    written to."""
    size = min(len(scores), len(ask.allowed))
    scores[ask.history[ask.history < size]] = 0
    rows = best(scores[:size], ask.allowed[:size], ask.limit)
    return Proposals(rows, scores[rows])


def strongest(history: Rows, shares: npt.NDArray[np.float32] | Scores) -> Rows:
    """For each column of `shares` ([history, rows]) the row of the history with the highest above 0, or NOBODY."""
    if not len(history):
        return np.full(shares.shape[1], NOBODY)
    return np.where(shares.max(axis=0) > 0, history[shares.argmax(axis=0)], NOBODY)
