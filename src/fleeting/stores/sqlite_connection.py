"""SQLite's hot path: what its two threads do, in hand-written statements (DESIGN D7)."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleeting.core.evidence import extend, head_after, microseconds, storable
from fleeting.core.model import TokenRecord
from fleeting.ports import (
    NOTHING_LOADED,
    ChainHead,
    Claim,
    Clock,
    Outcome,
    PolicyState,
    StoreUnavailableError,
    Write,
    WriteRefusedError,
)
from fleeting.stores.bodies import body_text
from fleeting.stores.engines import connect_sqlite
from fleeting.stores.pruning import PING_LIFE, new_chain
from fleeting.stores.schema import (
    directory_row,
    kept_row,
    policy_state_of,
    state_row,
    token_record,
    token_row,
)
from fleeting.stores.settlement import ClaimKey, Settlement, UseKey, cut_off, use_key
from fleeting.stores.sqlite_records import load_cut, load_revisions, save_records

_CLAIM = "INSERT INTO proofs VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_RELEASE = "DELETE FROM proofs WHERE space = ? AND digest = ?"
_PING = (
    "INSERT INTO proofs VALUES ('ping', ?, ?) "
    "ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at"
)
_TOKEN = "SELECT * FROM tokens WHERE jti = ?"  # noqa: S105 -- SQL
_USE = "SELECT number FROM uses WHERE jti = ? AND digest = ?"
_ISSUE = "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHANGE = "UPDATE tokens SET used = ?, revoked_at = ? WHERE jti = ?"
_SPEND = "INSERT INTO uses VALUES (?, ?, ?)"
_RECORD = "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BEGIN_CHAIN = "INSERT INTO chains VALUES (?, ?, ?, ?)"
_MOVE_HEAD = "UPDATE chains SET sequence = ?, hash = ?, at = ? WHERE writer = ? AND sequence = ?"

_POLICY = "SELECT revision, live, candidate, live_since FROM policy_state WHERE id = 1"
_MOVE_POLICY = (
    "INSERT INTO policy_state VALUES (1, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
    "SET revision = excluded.revision, live = excluded.live, candidate = excluded.candidate, "
    "live_since = excluded.live_since"
)
_KEEP_SET = (
    "INSERT INTO policy_sets VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (digest) DO UPDATE SET body = excluded.body"  # heals a text that was altered
)
_SEE_DIRECTORY = (
    "INSERT INTO policy_directories VALUES (?, ?, ?) "
    "ON CONFLICT (place) DO UPDATE SET digest = excluded.digest, seen_at = excluded.seen_at"
)

_REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)


class _Connection:
    """A connection that opens itself when needed, and anew after any failure.

    Not for two threads at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def get(self) -> sqlite3.Connection:
        """Return the open connection."""
        if self._connection is None:
            self._file = self._identity()
            self._connection = connect_sqlite(self._path)
        return self._connection

    def check_file(self) -> None:
        """Refuse to go on with a file that was deleted or replaced: it takes writes all the same.

        Raises:
            OSError: the path leads elsewhere now, or nowhere.
        """
        if self._identity() != self._file:
            raise FileNotFoundError(f"{self._path} was replaced by another file")

    def close(self) -> None:
        """Let go of it, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _identity(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for one deed; after a failure of any kind, nothing of it is left."""
        try:
            yield self.get()
        except _REFUSALS as error:
            self.close()
            raise WriteRefusedError(str(error)) from error
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreUnavailableError(f"{self._path}: {error}") from error
        except BaseException:
            self.close()
            raise


class SqliteReader(_Connection):
    """The thread that reads what is asked for often: tokens, and which policies are in force."""

    def find(self, jtis: Sequence[str]) -> list[TokenRecord | None]:
        """Return what is remembered of each of *jtis*.

        Raises:
            StoreUnavailableError: the file cannot be read.
        """
        with self.using() as connection:
            found = [_token(connection, jti) for jti in jtis]
            cut = load_cut(connection, [record for record in found if record is not None])
            self.check_file()
            return [None if record is None else cut_off(record, cut) for record in found]

    def policy(self) -> PolicyState:
        """Return which policy sets are in force.

        Raises:
            StoreUnavailableError: the file cannot be read.
        """
        with self.using() as connection:
            state = _policy(connection)
            self.check_file()
            return state


class SqliteWriter(_Connection):
    """The thread that writes, and its chain."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path)
        self._clock = clock
        self._head = new_chain()

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Do *writes* in one durable transaction.

        After a COMMIT that failed the next batch begins a new chain: it may have happened all the
        same, and then the old chain is longer than we know.

        Raises:
            StoreUnavailableError: none of them may be told as done.
            WriteRefusedError: one of them cannot be stored; none was done.
        """
        with self.using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            settlement = self._load(connection, writes)
            outcomes = settlement.settle(writes)
            _save(connection, settlement)
            head = _append(connection, self._head, settlement)
            self._head = new_chain()
            self.check_file()  # before: so that what is refused was not done all the same
            connection.execute("COMMIT")
            self.check_file()
        self._head = head
        return outcomes

    def ping(self) -> None:
        """Commit one row that means nothing, always the same.

        Raises:
            StoreUnavailableError: a write is not possible.
        """
        with self.using() as connection:
            mark = self._head.writer.encode(), microseconds(self._clock.now() + PING_LIFE)
            connection.execute(_PING, mark)
            self.check_file()

    def _load(self, connection: sqlite3.Connection, writes: Sequence[Write]) -> Settlement:
        """Take the batch's claims, and read what its spends and revocations are about."""
        fresh: set[ClaimKey] = set()
        tokens: dict[str, TokenRecord] = {}
        uses: dict[UseKey, int] = {}
        for write in writes:
            for claim in write.claims:
                if _claim(connection, claim):
                    fresh.add((claim.space, claim.digest))
            if write.spend is not None:
                _load_token(connection, write.spend.jti, tokens)
                key = use_key(write.spend)
                number = connection.execute(_USE, (storable(key[0]), key[1])).fetchone()
                if number is not None:
                    uses[key] = number[0]
            if write.revoke is not None:
                _load_token(connection, write.revoke.jti, tokens)
        moves = any(write.move is not None for write in writes)
        policy = _policy(connection) if moves else NOTHING_LOADED
        return Settlement(
            fresh,
            tokens,
            uses,
            self._clock.now(),
            policy,
            load_revisions(connection, writes),
            load_cut(connection, tokens.values()),
        )


def _claim(connection: sqlite3.Connection, claim: Claim) -> bool:
    row = storable(claim.space), claim.digest, microseconds(claim.expires_at)
    return connection.execute(_CLAIM, row).rowcount == 1


def _policy(connection: sqlite3.Connection) -> PolicyState:
    row = connection.execute(_POLICY).fetchone()
    return NOTHING_LOADED if row is None else policy_state_of(*row)


def _token(connection: sqlite3.Connection, jti: str) -> TokenRecord | None:
    row = connection.execute(_TOKEN, (storable(jti),)).fetchone()
    return None if row is None else token_record(row)


def _load_token(connection: sqlite3.Connection, jti: str, tokens: dict[str, TokenRecord]) -> None:
    if jti not in tokens:
        record = _token(connection, jti)
        if record is not None:
            tokens[jti] = record


def _save(connection: sqlite3.Connection, settlement: Settlement) -> None:
    for space, digest in settlement.fresh:
        connection.execute(_RELEASE, (storable(space), digest))
    if settlement.issued:
        connection.executemany(_ISSUE, map(token_row, settlement.issued.values()))
    for record in settlement.changed.values():
        revoked_at = None if record.revoked_at is None else microseconds(record.revoked_at)
        connection.execute(_CHANGE, (record.used, revoked_at, storable(record.jti)))
    if settlement.spent:
        spent = settlement.spent.items()
        rows = ((storable(jti), digest, number) for (jti, digest), number in spent)
        connection.executemany(_SPEND, rows)
    if settlement.moves:
        _save_policy(connection, settlement)
    if settlement.records or settlement.cutoffs:
        save_records(connection, settlement)


def _save_policy(connection: sqlite3.Connection, settlement: Settlement) -> None:
    for move in settlement.moves:
        if move.keep is not None:
            connection.execute(_KEEP_SET, kept_row(move.keep))
        if move.directory is not None:
            connection.execute(_SEE_DIRECTORY, directory_row(move.directory))
    connection.execute(_MOVE_POLICY, state_row(settlement.policy))


def _append(connection: sqlite3.Connection, head: ChainHead, settlement: Settlement) -> ChainHead:
    """Add the batch's entries to the chain at *head*, or to a new one if that was pruned away."""
    rows = extend(head, settlement.entries, write_body=body_text)
    if not rows:
        return head
    last = rows[-1]
    if head.sequence == 0:
        connection.execute(_BEGIN_CHAIN, (last.writer, last.sequence, last.hash, last.at_us))
    else:
        moved = (last.sequence, last.hash, last.at_us, head.writer, head.sequence)
        if connection.execute(_MOVE_HEAD, moved).rowcount == 0:
            return _append(connection, new_chain(), settlement)
    connection.executemany(_RECORD, rows)
    return head_after(last)
