"""The tables of a Bandstand database and the version of their schema."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlmodel import Field, SQLModel

SCHEMA = 1
"""Goes up with every change that an older release could not work with; a release refuses a number above its own."""

_POSITION = BigInteger().with_variant(Integer, "sqlite")
"""In SQLite only a column typed INTEGER is the row's own id, which saves an index."""

_NAME = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte: an index in a language's order breaks when the operating system revises that order."""


class _Row(SQLModel):
    metadata = MetaData()


class EntryRow(_Row, table=True):
    """A line of the log. `body` is the fact as `events.encode` writes it; the rest is what is searched for."""

    __tablename__ = "entry"
    __table_args__ = (Index("entry_subject", "subject", "seq"),)

    seq: int = Field(sa_column=Column(_POSITION, primary_key=True, autoincrement=False))
    at: float = Field(sa_type=Double)
    kind: str = Field(sa_type=Text)
    key: str | None = Field(sa_column=Column(_NAME, unique=True))
    subject: str | None = Field(sa_column=Column(_NAME))
    body: str = Field(sa_type=Text)


class SnapshotRow(_Row, table=True):
    """A snapshot. `body` comes last, or SQLite would have to walk through all of it to reach what stands behind."""

    __tablename__ = "snapshot"

    kind: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(sa_column=Column(_POSITION, primary_key=True, autoincrement=False))
    sha256: str = Field(sa_type=Text)
    created: float = Field(sa_type=Double)
    body: bytes = Field(sa_type=LargeBinary)


class MetaRow(_Row, table=True):
    """What the database says about itself."""

    __tablename__ = "meta"

    name: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)


METADATA: MetaData = _Row.metadata
ENTRY: Table = METADATA.tables["entry"]
SNAPSHOT: Table = METADATA.tables["snapshot"]
META: Table = METADATA.tables["meta"]
