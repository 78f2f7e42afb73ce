"""SQLite behind the server: a database, and a store, which is one transaction on it.

Every request runs in one transaction: a consistent read, or a write that excludes other writers
(`BEGIN IMMEDIATE`). What a request did is undone when it fails, except for what it asked to `keep`.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import Clock, to_db
from .ids import UlidFactory
from .problems import internal
from .sqlfunctions import AGGREGATES, FUNCTIONS

Row = sqlite3.Row
Parameters = Sequence[Any] | Mapping[str, Any]

_SETTINGS_DDL = "CREATE TABLE IF NOT EXISTS server_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);"


class Duplicate(Exception):
    """A write broke a unique index."""


@dataclass(frozen=True)
class Settings:
    """What an operator sets at OpenMeter's start; `config` is OpenMeter's own configuration, `db_pool` how many
    connections it has to its database (0: enough)."""

    credits_enabled: bool = True
    unit_config_enabled: bool = True
    dedupe_enabled: bool = True
    db_pool: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject_hook(self) -> bool:
        """Whether subjects make customers (`customer.enableSubjectHook`)."""
        return bool((self.config.get("customer") or {}).get("enableSubjectHook", False))

    @property
    def subject_hook_ignores_errors(self) -> bool:
        """Whether a subject is written although its customer cannot be (`customer.ignoreErrors`)."""
        return bool((self.config.get("customer") or {}).get("ignoreErrors", False))

    @property
    def reserved_event_types(self) -> list[str]:
        """Patterns of event types that meters may not use."""
        return list(self.config.get("reservedEventTypes") or [])


class Store:
    """One transaction. Resources read and write through it, and take time and ids from it."""

    def __init__(self, connection: sqlite3.Connection, database: Database) -> None:
        self._connection = connection
        self._database = database

    @property
    def settings(self) -> Settings:
        return self._database.settings

    @property
    def clock(self) -> Clock:
        return self._database.clock

    def now(self) -> datetime:
        return self._database.clock.now()

    def stamp(self) -> str:
        """Now, in the database's form."""
        return to_db(self._database.clock.now())

    def new_id(self) -> str:
        return self._database.ids.make(self._database.clock.now())

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement; answers how many rows it changed."""
        try:
            return self._connection.execute(sql, parameters).rowcount
        except sqlite3.IntegrityError as error:
            raise Duplicate(str(error)) from error

    def execute_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        try:
            self._connection.executemany(sql, parameters)
        except sqlite3.IntegrityError as error:
            raise Duplicate(str(error)) from error

    def insert(self, table: str, values: Mapping[str, Any]) -> None:
        """Insert one row given as column to value."""
        _refuse_nul(values)
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))

    def update(self, table: str, values: Mapping[str, Any], *, id: str) -> None:
        """Change the named columns of the row with this id."""
        _refuse_nul(values)
        assignments = ", ".join(f"{column} = ?" for column in values)
        self.execute(f"UPDATE {table} SET {assignments} WHERE id = ?", [*values.values(), id])

    def one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """The first column of the first row, or None."""
        row = self._connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def keep(self) -> None:
        """Make what was done so far last, whatever becomes of the rest of the request."""
        self._connection.commit()
        self._connection.execute("BEGIN IMMEDIATE")

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """A part that is undone when it raises, while the rest of the transaction stands."""
        self._connection.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO attempt")
            self._connection.execute("RELEASE attempt")
            raise
        self._connection.execute("RELEASE attempt")


class Database:
    """The database, its clock, ids and settings; hands out stores.

    A file is opened by as many connections as there are requests at a time (WAL: readers do not wait for the
    writer). Memory belongs to one connection, so there requests take turns.
    """

    def __init__(self, path: str, ddl: Sequence[str]) -> None:
        self.clock = Clock()
        self.ids = UlidFactory()
        self.settings = Settings()
        self._path = path
        self._in_memory = path == ":memory:"
        self._ddl = [_SETTINGS_DDL, *ddl]
        # Writers take turns here, so that they need not find out about each other by waiting for the file.
        self._writer = threading.Lock()
        self._turn = threading.Lock()
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        connection = self._connect()
        self._create_tables(connection)
        self._load_settings(connection)
        self._idle.append(connection)
        self._closing = weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def read(self) -> Iterator[Store]:
        """A store that sees one state of the database throughout. Not to be nested."""
        with self._turn if self._in_memory else nullcontext(), self._transaction("BEGIN") as store:
            yield store

    @contextmanager
    def write(self) -> Iterator[Store]:
        """A store that may write; committed at the end, undone when the block raises. Not to be nested."""
        with self._turn if self._in_memory else self._writer, self._transaction("BEGIN IMMEDIATE") as store:
            yield store

    def reset(self, settings: Settings) -> None:
        """Drop everything and start over with these settings and real time."""
        self.clock.set(None)
        with self.write() as store:
            for row in store.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
                store.execute(f'DELETE FROM "{row["name"]}"')
            document = {
                "credits_enabled": settings.credits_enabled,
                "unit_config_enabled": settings.unit_config_enabled,
                "dedupe_enabled": settings.dedupe_enabled,
                "db_pool": settings.db_pool,
                "config": dict(settings.config),
            }
            store.insert("server_settings", {"name": "settings", "value": json.dumps(document)})
        self.settings = settings

    def close(self) -> None:
        """Close the connections, those that are in use as soon as they are not. What is asked after that is refused."""
        with self._pool_lock:
            self._closing()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Store]:
        connection = self._take()
        try:
            connection.execute(begin)
            try:
                yield Store(connection, self)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        finally:
            with self._pool_lock:
                if self._closing.alive:
                    self._idle.append(connection)
                else:
                    connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._pool_lock:
            if not self._closing.alive:
                raise internal()  # whoever asks now was left behind by a reader that has gone
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=60, cached_statements=512
        )
        connection.row_factory = sqlite3.Row
        for name, arguments, function in (("contains_fold", 2, _contains_fold), *FUNCTIONS):
            connection.create_function(name, arguments, function, deterministic=True)
        for name, arguments, aggregate in AGGREGATES:
            connection.create_aggregate(name, arguments, aggregate)
        if not self._in_memory:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -32000")
        return connection

    def _create_tables(self, connection: sqlite3.Connection) -> None:
        for script in self._ddl:
            connection.executescript(script)

    def _load_settings(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT value FROM server_settings WHERE name = 'settings'").fetchone()
        if row is not None:
            self.settings = Settings(**json.loads(row["value"]))


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()


def _refuse_nul(values: Mapping[str, Any]) -> None:
    """PostgreSQL takes no NUL in texts, nor in JSON; OpenMeter fails on one."""
    for value in values.values():
        if isinstance(value, str) and ("\x00" in value or _is_json_with_nul(value)):
            raise internal()


def _is_json_with_nul(text: str) -> bool:
    """Whether it is JSON with an escaped NUL in it; a backslash that is itself escaped makes none."""
    return text[:1] in ("{", "[", '"') and re.search(r"(?<!\\)(?:\\\\)*\\u0000", text) is not None


def _contains_fold(text: str | None, part: str) -> bool:
    """PostgreSQL's ILIKE '%part%' with the part taken literally."""
    return text is not None and part.lower() in text.lower()
