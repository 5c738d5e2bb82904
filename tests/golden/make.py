"""Makes the golden histories anew: `python tests/golden/make.py`. See README.md for when to."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from bandstand import data
from bandstand.chance import bits, uniform
from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine, interaction
from bandstand.events import (
    Decided,
    Draft,
    ExperimentMoved,
    Filter,
    Inline,
    ItemPut,
    ItemRemoved,
    Pick,
    Request,
    UserErased,
    UserPut,
)
from bandstand.experiments.definition import Experiment, Variant
from bandstand.formats import Refused, Target
from bandstand.formats.jsonl import read
from bandstand.formats.transfer import export
from bandstand.model import Model
from bandstand.store import EventLog
from bandstand.store.memory import MemoryLog

HERE = Path(__file__).parent
START = 1_795_000_000.0
ROUNDS = 250
SURFACES = {
    "home": {"n": 3, "window_s": 90.0, "rewards": {"click": 1.0, "buy": 5.0}},
    "related": {"n": 2, "window_s": 45.0, "default_reward": -0.05},
}
# Only ε-greedy, which the last digits of a score do not move, and steps that do not shrink with the square root, which
# Vowpal Wabbit takes from the processor as an estimate: so the decisions are the same on every machine.
LEARNING = {"bits": 12, "power_t": 0.4}
STRATEGIES = {
    "default": {"learning": LEARNING},
    "bold": {"policy": {"kind": "epsilon_greedy", "epsilon": 0.3}, "learning": LEARNING},
}


class Shop:
    """A server, a learner beside it, and people who come to a shop."""

    def __init__(self, log: EventLog) -> None:
        self.server = Engine(Model(learning=False), log)
        self.learner = Engine(Model(), log)
        self.now = START
        self.decided: list[Decided] = []

    def open(self) -> None:
        self.commit(*definitions(self.server.model.state, surfaces=SURFACES, strategies=STRATEGIES))
        catalogue = read(data.path("catalog/products.jsonl.gz"), Target(self.server.log, self.now), Refused())
        products = [one.what.fact for one in catalogue]
        self.products = products[:: len(products) // 36]
        self.commit(*self.products)

    def commit(self, *facts: object) -> None:
        self.server.commit(facts, at=self.now)

    def pick(self, *what: str | int, of: int) -> int:
        return bits("shop", *what) % of

    def ask(self, k: int) -> Decided:
        """A decision that is not in the log yet."""
        user = f"u{self.pick('user', k, of=14)}"
        context = {"device": ("mobile", "desktop", "tv")[self.pick("device", k, of=3)], "location": "FR-75"}
        request = Request("home", self.now, user=user, session=f"s{k // 9}", utc_offset_s=3600, context=context)
        ids = [product.item for product in self.products]
        match k % 10:
            case 1:
                page = ids[self.pick("page", k, of=len(ids))]
                request = msgspec.structs.replace(request, surface="related", context=context | {"item": page})
            case 3:
                request = msgspec.structs.replace(request, user=None)
            case 5:
                own = Inline("own", {"category": "books", "price": 9.5})
                request = msgspec.structs.replace(request, candidates=(*ids[:4], own, "nowhere"), exclude=(ids[1],))
            case 7:
                request = msgspec.structs.replace(request, shown=False, n=2)
            case 9:
                tagged = Filter(("sale",)) if k < 40 else Filter(("none has this",))
                request = msgspec.structs.replace(request, filter=tagged)
            case _:
                pass
        return self.server.decide(request, decision=f"d{k}")

    def respond(self, k: int) -> None:
        """Somebody looks at the slate of decision `k` and clicks what suits the device, as a rule."""
        decided = self.decided[k]
        if not decided.request.shown and k % 20 == 7:
            self.commit(self.server.exposure(decided.decision, [decided.request.first_position]))
        for pick in decided.picks:
            likes = (pick.item[0] < "8") == (decided.request.context["device"] == "mobile")
            if uniform("click", k, pick.position) < (0.7 if likes else 0.05):
                self.commit(self.server.reward(decided.decision, "click", 1.0, item=pick.item, key=f"c{pick.position}"))
        if k % 17 == 0 and decided.picks:
            self.commit(self.server.reward(decided.decision, "buy", 1.0))

    def change(self, k: int) -> None:
        """Items and people are not what they were."""
        product = self.products[self.pick("changed", k, of=len(self.products))]
        user = f"u{k % 14}"
        match k % 8:
            case 0:
                features = product.features | {"price": float(5 + k)}
                self.commit(ItemPut(product.item, features, ("sale",) if k % 16 else (), available=k % 5 > 0))
            case 2:
                self.commit(interaction(product.item, "view", user=user, session=f"s{k // 9}"))
            case 4:
                self.commit(UserPut(user, {"age": 20 + k}, personalize=k % 3 > 0, blocked_items=(product.item,)))
            case 6 if k > 100:
                self.commit(ItemRemoved(product.item))
            case _:
                pass

    def experiment(self, k: int) -> None:
        """First an A/B test, whose winner is shipped, then an interleaving."""
        if k in (80, 150):
            variants = (Variant("plain", "default", 0.5), Variant("bold", "bold", 0.5))
            name, method = ("bolder", "ab") if k == 80 else ("mixed", "interleave")
            trial = Experiment(name, "home", variants, method=method, start=True)
            self.commit(*recorded(self.server.model.state, trial))
        elif k == 140:
            self.commit(ExperimentMoved("bolder", "shipped", "bold"))
        elif k == 210:
            self.commit(ExperimentMoved("mixed", "stopped"))


def history(log: EventLog) -> None:
    """A few minutes of a shop: everything that can happen to a decision happens."""
    shop = Shop(log)
    shop.open()
    for k in range(ROUNDS):
        shop.now += 5 + 10 * uniform("shop", "pause", k)
        decided = shop.ask(k)
        if k >= 4:
            shop.respond(k - 4)  # written between the decision and its record: the server lags behind the log
        shop.change(k)
        shop.experiment(k)
        shop.commit(decided)
        shop.decided.append(decided)
        if k % 6 == 0:
            shop.learner.catch_up()
            published = shop.learner.model.publish()
        if k % 6 == 4:
            shop.server.model.adopt(published)  # long after it was made
    shop.commit(UserErased("u13"))


def doctored(log: EventLog) -> MemoryLog:
    """The same history with three decisions forged, none of which changes what is learned."""
    copy = MemoryLog()
    for entry in log.read(limit=log.head()):
        fact = entry.fact
        if isinstance(fact, Decided) and fact.decision in FORGED:
            _, forge = FORGED[fact.decision]
            fact = msgspec.structs.replace(fact, picks=forge(fact.picks))
        copy.append([Draft(fact, entry.at)])
    return copy


def _likelier(picks: tuple[Pick, ...]) -> tuple[Pick, ...]:
    return (msgspec.structs.replace(picks[0], propensity=picks[0].propensity + 1e-8), *picks[1:])


def _better_excused(picks: tuple[Pick, ...]) -> tuple[Pick, ...]:
    return (picks[0], msgspec.structs.replace(picks[1], reason="because we say so"), *picks[2:])


def _turned_round(picks: tuple[Pick, ...]) -> tuple[Pick, ...]:
    return tuple(msgspec.structs.replace(one, item=other.item) for one, other in zip(picks, picks[::-1], strict=True))


Forge = Callable[[tuple[Pick, ...]], tuple[Pick, ...]]
FORGED: dict[str, tuple[str, Forge]] = {
    "d50": ("picks[0].propensity", _likelier),
    "d100": ("picks[1].reason", _better_excused),
    "d160": ("picks[0].item", _turned_round),  # interleaved, so nobody learns from it
}


def main() -> None:
    log = MemoryLog()
    history(log)
    export(log, "jsonl", HERE / "history.jsonl.gz")
    export(doctored(log), "jsonl", HERE / "doctored.jsonl.gz")


if __name__ == "__main__":
    main()
