"""What a strategy's diversity means for the candidates of one request."""

import numpy as np

from bandstand.ask import Asked
from bandstand.candidates.blend import NOT_PROPOSED
from bandstand.offer import Offer
from bandstand.policy import Scores
from bandstand.shape import PLAIN, Members, Mixture, Shape, Term
from bandstand.shape.calibration import Calibration, calibration, taste
from bandstand.shape.determinant import Determinant
from bandstand.shape.likeness import Vectors
from bandstand.shape.redundancy import Redundancy
from bandstand.shape.settings import UNSHAPED, Diversity, Seen
from bandstand.state import State

# These propose the same to everybody, so what they bring may be a surprise.
IMPERSONAL = ("trending", "popular", "discovery", "newcomers", "arrivals", "promoted")


def shaped(state: State, asked: Asked, diversity: Diversity, offer: Offer, scores: Scores) -> Shape:
    """The wishes of this strategy, of candidates with these scores.

    Weights are multiples of the spread between the best and the worst score: where all are equal, as before anything
    was learned, nothing but chance and mixtures orders them.
    """
    if diversity == UNSHAPED:
        return PLAIN
    mixtures = _mixtures(state, asked, diversity, offer)
    if not diversity.moves_scores:
        return Shape(mixtures=mixtures) if mixtures else PLAIN
    spread = float(scores.max() - scores.min())
    return Shape(
        lifts=None if diversity.seen is None else _tired(state, asked, diversity.seen, offer, spread),
        terms=_terms(state, asked, diversity, offer, spread),
        mixtures=mixtures,
    )


def _terms(state: State, asked: Asked, diversity: Diversity, offer: Offer, spread: float) -> list[Term]:
    terms: list[Term] = []
    if diversity.mmr:
        terms.append(Redundancy(_vectors(state, offer), _against(diversity.mmr, spread)))
    if diversity.dpp:
        terms.append(Determinant(_vectors(state, offer), _against(diversity.dpp, spread)))
    if diversity.calibration and len(asked.history.rows):
        tastes = _calibration(state, asked, offer, _against(diversity.calibration, spread))
        terms.extend([tastes] if tastes is not None else [])
    return terms


def _mixtures(state: State, asked: Asked, diversity: Diversity, offer: Offer) -> list[Mixture]:
    mixtures: list[Mixture] = []
    if diversity.serendipity and len(asked.history.rows):
        mixtures.append(Mixture(diversity.serendipity, _unexpected(state, asked, offer)))
    if diversity.newcomers is not None:
        mixtures.append(Mixture(diversity.newcomers.share, _new(state, offer, diversity.newcomers.exposures)))
    return [mixture for mixture in mixtures if mixture.members.any()]


def _against(balance: float, spread: float) -> float:
    """The weight beside a score as it is, of what has this weight beside 1 − balance for a score scaled to 1."""
    return spread * balance / (1.0 - balance)


def _tired(state: State, asked: Asked, seen: Seen, offer: Offer, spread: float) -> Scores | None:
    """float64[n]: minus penalty · spread · Σ 2^(−age / half-life) over the times that each was shown to this user."""
    showings = state.showings(*asked.who)
    if not len(showings.rows):
        return None
    ages_s = np.maximum(asked.request.time - showings.at, 0.0)
    amounts = np.zeros(len(offer.items))
    rows = offer.candidates.rows
    order = np.argsort(rows)
    places = np.minimum(rows[order].searchsorted(showings.rows), max(len(rows) - 1, 0))
    there = rows[order][places] == showings.rows if len(rows) else np.zeros(0, np.bool_)
    faded = 2.0 ** (-ages_s / seen.half_life_s)
    amounts += np.bincount(order[places[there]], faded[there], minlength=len(amounts))
    return amounts * (-seen.penalty * spread)


def _calibration(state: State, asked: Asked, offer: Offer, weight: float) -> Calibration | None:
    known = state.catalogue.known
    history = zip(asked.history.rows.tolist(), asked.history.weights.tolist(), strict=True)
    liked = taste((known[row].categories, share) for row, share in history if row in known)
    if not liked:
        return None
    inline: list[tuple[str, ...]] = [()] * len(offer.inline)
    return calibration(liked, [known[row].categories for row in offer.candidates.rows.tolist()] + inline, weight)


def _unexpected(state: State, asked: Asked, offer: Offer) -> Members:
    """Candidates that nothing in the history suggests: proposed by no generator that goes by it, and less like it than
    half of the candidates of which something is known.

    What is relevant and yet outside what a primitive, predictable recommender brings is serendipitous (Ge,
    Delgado-Battenfeld and Jannach 2010, section 2.2); the bandit's scores and the generators' proposals stand for
    relevance.
    """
    vectors, (rows, weights) = _vectors(state, offer), asked.history
    alike = (vectors @ state.sketches.of(rows).T).astype(np.float64)  # exact, as `likeness.cosines` is
    likeness = np.add.reduce((alike * weights).T.copy(), axis=0)
    known: Members = np.asarray(vectors.any(axis=1))
    unexpected: Members = known & (likeness < (np.median(likeness[known]) if known.any() else 0.0))
    for column, name in enumerate(offer.candidates.names):
        if name not in IMPERSONAL:
            unexpected[: len(offer.candidates.rows)] &= offer.candidates.ranks[:, column] == NOT_PROPOSED
    return unexpected


def _new(state: State, offer: Offer, exposures: int) -> Members:
    rows = offer.candidates.rows
    new: Members = state.shown.of(rows) < exposures
    return np.concatenate((new, np.zeros(len(offer.inline), np.bool_))) if offer.inline else new


def _vectors(state: State, offer: Offer) -> Vectors:
    """The candidates' sketches; of the app's own items nothing is known."""
    vectors = state.sketches.of(offer.candidates.rows)
    return (
        np.vstack((vectors, np.zeros((len(offer.inline), vectors.shape[1]), np.float32))) if offer.inline else vectors
    )
