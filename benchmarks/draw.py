"""Scoring candidates and drawing a slate, in process, beside Vowpal Wabbit's own multi-slot reduction."""

import gc
from typing import NamedTuple

from vowpalwabbit import Workspace

from bandstand.ask import Asked, understand
from bandstand.chance import uniforms
from bandstand.engine import Engine
from bandstand.features import hashed, item_features, text
from bandstand.model import Model
from bandstand.offer import Offer, offer, offered
from bandstand.policy import Scores
from bandstand.policy.linear import Shared, Weights
from bandstand.slate import Drawn, draw
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy
from benchmarks.bench import Bench
from benchmarks.data import FEATURES, SLATE, Shop, requests
from benchmarks.history import live
from benchmarks.measure import Figure, median_us, ratios, spread

_REQUESTS = 20
_PASSES = 5
BARS_US = {200: 200.0, 1_000: 600.0}


class Ready(NamedTuple):
    """A request as it stands before it is scored."""

    asked: Asked
    candidates: Offer


def lines(bench: Bench) -> list[Figure]:
    """With 20 features of items and contexts each, and with 10."""
    found = []
    for features in (FEATURES, FEATURES // 2):
        shop = Shop(items=2_000, features=features, users=200, touches=4_000)
        bench.told(f"draw: learning from {features} features")
        engine = Engine(Model(), MemoryLog())
        end = live(engine, shop, decisions=bench.size(1_000, 200))
        for candidates in BARS_US:
            bench.told(f"draw: {candidates} candidates of {features} features")
            found.append(_line(engine.model, shop, candidates, end, bench.size(20, 2)))
    return found


def _line(model: Model, shop: Shop, candidates: int, now: float, rounds: int) -> Figure:
    strategy = model.state.strategies["default"]
    asked = [
        understand(model.state, one, f"decision {at}")
        for at, one in enumerate(requests(shop, _REQUESTS, time=now, candidates=candidates, seed=31))
    ]
    ready = [Ready(one, offer(model.state, one, strategy)) for one in asked]
    workspace, examples = _vowpal_wabbit(model, ready)
    ours: list[float] = []
    theirs: list[float] = []
    scoring: list[float] = []
    gc.disable()
    for _ in range(rounds):
        # In blocks: right after a call of the other kind, what it has driven out of the processor's caches is measured.
        ours.append(median_us([lambda one=one: _slate(model, strategy, one) for one in ready] * _PASSES))
        theirs.append(median_us([lambda example=example: workspace.predict(example) for example in examples]))
        scoring.append(median_us([lambda one=one: _scores(model, one) for one in ready]))
    gc.enable()
    slate_us, bar = spread(ours), BARS_US[candidates]
    ratio = ratios(theirs, ours)
    return Figure(
        name="draw",
        short=f"{candidates:,} × {SLATE}, {shop.features} features",
        what=f"score and draw {candidates:,} × {SLATE}, {shop.features} context and {shop.features} item features",
        unit="µs",
        ours=slate_us,
        peer="VW --ccb_explore_adf",
        theirs=spread(theirs),
        ratio=ratio,
        bar=f"≤ {bar:g} µs, ≥ 10 ×",
        holds=slate_us.median <= bar and ratio.median >= 10,
        more={"µs of it to hash, gather and score": spread(scoring).median},
    )


def _slate(model: Model, strategy: Strategy, ready: Ready) -> list[Drawn]:
    decision = ready.asked.decision
    scores, learned = _scores(model, ready), _weights(model).learned
    items = ready.candidates.items
    chances = uniforms(decision, "", first=0, count=SLATE)
    return draw(strategy.policy, scores, items, chances=chances, learned=learned)


def _scores(model: Model, ready: Ready) -> Scores:
    shared = Shared(hashed("u", ready.asked.user), hashed("c", ready.asked.context))
    return _weights(model).scores(shared, offered(model.state, ready.candidates))


def _weights(model: Model) -> Weights:
    return model.published.weights["default"]


def _vowpal_wabbit(model: Model, ready: list[Ready]) -> tuple[Workspace, list[list[str]]]:
    """The reduction, with the interactions that our learner has, and the requests as it reads them."""
    workspace = Workspace(
        arg_list=["--quiet", "--ccb_explore_adf", "-q", "ui", "-q", "ci", "-b", "18", "--epsilon", "0.1"]
    )
    puts = {known.put.item: known.put for known in model.state.catalogue.known.values()}
    examples = []
    for one in ready:
        actions = [
            f"ccb action {text('i', item_features(item, puts[item].features, puts[item].tags))}"
            for item in one.candidates.items
        ]
        shared = f"ccb shared {text('u', one.asked.user)} {text('c', one.asked.context)}"
        examples.append([shared, *actions, *["ccb slot |"] * SLATE])
    for shared, *rest in examples:
        slots = [f"ccb slot {slot}:{-(slot % 2)}:0.1 |" for slot in range(SLATE)]
        workspace.learn([shared, *rest[:-SLATE], *slots])
    return workspace, examples
