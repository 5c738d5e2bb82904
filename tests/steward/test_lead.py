"""One of several servers leads; another takes over when it is gone."""

import os
from contextlib import ExitStack, closing

import psycopg
import pytest

from bandstand.store.lead import Lead

POSTGRES = os.environ.get("BANDSTAND_TEST_POSTGRES")


def test_writer_of_a_file_always_leads() -> None:
    assert all(Lead(url, purpose="p").held() for url in ("memory://", "sqlite:///a.db"))


@pytest.mark.skipif(POSTGRES is None, reason="BANDSTAND_TEST_POSTGRES names no server")
def test_one_leads_and_the_next_takes_over_however_it_ends() -> None:
    assert POSTGRES is not None
    purpose = f"test {os.getpid()}"
    with ExitStack() as stack:
        first, second, third, other = (
            stack.enter_context(closing(Lead(POSTGRES, purpose=whose)))
            for whose in (purpose, purpose, purpose, f"other {os.getpid()}")
        )
        assert [lead.held() for lead in (first, second, first, other)] == [True, False, True, True]
        first.close()
        assert [second.held(), third.held()] == [True, False]
        with psycopg.connect(POSTGRES, autocommit=True) as server:  # its connection is cut, as by a network that fails
            # The server only asks the backend to end; ten seconds are what this waits until it has ended.
            ended = server.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND objid = %s",
                (second._number,),
            ).fetchall()
        assert ended == [(True,)]
        assert [third.held(), second.held(), second.held()] == [True, False, False]


@pytest.mark.skipif(POSTGRES is None, reason="BANDSTAND_TEST_POSTGRES names no server")
def test_server_that_cannot_be_reached_does_not_lead() -> None:
    lead = Lead("postgresql://nobody@127.0.0.1:1/none", purpose="p")
    assert not lead.held()
    lead.close()
