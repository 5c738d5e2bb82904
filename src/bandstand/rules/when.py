"""When a rule applies: instants with their offsets, and windows of the year, the week and the day."""

import re
from itertools import product
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from bandstand.errors import InputError

_DAY_S = 86_400.0
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYPARTS = ("night", "morning", "afternoon", "evening")
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:([Zz])|([+-])(\d\d):(\d\d))")


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Within a season where each of these that is given names the user's local month (1 to 12), day of the month,
    weekday or hour (0 to 23)."""

    months: tuple[Annotated[int, msgspec.Meta(ge=1, le=12)], ...] = ()
    days: tuple[Annotated[int, msgspec.Meta(ge=1, le=31)], ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    hours: tuple[Annotated[int, msgspec.Meta(ge=0, le=23)], ...] = ()

    def holds(self, moment: "Moment") -> bool:
        return (
            (not self.months or moment.month in self.months)
            and (not self.days or moment.day in self.days)
            and (not self.weekdays or moment.weekday in self.weekdays)
            and (not self.hours or moment.hour in self.hours)
        )

    @property
    def never(self) -> bool:
        """Whether no month has such a day."""
        pairs = product(self.months or range(1, 13), self.days)
        return bool(self.days) and all(day > _LONGEST_MONTHS[month - 1] for month, day in pairs)


class Moment(NamedTuple):
    """The user's local time, as far as seasons ask."""

    month: int
    day: int
    weekday: Weekday
    hour: int


def moment(time: float, utc_offset_s: int) -> Moment:
    local = time + utc_offset_s
    days = int(local // _DAY_S)
    date = np.datetime64(days, "D")
    month = date.astype("datetime64[M]")
    return Moment(
        month=int(month.astype(np.int64)) % 12 + 1,
        day=int((date - month.astype("datetime64[D]")).astype(np.int64)) + 1,
        weekday=WEEKDAYS[(days + 3) % 7],  # the epoch began on a Thursday
        hour=int(local % _DAY_S) // 3600,
    )


def instant(text: str, field: str) -> float:
    """Seconds since the epoch of a time in RFC 3339; InputError where it is none."""
    parts = _INSTANT.fullmatch(text)
    try:
        if parts is None:
            raise ValueError
        day, clock, _, sign, hours, minutes = parts.groups()
        seconds = float(np.datetime64(f"{day}T{clock}", "us").astype(np.int64)) / 1e6
    except ValueError:
        raise InputError(
            f"{field} == {text!r:.60}, must be a time with its offset; add one such as Z or +01:00, "
            "as in 2026-11-21T08:30:00+01:00",
            field=field,
        ) from None
    offset_s = 0 if sign is None else (1 if sign == "+" else -1) * (int(hours) * 3600 + int(minutes) * 60)
    return seconds - offset_s
