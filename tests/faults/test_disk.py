"""A full disk: requests are refused with the reason, what was acknowledged stays, and service resumes by itself."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import Saw, Serving
from .server import Server, kill, wait_until
from .traffic import Traffic
from .verdict import judge, spread

pytestmark = pytest.mark.faults

_SIZE_MB = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "bandstand-faults", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` to make a small disk with")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_survived(serving: Serving, small_disk: Path, saw: Saw) -> None:
    server = serving()
    server.database = f"sqlite:///{small_disk / 'log.db'}"
    server.start()
    server.stock()
    before = sorted(server.pids())
    with Traffic(server.port, seed="disk").running() as traffic:
        server.wait_learned()
        filler = small_disk / "filler"
        fill(filler)
        wait_until(lambda: traffic.refused.total() > 50, within_s=20, what=lambda: "the disk does not get full")
        fill(filler)  # a checkpoint or a snapshot may have made room
        asked = [timed(server) for _ in range(20)]
        assert sorted(server.pids()) == before
        for pid in [server.learner(), *server.workers()]:
            assert pid is not None
            kill(pid)
        server.wait_ready()
        asked += [timed(server) for _ in range(20)]
        time.sleep(2.0)  # the learner's successors fail, and more than once
        filler.unlink()
        freed = time.monotonic()
        time.sleep(3.0)
        resumed = traffic.next_success(freed) - freed
        server.wait_learned()
    server.stop()
    judged = judge(server.database, traffic.acknowledged)
    saw("judged", judged)
    saw("refused", dict(traffic.refused))
    saw("time to refuse", spread(took for took, _, _ in asked))
    saw("seconds from space to the first answer", f"{resumed:.2f}")
    assert traffic.surprises == []
    assert {status for _, status, _ in asked} <= {503, 507}
    for _, _, message in asked:
        assert "the disk is full and nothing of this write was kept; free some space" in message
    assert "Traceback" not in server.log.read_text("utf-8")
    assert resumed < 5
    assert judged.learned > 0


def fill(filler: Path) -> None:
    """Write until nothing more fits."""
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def timed(server: Server) -> tuple[float, int, str]:
    """How long a refusal took, its status, and its message."""
    started = time.monotonic()
    status, answer = server.ask("POST", "/v1/rank", {"surface": "home"})
    return time.monotonic() - started, status, answer["error"]["message"]
