"""The compiled inner loops of `_native.c`, or None where they could not be built.

Then NumPy does the same, to the last bit, and more slowly; `tests/contracts/test_native.py` holds the two equal.
"""

from types import ModuleType

native: ModuleType | None
try:
    from bandstand import _native as native
except ImportError:
    native = None
