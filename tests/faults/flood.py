"""A flood: requests for slates that are sent when they are due, whatever becomes of those before.

It pours from a process of its own, from plain sockets in one loop, some 50 µs of processor time a request: a client
that is slower than the server measures itself.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from .traffic import Acknowledged


class Flood:
    """`rate` requests a second, at chance instants, from at most so many connections: where none is free a request is
    late, and how long it `took`, by status, counts from when it was due."""

    def __init__(self, port: int, *, rate: float, seconds: float, connections: int = 1000, seed: str = "") -> None:
        self.acknowledged = Acknowledged()
        self.took: dict[int, list[float]] = defaultdict(list)
        self.broken = 0
        self.without_retry_after = 0
        self._seconds = seconds
        self._job = {"port": port, "rate": rate, "seconds": seconds, "connections": connections, "seed": seed}

    @property
    def per_s(self) -> float:
        """Slates a second."""
        return len(self.took[200]) / self._seconds

    def run(self) -> "Flood":
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("pour.py")), json.dumps(self._job)],
            stdout=subprocess.PIPE,
            check=True,
        )
        told: dict[str, Any] = json.loads(done.stdout)
        self.broken, self.without_retry_after = told["broken"], told["without_retry_after"]
        for status, took in told["took"].items():
            self.took[int(status)] = took
        for slate in told["slates"]:
            self.acknowledged.decided(json.loads(slate))
        return self
