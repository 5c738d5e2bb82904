"""Exploration over learned scores: ε-greedy, softmax and SquareCB."""

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from bandstand.policy import Probabilities, ScoredBy, Scores, Slot

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]


class EpsilonGreedy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="epsilon_greedy"):
    """With probability ε any item alike, else the best; items tied for best share its probability (Sutton & Barto,
    2018, section 2.2)."""

    scored_by: ClassVar[ScoredBy] = "weights"

    epsilon: Share = 0.05

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        chances = np.full(len(scores), self.epsilon / len(scores))
        best = (scores == scores.max()).nonzero()[0]
        chances[best] += (1 - self.epsilon) / len(best)
        return chances


class Softmax(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="softmax"):
    """Probabilities in proportion to exp(score / temperature), mixed with a share ε of uniform chance as a floor."""

    scored_by: ClassVar[ScoredBy] = "weights"

    temperature: Positive = 0.05
    epsilon: Share = 0.02

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        # The largest exponent is 0, so nothing overflows however cold it gets.
        odds = np.exp((scores - scores.max()) / self.temperature)
        chances: Probabilities = odds * ((1 - self.epsilon) / odds.sum()) + self.epsilon / len(scores)
        return chances


class SquareCB(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="squarecb"):
    """Inverse-gap weighting: an item is chosen the less, the further its score lies below the best one,
    p = 1 / (K + γ · gap), and the best takes the rest (Foster & Rakhlin, 2020, algorithm 1).

    γ = `gamma_scale` · learned^`gamma_exponent` grows with what has been learned.
    """

    scored_by: ClassVar[ScoredBy] = "weights"

    gamma_scale: Positive = 10.0
    gamma_exponent: Share = 0.5

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        gamma = self.gamma_scale * max(slot.learned, 1) ** self.gamma_exponent
        best = int(scores.argmax())
        chances: Probabilities = 1.0 / (len(scores) + gamma * (scores[best] - scores))
        chances[best] = 0.0
        chances[best] = 1.0 - chances.sum()
        return chances
