"""How a strategy's weights are learned, as settings."""

from typing import Annotated

import msgspec


class Learning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table size, step size, and how fast steps shrink (0: never, so that the model follows a changing world).

    At `power_t` 0.5 exactly, Vowpal Wabbit takes the processor's approximate reciprocal square root, whose last digits
    differ from machine to machine; anything else replays alike everywhere.
    """

    bits: Annotated[int, msgspec.Meta(ge=10, le=26)] = 18
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 0.02
    power_t: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.45
