"""A look in a process of its own: it shares neither event loop nor interpreter lock with those who answer requests."""

import asyncio
import os
import subprocess
import sys

import msgspec

from bandstand.errors import StoreError
from bandstand.settings import PREFIX
from bandstand.steward.wishes import Look

PARENT = f"{PREFIX}STEWARD_PARENT"
"""Names the process with which a look ends: alone it would read on for nobody."""

_BEHIND = 10  # how much it lets the server go first, as the learner does
_LONGEST_S = 3600.0
_decoder = msgspec.json.Decoder(list[Look])


async def looked() -> list[Look]:
    """What `bandstand steward --dry-run` sees; StoreError where it fails or takes an hour."""
    # One thread: what is gained by more is taken from requests.
    environment = os.environ | {PARENT: str(os.getpid()), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bandstand", "steward", "--dry-run", "--json"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the server
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, _BEHIND)
    try:
        out, err = await asyncio.to_thread(process.communicate, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        raise StoreError(f"a look took more than {_LONGEST_S:g} s and was ended") from None
    finally:
        process.kill()
    if process.returncode:
        last = err.decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"
        raise StoreError(f"its process ended with {process.returncode}{f': {last}' if last else ''}")
    return _decoder.decode(out)
