"""Vowpal Wabbit: a squared-loss regression of reward on what was shown. Only this module knows it."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from vowpalwabbit import Workspace

from bandstand.policy.learning import Learning

# What follows the header of a saved model: place, weight, and the two accumulators of the adaptive normalised update.
SAVED = np.dtype([("place", "<u4"), ("weight", "<f4"), ("adaptive", "<f4"), ("normalised", "<f4")])
# The header's end (`save_load_online_state_gd` in its gd.cc). Only `norms` and `total_weight` change what is learned;
# of the others, those that count examples are set to 0 when a model is read.
STATE = np.dtype(
    [
        *(("initial_t", "<f4"), ("norms", "<f8"), ("t", "<f8"), ("losses", "<f8", 2), ("dump_interval", "<f4")),
        *(("least", "<f4"), ("most", "<f4"), ("weighted", "<f8", 3), ("counts", "<u8", 2), ("total_weight", "<f8")),
        *(("old_weighted", "<f8"), ("current_pass", "<u8"), ("l1", "<f8"), ("l2", "<f8")),
    ]
)
# Wide enough never to clip: a clipped prediction is no longer linear in the features.
_BOUND = "1000000"


class Vowpal:
    """A workspace. Another one made with what `dump` gives goes on exactly where it stood."""

    def __init__(self, learning: Learning, dumped: bytes | None = None) -> None:
        self._learning = learning
        self._workspace = _fresh(learning) if dumped is None else _loaded(dumped)

    def learn(self, shared: str, picks: list[str], rewards: list[str]) -> None:
        for pick, reward in zip(picks, rewards, strict=True):
            self._workspace.learn(f"{reward} {shared} {pick}")

    def predict(self, shared: str, pick: str) -> float:
        """What Vowpal Wabbit itself expects; serving uses `table`."""
        return float(self._workspace.predict(f"{shared} {pick}"))

    def hash_space(self, name: str) -> int:
        return int(self._workspace.hash_space(name))

    def dump(self) -> bytes:
        return _saved(self._workspace)

    def table(self) -> npt.NDArray[np.float32]:
        saved = np.frombuffer(self.dump(), SAVED, offset=len(untaught(self._learning)))
        table = np.zeros(1 << self._learning.bits, np.float32)
        table[saved["place"]] = saved["weight"]
        return table


@cache
def untaught(learning: Learning) -> bytes:
    """A saved model that has learned nothing: a header, and no weights after it."""
    workspace = _fresh(learning)
    saved = _saved(workspace)
    workspace.finish()
    return saved


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
