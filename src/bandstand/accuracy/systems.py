"""What is compared: each generator alone, the blend of each strategy, and that of a strategy with other settings."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from bandstand.accuracy.past import Past
from bandstand.ask import Asked, understand
from bandstand.candidates import Ask, Mask, Rows
from bandstand.candidates.fits import Fits, fittable, fitted
from bandstand.candidates.likes import Likes
from bandstand.candidates.registry import names
from bandstand.configuration import STRATEGIES
from bandstand.errors import UnknownError
from bandstand.events import Request
from bandstand.history import History
from bandstand.offer import offer
from bandstand.state import State
from bandstand.strategy import Strategy, Surface

# How deep a list is looked at, for the AUC: what a strategy hands to its policy by default.
DEPTH = 200
SURFACE = "home"

_ANY = Strategy(generators={})

Kind = Literal["generator", "strategy", "setting"]


class System(NamedTuple):
    """Something that makes lists. `strategy` is None for a generator alone; `changed` says in which settings a strategy
    differs from the one whose name it has."""

    name: str
    kind: Kind
    strategy: Strategy | None = None
    changed: str = ""


class Asking(NamedTuple):
    """One list to be made: who asks (as `past.Deed` says it), when and among whom; which rows they have dealt with, and
    their history where it is not the one that the state has of them."""

    key: str
    who: str
    at: float
    seen: Rows
    segments: tuple[str, ...] = ()
    history: History | None = None


def compared(past: Past, *, strategies: Sequence[str], generators: Sequence[str]) -> list[System]:
    """The generators of these names, or all; the strategies of these, or those that the log defines, or, where it
    defines none, the one that a fresh installation has. UnknownError for a name that is not known."""
    known = names()
    for generator in generators:
        if generator not in known:
            raise UnknownError(f"generator {generator!r} is not known; known: {', '.join(known)}", field="generators")
    defined = past.strategies or {"default": STRATEGIES["default"]}
    for strategy in strategies:
        if strategy not in defined:
            there = ", ".join(sorted(defined))
            raise UnknownError(f"strategy {strategy!r} is not defined; known: {there}", field="strategy")
    wanted = dict.fromkeys(strategies) or {name: None for name, one in defined.items() if one.generators}
    return [
        *(System(name, "generator") for name in known if not generators or name in generators),
        *(System(name, "strategy", defined[name]) for name in wanted),
    ]


def made(state: State, systems: Sequence[System], asking: Asking) -> tuple[list[Rows], Mask]:
    """What each system lists for this person, best first, and the mask of all that could be listed.

    A strategy's list is its blend, before any policy draws from it; rows that the person has dealt with are left out,
    for nobody can like them for the first time again.
    """
    asked = _asked(state, asking)
    allowed = asked.among
    assert isinstance(allowed, np.ndarray)
    blends = [None if one.strategy is None else offer(state, asked, one.strategy) for one in systems]
    ask = next((blend.ask for blend in blends if blend is not None), None) or offer(state, asked, _ANY).ask
    assert ask is not None
    alone = ask._replace(limit=DEPTH)
    found = [
        _proposed(state, system.name, alone) if blend is None else blend.candidates.rows
        for system, blend in zip(systems, blends, strict=True)
    ]
    return found, allowed


def fresh() -> State:
    """A state at the beginning of a log, which keeps what fitted generators are made from."""
    state = State()
    state.likes = Likes()
    return state


def fit(state: State, systems: Sequence[System]) -> None:
    """Make the fitted generators that are compared anew, where a learner beside servers would find it time to."""
    asked = {name for one in systems for name in ([one.name] if one.strategy is None else one.strategy.asked)}
    wanted = fittable(asked)
    if state.fits.due(wanted, state.told):
        state.fits = Fits(state.seq, state.origin, state.told, tuple(wanted), fitted(wanted, state.evidence()))


def _proposed(state: State, name: str, ask: Ask) -> Rows:
    generator = state.generator(name)
    return np.zeros(0, np.int64) if generator is None else generator.propose(ask).rows


def _asked(state: State, asking: Asking) -> Asked:
    """The question as an app would put it on a page that nothing is special about."""
    state.surfaces.setdefault(SURFACE, Surface())
    kind, _, name = asking.who.partition(":")
    user, session = (name, None) if kind == "u" else (None, name)
    asked = understand(state, Request(SURFACE, asking.at, user=user, session=session), asking.key)
    assert isinstance(asked.among, np.ndarray)
    asked.among[asking.seen] = False  # a mask of its own
    asked = asked._replace(segments=asking.segments)
    if asking.history is None or not len(asked.history.rows):  # who asked not to be known has none
        return asked
    return asked._replace(history=asking.history)
