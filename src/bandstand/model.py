"""The model: a fold over the log. `step` takes one entry; weights learn from decisions whose windows have closed."""

from collections.abc import Iterable
from functools import cache
from typing import Self

import msgspec

from bandstand.candidates.fits import Fits, fitted
from bandstand.candidates.likes import Likes
from bandstand.errors import StoreError
from bandstand.events import Decided, Entry, Exposed, Pick, Rewarded
from bandstand.experiments import freeze
from bandstand.experiments.definition import Experiment
from bandstand.features import item_features, position_features, source_features, text
from bandstand.join import Join, Waiting
from bandstand.packing import pack, unpack
from bandstand.policy.learner import Learner
from bandstand.policy.learning import Learning
from bandstand.policy.linear import Weights, untaught
from bandstand.recipe import behind, wanted_fits
from bandstand.state import State

SNAPSHOT_FORMAT = 10


class Published(msgspec.Struct, frozen=True):
    """Weights by name, as of position `seq` of the log that began at `origin`: what servers decide from. `frozen` are
    the experiments whose weights have been frozen, and the log time of each; they are among the others."""

    seq: int = 0
    origin: float = 0.0
    weights: dict[str, Weights] = {}
    frozen: dict[str, float] = {}


class Frozen(msgspec.Struct, frozen=True):
    """An experiment's weights as they were at log time `at`, under the names by which they serve."""

    at: float
    weights: dict[str, Weights]


class Student(msgspec.Struct, frozen=True):
    """One learner, written down."""

    learning: Learning
    learned: int
    dumped: bytes


class Lessons(msgspec.Struct, frozen=True):
    """The learning half of a model, written down."""

    join: Join
    students: dict[str, Student]
    likes: Likes
    frozen: dict[str, Frozen]


class Saved(msgspec.Struct, frozen=True):
    """A model written down; a server never looks at `lessons`, which are packed once more."""

    format: int
    state: memoryview
    lessons: memoryview | None
    published: Published


class Model:
    """What serving reads (`state`, `published`) and, where `learning`, what makes new weights.

    A server folds with `learning=False` and adopts weights that a learner published; the learner, replay and
    simulation fold the same log with `learning=True`. Both halves are functions of the log alone.
    """

    def __init__(self, *, learning: bool = True) -> None:
        self.state = State()
        self.published = Published()
        self.state.likes = Likes() if learning else None
        self.join = Join() if learning else None
        self.learners: dict[str, Learner] = {}
        self.frozen: dict[str, Frozen] = {}

    def step(self, entry: Entry) -> None:
        """Take in the next entry: first learn from the windows that it closes, then apply it."""
        if self.join is not None:
            clock = max(self.state.clock, entry.at)
            self._freeze(self.join, clock)
            self._learn(self.join, clock)
            self.state.apply(entry)
            self._join(self.join, entry)
        else:
            self.state.apply(entry)

    def publish(self) -> Published:
        """Make what has been learned so far visible to decisions; learners that learned nothing new are not copied."""
        known = self.published.weights
        weights = {
            name: learner.weights() if learner.changed else known[name] for name, learner in self.learners.items()
        }
        for one in self.frozen.values():
            weights |= one.weights
        since = {name: one.at for name, one in self.frozen.items()}
        self.published = Published(self.state.seq, self.state.origin, weights, since)
        return self.published

    @property
    def learned(self) -> int:
        """How many examples all learners have seen."""
        return sum(learner.learned for learner in self.learners.values())

    def adopt(self, published: Published) -> bool:
        """Serve from these weights, unless they are old, know entries that this model has not read yet, or learned from
        another log."""
        fits = self.published.seq < published.seq <= self.state.seq and published.origin == self.state.origin
        if fits:
            self.published = published
        return fits

    def fit(self) -> Fits:
        """Make the fitted generators that strategies ask from what is known now, and let decisions ask these."""
        names = wanted_fits(self.state)
        made = fitted(names, self.state.evidence())
        self.state.fits = Fits(self.state.seq, self.state.origin, self.state.told, tuple(names), made)
        return self.state.fits

    @property
    def fit_due(self) -> bool:
        """Whether so much has been told since the last `fit` that it is time for another."""
        return self.state.fits.due(wanted_fits(self.state), self.state.told)

    def adopt_fits(self, fits: Fits) -> bool:
        """Ask these fitted generators from now on; refused as in `adopt`."""
        fit = self.state.fits.seq < fits.seq <= self.state.seq and fits.origin == self.state.origin
        if fit:
            self.state.fits = fits
        return fit

    def dump(self) -> bytes:
        lessons = None
        if self.join is not None:
            students = {
                name: Student(learner.learning, learner.learned, learner.dump())
                for name, learner in self.learners.items()
            }
            assert self.state.likes is not None
            lessons = memoryview(pack(Lessons(self.join, students, self.state.likes, self.frozen)))
        return pack(Saved(SNAPSHOT_FORMAT, memoryview(self.state.dump()), lessons, self.published))

    @classmethod
    def load(cls, body: bytes, *, learning: bool = True) -> Self:
        """The model that `dump` wrote; StoreError where this release cannot read it."""
        model = cls(learning=learning)
        try:
            saved = unpack(body, Saved)
            if saved.format != SNAPSHOT_FORMAT:
                raise StoreError(f"snapshot: format {saved.format} is not the {SNAPSHOT_FORMAT} of this release")
            if learning and saved.lessons is None:
                raise StoreError("snapshot: it was made without learning, so it cannot go on learning")
            model.state = State.load(saved.state)
            model.published = saved.published
            if learning and saved.lessons is not None:
                model._resume(unpack(saved.lessons, Lessons))
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise StoreError(f"snapshot: it cannot be read by this release ({error})") from error
        return model

    def _resume(self, lessons: Lessons) -> None:
        self.join, self.state.likes, self.frozen = lessons.join, lessons.likes, lessons.frozen
        self.learners = {
            name: Learner(student.learning, student.dumped, learned=student.learned)
            for name, student in lessons.students.items()
        }

    def _freeze(self, join: Join, clock: float) -> None:
        """Keep the weights of experiments whose time for that has come, each as it was then."""
        trials = self.state.trials
        for name in [name for name in self.frozen if trials[name].stage != "running"]:
            del self.frozen[name]
        asked = [(name, trial) for name, trial in trials.items() if trial.definition.frozen is not None]
        due = [(trial.freezes, name) for name, trial in asked if name not in self.frozen]
        for at, name in sorted(due):
            if at <= clock:
                self._learn(join, at)
                self.frozen[name] = Frozen(at, self._kept(trials[name].definition))

    def _kept(self, trial: Experiment) -> dict[str, Weights]:
        """The weights of its variants as they are now; none of a variant that is not scored by any."""
        kept = {}
        for name in (f"{trial.name}/{variant.name}" for variant in trial.variants):
            strategy, learner = behind(self.state, name), self.learners.get(name)
            if strategy is None or strategy.policy.scored_by != "weights":
                continue
            if learner is None:
                kept[freeze.name(name)] = untaught(strategy.learning.bits)
            else:
                kept[freeze.name(name)] = learner.weights()
                learner.changed = True  # or what is published next would be what it had learned the time before
        return kept

    def _learn(self, join: Join, clock: float) -> None:
        for waiting in join.close(clock):
            picks, rewards = waiting.examples()
            for name in waiting.teaches:
                learner = self._learner(name)
                if learner is not None:
                    learner.learn(waiting.shared, picks, rewards)

    def _learner(self, name: str) -> Learner | None:
        """The learner of these weights, begun anew where its strategy's learning settings have changed."""
        strategy = behind(self.state, name)
        if strategy is None:
            return None
        learner = self.learners.get(name)
        if learner is None or learner.learning != strategy.learning:
            learner = self.learners[name] = Learner(strategy.learning)
        return learner

    def _join(self, join: Join, entry: Entry) -> None:
        """Open and feed the windows. What came from a surface that the log does not define has none: an
        import may have brought it."""
        surfaces = self.state.surfaces
        match entry.fact:
            case Decided() as fact if fact.teaches and fact.picks and fact.request.surface in surfaces:
                surface = surfaces[fact.request.surface]
                join.open(
                    self._waiting(fact, surface.default_reward),
                    seq=entry.seq,
                    deadline=self.state.clock + surface.window_s,
                )
            case Exposed() as fact:
                join.exposed(fact.decision, fact.positions)
            case Rewarded() as fact if fact.surface in surfaces:
                worth = surfaces[fact.surface].worth(fact.name, fact.value)
                join.rewarded(fact.decision, fact.position, worth)
            case _:
                pass

    def _waiting(self, fact: Decided, default_reward: float) -> Waiting:
        drawn = [pick for pick in fact.picks if pick.rule is None]  # what a rule placed was no choice to learn from
        learnable = {pick.position: self._learnable(pick) for pick in drawn}
        picks = {position: features for position, features in learnable.items() if features is not None}
        return Waiting(
            decision=fact.decision,
            teaches=fact.teaches,
            shared=f"{text('u', fact.user)} {text('c', fact.context)}",
            picks=picks,
            default_reward=default_reward,
            seen=set(picks) if fact.request.shown else set(),
        )

    def _learnable(self, pick: Pick) -> str | None:
        """The pick's features as they were served; None where that version of the item is not held any more."""
        if pick.version:
            item = self.state.catalogue.learnable(pick.item, pick.version)
        else:
            item = text("i", item_features(pick.item, pick.features or {}))
        if item is None:
            return None
        sources = text("s", source_features(pick.sources)) if pick.sources else "|s "
        return f"{item} {sources} {_placed(pick.position)}"


@cache
def _placed(position: int) -> str:
    return text("p", position_features(position))


def fold(model: Model, entries: Iterable[Entry]) -> Model:
    """The model after all of `entries`."""
    for entry in entries:
        model.step(entry)
    return model
