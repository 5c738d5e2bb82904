"""Decisions read from a log of Vowpal Wabbit into a database, beside its own reading of the same file."""

import json
import time
from pathlib import Path

import numpy as np
import vowpalwabbit

from bandstand.formats.transfer import import_
from bandstand.store.sql import open_log
from benchmarks.bench import Bench
from benchmarks.data import SEED
from benchmarks.measure import Figure, paired, peak_mb, ratios, spread

_NOW = 1_795_000_000.0
# Per second of the processor: one takes a minute and the other seconds, so what else the machine does meets them
# differently.
_BAR = 0.05  # it only parses, in C++; here each decision is checked, kept and on disk
_BAR_MB = 64.0
_ACTIONS = 4


def lines(bench: Bench) -> list[Figure]:
    """A decision among four described actions a line, 700 bytes; one in ten earns something."""
    count = bench.size(1_000_000, 5_000)
    bench.told(f"imports: writing {count:,} lines")
    path = bench.scratch / "imports.dsjson"
    _write(path, count)
    grew: list[float] = []

    def ours() -> float:
        database = bench.scratch / f"imports-{len(grew)}.db"
        log = open_log(f"sqlite:///{database}")
        marks: list[float] = []

        def told(facts: int, _: int | None) -> None:
            if facts > count // 20:  # by then what does not grow with the file is there
                marks.append(peak_mb())

        started = time.process_time()
        imported = import_(log, "dsjson", [path], now=_NOW, progress=told)
        took_s = time.process_time() - started
        log.close()
        database.unlink()
        assert imported.refused.count == 0
        grew.append(marks[-1] - marks[0])
        return count / took_s

    def theirs() -> float:
        started = time.process_time()
        vw = vowpalwabbit.Workspace(f"--dsjson --cb_explore_adf --testonly --quiet -d {path}")
        vw.run_parser()
        assert vw.get_weighted_examples() == count
        return count / (time.process_time() - started)

    rates, parsed = paired(ours, theirs, rounds=1)
    ratio = ratios(rates, parsed)
    return [
        Figure(
            name="imports",
            short="decisions from dsjson",
            what=f"{count:,} lines of dsjson into an SQLite file, per second of the processor",
            unit="/s",
            ours=spread(rates),
            peer="Vowpal Wabbit reading the file",
            theirs=spread(parsed),
            ratio=ratio,
            bar=f"≥ {_BAR:g} ×, ≤ {_BAR_MB:g} MB more at the end",
            holds=ratio.median >= _BAR and max(grew) <= _BAR_MB,
            more={"MB more at the end": max(grew)},
        )
    ]


def _write(path: Path, count: int) -> None:
    rng = np.random.default_rng(SEED)
    actions = [
        {"_tag": f"a{at}", "i": {"id": f"a{at}"}, "j": [{"roast": "dark", "price": at}]} for at in range(_ACTIONS)
    ]
    with path.open("w") as file:
        for row, (index, reward) in enumerate(
            zip(rng.integers(0, _ACTIONS, count).tolist(), (rng.random(count) < 0.1).tolist(), strict=True)
        ):
            order = [index + 1, *(at + 1 for at in range(_ACTIONS) if at != index)]
            line = {
                "_label_cost": -float(reward),
                "_label_probability": 0.25,
                "_label_Action": index + 1,
                "_labelIndex": index,
                "Timestamp": "2021-02-04T16:31:29.2460000Z",
                "Version": "1",
                "EventId": f"{row:032x}",
                "a": order,
                "c": {"User": [{"weather": "sunny", "name": f"u{row % 997}"}], "_multi": actions},
                "p": [0.25] * _ACTIONS,
                "VWState": {"m": "model"},
            }
            file.write(json.dumps(line) + "\n")
