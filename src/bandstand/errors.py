"""What can go wrong, as one tree.

BandstandError
├── InputError      the caller sent something that cannot be accepted as it stands
├── UnknownError    a name in the request is not defined
├── ConflictError   it contradicts what is already recorded
├── BusyError       it may succeed when tried again later
└── StoreError      the database or a snapshot cannot be used
"""


class BandstandError(Exception):
    """An expected failure. Its text says subject, value, rule and remedy; `code` and `field` are for machines."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        if code is not None:
            self.code = code


class InputError(BandstandError):
    code = "invalid"


class UnknownError(BandstandError):
    code = "unknown"


class ConflictError(BandstandError):
    code = "conflict"


class BusyError(BandstandError):
    code = "busy"


class StoreError(BandstandError):
    code = "store"
