"""What it costs to say which variant a unit is in, beside the two bare hashes that nobody can do without."""

from hashlib import blake2b

from bandstand.experiments.assignment import assign
from bandstand.experiments.definition import Experiment, Variant
from benchmarks.bench import Bench
from benchmarks.measure import Clock, Figure, paired, ratios, spread

_UNITS = 20_000
_MOST_US = 5.0


def lines(bench: Bench) -> list[Figure]:
    """Each of many users once, in an experiment of two variants in a layer of its own."""
    bench.told("assignments")
    experiment = Experiment("softer", "home", variants=(Variant("control", "default"), Variant("softer", "default")))
    users = [f"user-{number}" for number in range(_UNITS)]

    def ours() -> float:
        started = Clock()
        for user in users:
            assign(experiment, user)
        return (Clock() - started) / _UNITS * 1e6

    def theirs() -> float:
        started = Clock()
        for user in users:
            blake2b(b"layer" + user.encode(), digest_size=8).digest()
            blake2b(b"variant" + user.encode(), digest_size=8).digest()
        return (Clock() - started) / _UNITS * 1e6

    taken, bare = paired(ours, theirs, rounds=bench.size(9, 3))
    return [
        Figure(
            name="assign",
            short="one unit",
            what="from an experiment and a user's id to the variant",
            unit="µs",
            ours=spread(taken),
            peer="two bare BLAKE2b hashes",
            theirs=spread(bare),
            ratio=ratios(taken, bare),
            bar=f"≤ {_MOST_US:g} µs",
            holds=spread(taken).median <= _MOST_US,
        )
    ]
