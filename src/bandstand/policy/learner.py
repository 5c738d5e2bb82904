"""Weights that learn, by Vowpal Wabbit or by its compiled equal."""

from bandstand.features import amount
from bandstand.policy.compiled import Compiled, compiles
from bandstand.policy.learning import Learning
from bandstand.policy.linear import Weights
from bandstand.policy.vw import Vowpal


class Learner:
    """Weights, and how many examples they have seen. `dump` and `Learner(learning, dumped)` resume exactly where it
    stood."""

    def __init__(self, learning: Learning, dumped: bytes | None = None, *, learned: int = 0) -> None:
        self.learning = learning
        self.learned = learned
        self.changed = True  # since the last `weights`
        self._by = (Compiled if compiles(learning) else Vowpal)(learning, dumped)

    def learn(self, shared: str, picks: list[str], rewards: list[float]) -> None:
        """The shown picks of one decision: features as `|namespace hash:value …` text, those that all have in common
        and those of each, and what each earned."""
        self._by.learn(shared, picks, [amount(reward) for reward in rewards])
        self.learned += len(picks)
        self.changed = True

    def dump(self) -> bytes:
        """A saved model of Vowpal Wabbit."""
        return self._by.dump()

    def weights(self) -> Weights:
        self.changed = False
        return Weights(self.learning.bits, self.learned, self._by.table())
