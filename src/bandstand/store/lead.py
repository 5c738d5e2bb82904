"""Which of the processes that write one log does what only one of them may do."""

from binascii import crc32
from threading import Lock

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bandstand.store.database import BAND, parsed, server_engine


class Lead:
    """Whether this process leads, among those that serve from the database at `url`.

    On PostgreSQL it is an advisory lock of a connection that is kept for that: it passes on when that connection ends,
    in whatever way. Then two may believe to lead for a moment; what they do must bear it. An SQLite file has one
    writer, who leads.
    """

    def __init__(self, url: str, *, purpose: str) -> None:
        address = parsed(url)
        shared = address.drivername == "postgresql"
        self._engine = server_engine(address).execution_options(isolation_level="AUTOCOMMIT") if shared else None
        self._number = crc32(purpose.encode()) >> 1
        self._connection: Connection | None = None
        self._turn = Lock()

    def held(self) -> bool:
        """Ask the database; False as well where it cannot be reached."""
        with self._turn:
            if self._engine is None:
                return True
            try:
                if self._connection is not None:
                    self._connection.exec_driver_sql("SELECT 1")
                    return True
                connection = self._engine.connect()
                asked = f"SELECT pg_try_advisory_lock({BAND}, {self._number})"
                if connection.exec_driver_sql(asked).scalar_one():
                    self._connection = connection
                else:
                    connection.close()
                return self._connection is not None
            except DBAPIError:
                self._let_go()
                return False

    def close(self) -> None:
        with self._turn:
            self._let_go()
            if self._engine is not None:
                self._engine.dispose()

    def _let_go(self) -> None:
        """A connection that went back into the pool would keep its lock."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None
