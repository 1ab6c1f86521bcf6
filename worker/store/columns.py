"""What tables are made of: the columns, keys and indexes that many of them have."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SERIAL = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only an INTEGER PRIMARY KEY
BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")  # sorts by bytes, as SQLite does everywhere
CHURNED: Final[dict[str, Any]] = {"postgresql_with": {"fillfactor": 70}}
"""Leaves room for a changed row in the page of the old one, which serves changes that touch no index."""


def new_table(name: str, *parts: Any, **options: Any) -> Table:
    return Table(name, metadata, *parts, **options)


def id_of(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def text_of(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def bytewise(name: str) -> Column[str]:
    return Column(name, BYTEWISE, nullable=False, server_default="")


def json_of(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="{}")


def number(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(default))


def flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def time_of(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def tenant() -> Column[str]:
    return Column("tenant_id", Text, nullable=False)


def partial(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
