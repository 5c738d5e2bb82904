"""The compiled inner loops of `_native*.c`, or None where they could not be built.

Then NumPy does the same, more slowly: what decides to the last bit, statistics up to the rounding of their sums;
`tests/contracts/test_native*.py` hold the two equal.
"""

from types import ModuleType

native: ModuleType | None
try:
    from bandstand import _native as native
except ImportError:
    native = None
