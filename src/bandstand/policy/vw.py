"""Learning with Vowpal Wabbit: a squared-loss regression of reward on what was shown. Only this module knows it."""

import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from vowpalwabbit import Workspace

from bandstand.policy.linear import Weights

# What follows the header of a saved model: place, weight, and the two accumulators of the adaptive normalised update.
_SAVED = np.dtype([("place", "<u4"), ("weight", "<f4"), ("adaptive", "<f4"), ("normalised", "<f4")])
# Wide enough never to clip: a clipped prediction is no longer linear in the features.
_BOUND = "1000000"


class Learning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a strategy's weights are learned: table size, step size, and how fast steps shrink (0: never, so that the
    model follows a changing world).

    At `power_t` 0.5 exactly, Vowpal Wabbit takes the processor's approximate reciprocal square root, whose last digits
    differ from machine to machine; anything else replays alike everywhere.
    """

    bits: Annotated[int, msgspec.Meta(ge=10, le=26)] = 18
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 0.02
    power_t: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.45


class Learner:
    """Weights that learn. `dump` and `Learner(learning, dumped)` resume exactly where it stood."""

    def __init__(self, learning: Learning, dumped: bytes | None = None, *, learned: int = 0) -> None:
        self.learning = learning
        self.learned = learned
        self.changed = True  # since the last `weights`
        self._header_bytes = len(_saved(_fresh(learning)))
        self._workspace = _fresh(learning) if dumped is None else _loaded(dumped)

    def learn(self, shared: str, pick: str, reward: float) -> None:
        """One shown pick: its features as `|namespace hash:value …` text, and what it earned."""
        self._workspace.learn(f"{reward:.9g} {shared} {pick}")
        self.learned += 1
        self.changed = True

    def predict(self, shared: str, pick: str) -> float:
        """What Vowpal Wabbit itself expects; serving uses `weights().scores`."""
        return float(self._workspace.predict(f"{shared} {pick}"))

    def dump(self) -> bytes:
        return _saved(self._workspace)

    def weights(self) -> Weights:
        saved = np.frombuffer(self.dump(), dtype=_SAVED, offset=self._header_bytes)
        table = np.zeros(1 << self.learning.bits, np.float32)
        table[saved["place"]] = saved["weight"]
        self.changed = False
        return Weights(self.learning.bits, self.learned, table)

    def close(self) -> None:
        self._workspace.finish()


def _fresh(learning: Learning) -> Workspace:
    return Workspace(
        arg_list=[
            *("--quiet", "-q", "ui", "-q", "ci", "-b", str(learning.bits)),
            *("-l", repr(learning.rate), "--power_t", repr(learning.power_t)),
            *("--min_prediction", f"-{_BOUND}", "--max_prediction", _BOUND),
        ]
    )


def _loaded(dumped: bytes) -> Workspace:
    with tempfile.TemporaryDirectory(prefix="bandstand-") as folder:
        file = Path(folder, "model.vw")
        file.write_bytes(dumped)
        return Workspace(arg_list=["--quiet", "-i", str(file)])


def _saved(workspace: Workspace) -> bytes:
    with tempfile.TemporaryDirectory(prefix="bandstand-") as folder:
        file = Path(folder, "model.vw")
        workspace.save(str(file))
        return file.read_bytes()
