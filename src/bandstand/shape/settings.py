"""What a strategy may wish of its slates' diversity and freshness."""

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Balance = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For each time that this user or session was shown an item, its score loses `penalty` times the spread between the
    best and the worst candidate's score, half of that after `half_life_s` seconds."""

    penalty: Annotated[float, msgspec.Meta(gt=0.0)] = 0.2
    half_life_s: Annotated[float, msgspec.Meta(gt=0.0)] = 86400.0


class Newcomers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of each slot's probability, `share` goes to the candidates that were in fewer than `exposures` slates, alike."""

    share: Share = 0.1
    exposures: Annotated[int, msgspec.Meta(ge=1)] = 100


class Diversity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is wished where a setting is 0 or missing.

    `mmr`, `dpp` and `calibration` are what λ is to their authors: the weight against 1 − λ for the score, with scores
    divided by their spread, so that a setting means the same whatever scores are made of. `serendipity` is the share of
    each slot's probability for candidates that the user's history does not suggest.
    """

    mmr: Balance = 0.0
    dpp: Balance = 0.0
    calibration: Balance = 0.0
    seen: Seen | None = None
    serendipity: Share = 0.0
    newcomers: Newcomers | None = None

    @property
    def moves_scores(self) -> bool:
        return bool(self.mmr or self.dpp or self.calibration or self.seen)

    def __post_init__(self) -> None:
        shares = self.serendipity + (self.newcomers.share if self.newcomers is not None else 0.0)
        if shares > 1.0:
            raise ValueError(f"serendipity + newcomers.share == {shares:g}, must be at most 1")


UNSHAPED = Diversity()
