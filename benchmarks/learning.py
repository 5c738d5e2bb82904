"""Learning: examples a second through the model's own fold, beside Vowpal Wabbit fed with the same ready lines."""

import time

from vowpalwabbit import Workspace

from bandstand.catalogue import Known
from bandstand.engine import Engine
from bandstand.events import Decided, Entry, Interacted
from bandstand.features import item_features, position_features, source_features, text
from bandstand.model import Model
from bandstand.policy.learning import Learning
from bandstand.store.memory import MemoryLog
from benchmarks.bench import Bench
from benchmarks.data import SLATE, Shop, item_id, requests, user_id
from benchmarks.history import clicks, stocked
from benchmarks.measure import Figure, paired, ratios, spread

_WINDOW_S = 600.0
LEAST = 25_000.0


def learn(bench: Bench) -> list[Figure]:
    """Decisions a second apart, so that each entry closes a window while 600 are open."""
    shop = Shop(items=2_000, users=200, touches=4_000)
    engine = Engine(Model(), MemoryLog())
    clock = stocked(engine, shop)
    bench.told("learn: deciding what is learned from")
    asked = requests(shop, bench.size(3_000, 500), time=clock, seed=41)
    decided = [engine.decide(one, decision=f"learn {at}") for at, one in enumerate(asked)]
    entries = _entries(decided, after=engine.model.state.seq, clock=clock)
    start, shown = engine.model.dump(), len(decided) * SLATE
    lines = _lines(engine.model, decided)
    bench.told("learn: learning")
    ours, theirs = paired(lambda: shown / _fold_s(start, entries), lambda: shown / _learn_s(lines), rounds=bench.rounds)
    figure = spread(ours)
    return [
        Figure(
            name="learn",
            short="shown items",
            what=f"learning, shown items a second of processor time, {shop.features} context and item features",
            unit="/s",
            ours=figure,
            peer="VW learn of ready text",
            theirs=spread(theirs),
            ratio=ratios(ours, theirs),
            bar=f"≥ {LEAST:,.0f} /s",
            holds=figure.median >= LEAST,
        )
    ]


def _entries(decided: list[Decided], *, after: int, clock: float) -> list[Entry]:
    """The decisions and their clicks, and one last entry that closes what is still open."""
    entries: list[Entry] = []
    for second, fact in enumerate(decided):
        for one in (fact, *clicks([fact])):
            entries.append(Entry(after + 1 + len(entries), clock + second, one))
    last = Interacted(item_id(0), "view", user=user_id(0))
    return [*entries, Entry(after + 1 + len(entries), clock + len(decided) + _WINDOW_S, last)]


def _fold_s(start: bytes, entries: list[Entry]) -> float:
    model = Model.load(start)
    before = time.process_time()
    for entry in entries:
        model.step(entry)
    took = time.process_time() - before
    if model.learned < len(entries) // 2:
        raise RuntimeError(f"{model.learned} examples were learned of {len(entries)} entries: their windows are open")
    return took


def _lines(model: Model, decided: list[Decided]) -> list[str]:
    items: dict[str, Known] = {known.put.item: known for known in model.state.catalogue.known.values()}
    lines = []
    for fact in decided:
        liked = {reward.position for reward in clicks([fact])}
        shared = f"{text('u', fact.user)} {text('c', fact.context)}"
        for pick in fact.picks:
            put = items[pick.item].put
            features = text("i", item_features(put.item, put.features, put.tags))
            rest = f"{text('s', source_features(pick.sources))} {text('p', position_features(pick.position))}"
            lines.append(f"{float(pick.position in liked):g} {shared} {features} {rest}")
    return lines


def _learn_s(lines: list[str]) -> float:
    learning = Learning()
    workspace = Workspace(
        arg_list=[
            *("--quiet", "-q", "ui", "-q", "ci", "-b", str(learning.bits)),
            *("-l", repr(learning.rate), "--power_t", repr(learning.power_t)),
        ]
    )
    before = time.process_time()
    for line in lines:
        workspace.learn(line)
    took = time.process_time() - before
    workspace.finish()
    return took
