"""Which of an app's times are believed, and what to do about the others."""

from datetime import UTC, datetime, timedelta

import msgspec

from bandstand.api.bodies import Time
from bandstand.errors import InputError

_DAY_S = 86_400.0
_AROUND_S = _DAY_S
_AHEAD_S = 300.0
_EARLY_S = 120.0
_OLDEST_S = 90 * _DAY_S
_FIRST_S = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST_S = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def local_time(text: object, *, now: float) -> tuple[float, int]:
    """A request's time, in seconds since the epoch, and its distance from UTC; InputError beyond a day from now."""
    field = "context.time"
    try:
        time = msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InputError(
            f"{field} == {text!r:.60}, must be a time with its offset; add one such as Z or +01:00, "
            "as in 2026-11-21T08:30:00+01:00",
            field=field,
        ) from None
    found = time.timestamp()
    if abs(found - now) > _AROUND_S:
        raise InputError(
            f"{field} == {time.isoformat()}, must be within a day of the server's clock, {_written(now)}; "
            "leave it out where it is the present, and use `bandstand import` for history",
            field=field,
        )
    offset = time.utcoffset() or timedelta()
    return found, int(offset.total_seconds())


def past(time: datetime | None, *, now: float) -> float | None:
    """When something happened, in seconds since the epoch: up to 90 days ago, and no clock is 5 minutes ahead."""
    if time is None:
        return None
    found = time.timestamp()
    if found > now + _AHEAD_S:
        raise InputError(
            f"time == {time.isoformat()}, must be at most 5 minutes ahead of the server's clock, {_written(now)}; "
            "set the client's clock, or leave time out",
            field="time",
        )
    if found < now - _OLDEST_S:
        raise InputError(
            f"time == {time.isoformat()}, must be at most 90 days before {_written(now)}; "
            "use `bandstand import` for history",
            field="time",
        )
    return found


def check_not_early(time: float, *, decided: float) -> None:
    """InputError where something happened before the decision that it came of."""
    if time < decided - _EARLY_S:
        raise InputError(
            f"time == {_written(time)}, must be at most 2 minutes before its decision, {_written(decided)}; "
            "set the client's clock, or leave time out",
            field="time",
            code="early",
        )


def utc(seconds: float) -> datetime:
    """The instant in UTC; the calendar's first or last second for one beyond it, as offsets from there may be."""
    return datetime.fromtimestamp(min(max(seconds, _FIRST_S), _LAST_S), UTC)


def _written(seconds: float) -> str:
    return utc(seconds).isoformat(timespec="seconds").replace("+00:00", "Z")
