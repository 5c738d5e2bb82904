"""What a server must know to decide: catalogue, people, generators, strategies, experiments, as of a log position."""

from collections import defaultdict
from heapq import nlargest
from operator import itemgetter
from typing import Self, assert_never

import msgspec
import numpy as np

from bandstand.candidates import Evidence, Fitted, Generator, Rows, Scores, Touch
from bandstand.candidates.fits import Fits
from bandstand.candidates.likes import Likes
from bandstand.candidates.registry import GENERATORS
from bandstand.candidates.session import Session
from bandstand.candidates.sketches import Sketches
from bandstand.candidates.trending import Popular
from bandstand.candidates.vectors import Vectors
from bandstand.catalogue import Catalogue
from bandstand.chance import token
from bandstand.columns import CatalogueReader, Columns
from bandstand.events import (
    Decided,
    Entry,
    ExperimentMoved,
    ExperimentPut,
    Exposed,
    HoldoutPut,
    Interacted,
    ItemPut,
    ItemRemoved,
    Rewarded,
    RulePut,
    RuleRemoved,
    SignalsPut,
    StrategyPut,
    SurfacePut,
    UserErased,
    UserPut,
)
from bandstand.experiments import tuning
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.trial import Trial, remember
from bandstand.features import hidden, named
from bandstand.history import FADING, NOTHING_DONE, NOTHING_RECENT, History, Past, Recent, forget_idle
from bandstand.packing import pack, unpack
from bandstand.rules import AnyRule
from bandstand.shown import NOT_SHOWN, Showings, Shown
from bandstand.strategy import Strategy, Surface, varied

_TASTES_FROM = 10
_TASTES = 5
_MOST_TASTES = 10_000


class Plain(msgspec.Struct):
    """The part of the state that is plain data."""

    seq: int = 0
    clock: float = 0.0
    origin: float = 0.0
    told: int = 0
    catalogue: Catalogue = msgspec.field(default_factory=Catalogue)
    people: dict[str, UserPut] = {}
    histories: dict[str, Past] = {}
    sessions: dict[str, Past] = {}
    shown: Shown = msgspec.field(default_factory=Shown)
    surfaces: dict[str, Surface] = {}
    strategies: dict[str, Strategy] = {}
    signals: dict[str, float] = {}
    rules: dict[str, AnyRule] = {}
    trials: dict[str, Trial] = {}
    holdout: float = 0.0
    shipped: dict[str, str] = {}
    replaced: dict[str, str] = {}


def mark(name: str) -> str:
    """What stands for the id of a user or a session that was erased."""
    return token("erased", name)


class State(Plain):
    """Everything that serving reads. `seq` is the last entry seen, `clock` the largest `at`, and
    `origin` the first: what tells one log from another.

    `histories` is by "u:" + user, `sessions` by "s:" + session, the one touched last at the end; `shipped` maps a
    strategy to the variant whose weights it took, `replaced` a surface to the strategy that it had before a variant was
    shipped. `faded` remembers the histories asked about as arrays, each until something is touched, `tastes` what was
    made of them since an item changed, `attributes` those of the items that conditions asked about, and `told` counts
    likes and items put. `fits` are the fitted generators that serve; `likes`, from which they are made, are held where
    they are made, and not among what is written down of a state.
    """

    fits: Fits = Fits()
    likes: Likes | None = None

    tastes: dict[bytes, dict[str, float]] = {}
    faded: dict[str, History] = {}
    attributes: Columns | None = None
    generators: dict[str, Generator] = msgspec.field(default_factory=lambda: {kind.name: kind() for kind in GENERATORS})

    def apply(self, entry: Entry) -> None:
        """Take in the next entry."""
        if not self.seq:
            self.origin = entry.at
        self.seq = entry.seq
        self.clock = max(self.clock, entry.at)
        match entry.fact:
            case Decided() as fact:
                self._showed(fact, entry.at)
                remember(self.trials, fact)
            case Exposed():
                pass
            case Rewarded() as fact:
                if fact.item is not None:
                    self._felt(fact, fact.item, entry.at)
            case Interacted() as fact:
                self._felt(fact, fact.item, entry.at)
            case ItemPut() as fact:
                row = self.catalogue.put(fact, version=entry.seq, at=entry.at)
                self.told += 1
                self.tastes.clear()
                self.columns.put(row, fact)
                for generator in self.generators.values():
                    generator.put(row, fact, entry.at)
            case ItemRemoved() as fact:
                self._removed(fact, entry.at)
            case UserPut() as fact:
                self.people[fact.user] = fact
            case UserErased() as fact:
                self._erased(fact)
            case SurfacePut() as fact:
                self._placed(fact.name, msgspec.json.decode(fact.definition, type=Surface))
            case StrategyPut() as fact:
                self.strategies[fact.name] = msgspec.json.decode(fact.definition, type=Strategy)
            case SignalsPut() as fact:
                self.signals = fact.worths
            case HoldoutPut() as fact:
                self.holdout = fact.share
            case RulePut() as fact:
                self.rules[fact.name] = msgspec.json.decode(fact.definition, type=AnyRule)
            case RuleRemoved() as fact:
                self.rules.pop(fact.name, None)
            case ExperimentPut() as fact:
                definition = msgspec.json.decode(fact.definition, type=Experiment)
                self.trials.setdefault(fact.name, Trial(definition)).put(definition)
            case ExperimentMoved() as fact:
                self._moved(fact, self.clock)
            case _ as never:
                assert_never(never)

    @property
    def columns(self) -> Columns:
        """The items' attributes as arrays, as far as conditions asked about them."""
        if self.attributes is None:
            self.attributes = Columns(CatalogueReader(self.catalogue))
        return self.attributes

    def history(self, user: str | None, session: str | None) -> History:
        """What this user did, or this session where the user is unknown or new."""
        for name in [f"u:{user}"] * (user is not None) + [f"s:{session}"] * (session is not None):
            past = self._past(name)
            if past is not None:
                found = self.faded.get(name)
                if found is None:
                    if len(self.faded) >= _MOST_TASTES:
                        self.faded.clear()
                    found = self.faded[name] = past.history()
                return found
        return NOTHING_DONE

    def recent(self, user: str | None, session: str | None) -> Recent:
        """What was done in this session, or by this user where there is no session or it is new."""
        past = self.sessions.get(f"s:{session}") if session is not None else None
        if past is None and user is not None:
            past = self.histories.get(f"u:{user}")
        return NOTHING_RECENT if past is None else past.recent()

    def showings(self, user: str | None, session: str | None) -> Showings:
        """What this user was shown lately, or this session where the user is unknown or new."""
        for name in [f"u:{user}"] * (user is not None) + [f"s:{session}"] * (session is not None):
            if name in self.shown.lately:
                return self.shown.to(name)
        return NOT_SHOWN

    def person(self, user: str | None, history: History) -> dict[str, float]:
        """Namespace `u`: the profile's attributes, and the categories that lead in the latest history."""
        profile = self.people.get(user) if user is not None else None
        out = named(profile.features) if profile is not None else {}
        if not len(history.rows):
            out["newcomer"] = 1.0
        return out | self._tastes(history.rows[:_TASTES_FROM])

    def heat(self, rows: Rows) -> Scores:
        """How popular each row is now: likes, fading with their age."""
        popular = self.generators[Popular.name]
        assert isinstance(popular, Popular)
        return popular.heat(rows, self.clock)

    @property
    def sketches(self) -> Sketches:
        """What each row's item is like."""
        session = self.generators[Session.name]
        assert isinstance(session, Session)
        return session.sketches

    def generator(self, name: str) -> Generator | Fitted | None:
        """The generator of that name; None where it is one that has not been made yet."""
        return self.fits.generators.get(name) or self.generators.get(name)

    def evidence(self) -> Evidence:
        """What fitted generators are made from, as it is now: a copy."""
        assert self.likes is not None, "only who makes them holds what they are made from"
        rows = len(self.catalogue)
        vectors = self.generators[Vectors.name]
        assert isinstance(vectors, Vectors)
        return Evidence(self.likes.matrix(rows), self.sketches.of(np.arange(rows)), vectors.copies())

    def title(self, item: str) -> str:
        """What to call the item when talking to a person."""
        row = self.catalogue.rows.get(item)
        return item if row is None else self.catalogue.title(row)

    def weights_name(self, strategy: str) -> str:
        """The weights that a strategy serves from, outside any experiment."""
        return self.shipped.get(strategy, strategy)

    def dump(self) -> bytes:
        plain = Plain(**{name: getattr(self, name) for name in Plain.__struct_fields__})
        return pack((plain, {name: pack(generator) for name, generator in self.generators.items()}))

    @classmethod
    def load(cls, body: bytes | memoryview) -> Self:
        plain, packed = unpack(body, tuple[Plain, dict[str, memoryview]])
        generators: dict[str, Generator] = {kind.name: unpack(packed[kind.name], kind) for kind in GENERATORS}
        return cls(**{name: getattr(plain, name) for name in Plain.__struct_fields__}, generators=generators)

    def _felt(self, fact: Rewarded | Interacted, item: str, at: float) -> None:
        """Somebody showed what they think of an item; it tells something where they like it and the signal counts."""
        worth = self.signals.get(fact.name, 1.0)
        if not (fact.value > 0 and worth > 0):
            return
        row = self.catalogue.row(item)
        who = [f"u:{fact.user}"] * (fact.user is not None) + [f"s:{fact.session}"] * (fact.session is not None)
        before = self._past(who[0]) if who else None
        touch = Touch(row, at, () if before is None else tuple(before.rows), worth, tuple(map(hidden, fact.segments)))
        for generator in self.generators.values():
            generator.touched(touch)
        self.told += 1
        if self.likes is not None and who:
            self.likes.add(who[0], row, worth)
        for name in who:
            kept = self._kept(name)
            past = kept[name] = kept.pop(name) if name in kept else Past()
            past.add(row, at, worth)
            self.faded.pop(name, None)
        for name in forget_idle(self.sessions, self.clock):
            self.faded.pop(name, None)

    def _kept(self, name: str) -> dict[str, Past]:
        return self.sessions if name.startswith("s:") else self.histories

    def _past(self, name: str) -> Past | None:
        return self._kept(name).get(name)

    def _showed(self, fact: Decided, at: float) -> None:
        """Slates count from when they are decided, also those that are shown later; to whom is kept where some strategy
        asks, and not of people who want no personal slates."""
        found = [self.catalogue.rows.get(pick.item) for pick in fact.picks]
        rows = [row for row in found if row is not None]
        self.shown.count(rows)
        request = fact.request
        profile = self.people.get(request.user) if request.user is not None else None
        if not rows or (profile is not None and not profile.personalize):
            return
        if self._watches():
            for kind, name in (("u", request.user), ("s", request.session)):
                if name is not None:
                    self.shown.add(f"{kind}:{name}", rows, at)

    def _watches(self) -> bool:
        """Whether some strategy, or a variant of one, goes by what people were shown."""
        variants = (variant for trial in self.trials.values() for variant in trial.definition.variants)
        return any(strategy.diversity.seen is not None for strategy in self.strategies.values()) or any(
            "seen" in variant.parameters.get("diversity", ()) for variant in variants
        )

    def _removed(self, fact: ItemRemoved, at: float) -> None:
        row = self.catalogue.rows.get(fact.item)
        if row is not None:
            self.catalogue.remove(fact, at=at)
            self.tastes.clear()
            self.columns.removed(row)
            for generator in self.generators.values():
                generator.removed(row)

    def _erased(self, fact: UserErased) -> None:
        """Forget who was erased: under the pseudonym where the log has been rewritten already when it is read, and
        under every name that had the marks of the old one where it was read before."""

        def meant(name: str) -> bool:
            return name == fact.user or mark(name) in fact.was

        self.people = {user: put for user, put in self.people.items() if not meant(user)}
        self.faded.clear()
        for who in [who for who in (*self.histories, *self.sessions) if meant(who[2:])]:
            del self._kept(who)[who]
            if self.likes is not None:
                self.likes.forget(who)
        for who in [who for who in self.shown.lately if meant(who[2:])]:
            del self.shown.lately[who]
        for trial in self.trials.values():
            trial.kept = {who: variant for who, variant in trial.kept.items() if not meant(who)}

    def _moved(self, fact: ExperimentMoved, at: float) -> None:
        trial = self.trials[fact.name]
        trial.moved(fact.to, at=at, why=fact.why)
        for variant in trial.definition.variants:
            if variant.name == fact.winner:
                self._shipped(trial.definition, variant)

    def _placed(self, name: str, surface: Surface) -> None:
        if name in self.replaced and surface.strategy != self.surfaces[name].strategy:
            del self.replaced[name]
        self.surfaces[name] = surface

    def _shipped(self, definition: Experiment, winner: Variant) -> None:
        """The winner's strategy becomes the surfaces' own; one with parameters gets a name of its own for that."""
        for name in definition.on:
            surface = self.surfaces[name]
            strategy, weights = winner.strategy, f"{definition.name}/{winner.name}"
            if definition.tunes:
                strategy = surface.strategy
                weights = tuning.name(self.weights_name(strategy), definition.name, winner.name)
            if winner.parameters:
                try:
                    strategy, self.strategies[weights] = weights, varied(self.strategies[strategy], winner.parameters)
                except msgspec.ValidationError:  # refused where it is shipped; what two servers did at once is read on
                    continue
            self.replaced.setdefault(name, surface.strategy)
            self.surfaces[name] = msgspec.structs.replace(surface, strategy=strategy)
            self.shipped[strategy] = weights

    def _tastes(self, rows: Rows) -> dict[str, float]:
        """The categories that lead among these rows, newest first, with their shares."""
        known = rows.tobytes()
        found = self.tastes.get(known)
        if found is None:
            if len(self.tastes) >= _MOST_TASTES:
                self.tastes.clear()
            found = self.tastes[known] = self._tasted(rows)
        return found

    def _tasted(self, rows: Rows) -> dict[str, float]:
        liked: defaultdict[str, float] = defaultdict(float)
        total = 0.0
        for row, weight in zip(rows.tolist(), FADING.tolist(), strict=False):
            known = self.catalogue.known.get(row)
            if known is not None:
                total += weight
                for category in known.categories:
                    liked[category] += weight
        most = nlargest(_TASTES, liked.items(), key=itemgetter(1))
        return {f"likes {category}": weight / total for category, weight in most}
