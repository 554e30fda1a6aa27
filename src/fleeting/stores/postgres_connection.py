"""PostgreSQL's hot path: whole batches as arrays, a few statements each (DESIGN D7)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from fleeting.core.evidence import (
    ChainHead,
    StoredEntry,
    extend,
    head_after,
    microseconds,
    storable,
)
from fleeting.core.model import TokenRecord
from fleeting.ports import (
    NOTHING_LOADED,
    Clock,
    Outcome,
    PolicyState,
    StoreUnavailableError,
    Write,
    WriteRefusedError,
)
from fleeting.stores.bodies import body_text
from fleeting.stores.engines import CONNECT_SECONDS
from fleeting.stores.postgres_records import load_cut, load_revisions, lock, save_records
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

WRITE_SECONDS = 5
"""How long a batch, or one statement of it, may take."""

_ATTEMPTS = 4

_CLAIM = (
    "INSERT INTO proofs SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[]) "
    "ON CONFLICT DO NOTHING RETURNING space, digest"
)
_RELEASE = (
    "DELETE FROM proofs USING unnest($1::text[], $2::bytea[]) AS unused (space, digest) "
    "WHERE proofs.space = unused.space AND proofs.digest = unused.digest"
)
_PING = (
    "INSERT INTO proofs VALUES ('ping', $1, $2) "
    "ON CONFLICT (space, digest) DO UPDATE SET expires_at = excluded.expires_at"
)
_FIND = "SELECT * FROM tokens WHERE jti = ANY($1::text[])"
_LOCK = _FIND + " ORDER BY jti FOR UPDATE"  # one order for all, so that no two wait in a circle
_USES = (
    "SELECT jti, digest, number FROM uses "
    "JOIN unnest($1::text[], $2::bytea[]) AS asked (jti, digest) USING (jti, digest)"
)
_SAVE = (
    "WITH issued AS (INSERT INTO tokens SELECT * FROM unnest($1::text[], $2::text[], $3::text[], "
    "$4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], "
    "$11::bigint[])), "
    "changed AS (UPDATE tokens SET used = new.used, revoked_at = new.revoked_at "
    "FROM unnest($12::text[], $13::bigint[], $14::bigint[]) AS new (jti, used, revoked_at) "
    "WHERE tokens.jti = new.jti), "
    "spent AS (INSERT INTO uses SELECT * FROM unnest($15::text[], $16::bytea[], $17::bigint[])), "
    "recorded AS (INSERT INTO ledger SELECT * FROM unnest($18::text[], $19::bigint[], $20::text[], "
    "$21::bigint[], $22::text[], $23::text[], $24::text[], $25::text[], $26::bytea[], "
    "$27::bytea[])) "
)
_BEGIN_CHAIN = f"{_SAVE} INSERT INTO chains VALUES ($28, $29, $30, $31) RETURNING 1"  # noqa: S608 -- constants
_MOVE_HEAD = (
    f"{_SAVE} UPDATE chains SET sequence = $29, hash = $30, at = $31 "  # noqa: S608 -- constants
    "WHERE writer = $28 AND sequence = $32 RETURNING 1"
)
_SAVE_ALONE = f"{_SAVE} SELECT 1"

_POLICY = "SELECT revision, live, candidate, live_since FROM policy_state WHERE id = 1"
_MOVE_POLICY = (
    "INSERT INTO policy_state VALUES (1, $1, $2, $3, $4) ON CONFLICT (id) DO UPDATE "
    "SET revision = excluded.revision, live = excluded.live, candidate = excluded.candidate, "
    "live_since = excluded.live_since"
)
_KEEP_SET = (
    "INSERT INTO policy_sets VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (digest) DO UPDATE SET body = excluded.body"  # heals a text that was altered
)
_SEE_DIRECTORY = (
    "INSERT INTO policy_directories VALUES ($1, $2, $3) "
    "ON CONFLICT (place) DO UPDATE SET digest = excluded.digest, seen_at = excluded.seen_at"
)

_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
_SETTINGS = {
    "application_name": "fleeting",
    "timezone": "UTC",
    "statement_timeout": str(WRITE_SECONDS * 1000),
    "idle_in_transaction_session_timeout": str(4 * WRITE_SECONDS * 1000),
}

_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class _ChainEndedError(Exception):
    """The chain we were at was pruned away while we were idle."""


class _Connection:
    """A connection that opens itself when needed, and anew after any failure."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Let go of it, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Any]:
        """Lend the connection for one deed of bounded time; if it fails, nothing of it is left."""
        async with self._lock:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    connection = await self._get()
                async with asyncio.timeout(WRITE_SECONDS):
                    yield connection
            except (asyncpg.TransactionRollbackError, _ChainEndedError):
                await self.close()
                raise
            except _REFUSALS as error:
                await self.close()
                raise WriteRefusedError(str(error)) from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                await self.close()
                words = str(error) or type(error).__name__
                raise StoreUnavailableError(f"PostgreSQL: {words}") from error
            except BaseException:
                await self.close()
                raise

    async def _get(self) -> Any:  # noqa: ANN401 -- asyncpg has no types
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, server_settings=_SETTINGS)
            await self._connection.execute(_DURABLE)
        return self._connection


class PostgresReader(_Connection):
    """The connection that reads what is asked for often: tokens, and the policies in force."""

    async def find(self, jtis: Sequence[str]) -> list[TokenRecord | None]:
        """Return what is remembered of each of *jtis*.

        Raises:
            StoreUnavailableError: PostgreSQL cannot answer.
        """
        async with self.using() as connection:
            rows = await connection.fetch(_FIND, [storable(jti) for jti in jtis])
            found = {record.jti: record for record in map(token_record, rows)}
            cut = await load_cut(connection, found.values())
        found = {jti: cut_off(record, cut) for jti, record in found.items()}
        return [found.get(jti) for jti in jtis]

    async def policy(self) -> PolicyState:
        """Return which policy sets are in force.

        Raises:
            StoreUnavailableError: PostgreSQL cannot answer.
        """
        async with self.using() as connection:
            return _policy(await connection.fetchrow(_POLICY))


class PostgresWriter(_Connection):
    """The connection that writes, and its chain."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url)
        self._clock = clock
        self._head = new_chain()

    async def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Do *writes* in one durable transaction, again where another one was in its way.

        After a COMMIT that failed the next batch begins a new chain: it may have happened all the
        same, and then the old chain is longer than we know.

        Raises:
            StoreUnavailableError: none of them may be told as done.
            WriteRefusedError: one of them cannot be stored; none was done.
        """
        for _ in range(_ATTEMPTS):
            try:
                return await self._attempt(writes)
            except asyncpg.TransactionRollbackError:  # a deadlock, or whatever else is our fate
                continue
            except _ChainEndedError:
                self._head = new_chain()
        raise StoreUnavailableError("PostgreSQL: too many transactions in each other's way")

    async def ping(self) -> None:
        """Commit one row that means nothing, always the same.

        Raises:
            StoreUnavailableError: a write is not possible.
        """
        async with self.using() as connection:
            end = microseconds(self._clock.now() + PING_LIFE)
            await connection.execute(_PING, self._head.writer.encode(), end)

    async def _attempt(self, writes: Sequence[Write]) -> list[Outcome]:
        async with self.using() as connection:
            await connection.execute("BEGIN")
            await lock(connection, writes)
            settlement = await self._load(connection, writes)
            outcomes = settlement.settle(writes)
            if settlement.fresh:
                unused = [(storable(space), digest) for space, digest in settlement.fresh]
                await connection.execute(_RELEASE, *_columns(unused, 2))
            if settlement.moves:
                await _save_policy(connection, settlement)
            if settlement.records or settlement.cutoffs:
                await save_records(connection, settlement)
            head = await _save(connection, self._head, settlement)
            self._head = new_chain()
            await connection.execute("COMMIT")
        self._head = head
        return outcomes

    async def _load(self, connection: Any, writes: Sequence[Write]) -> Settlement:  # noqa: ANN401
        """Take the batch's claims; lock and read what its spends and revocations are about."""
        claims = {
            (storable(it.space), it.digest): (it.space, it.expires_at)
            for write in reversed(writes)
            for it in reversed(write.claims)  # of one claim made twice, the first is taken
        }
        fresh: set[ClaimKey] = set()
        if claims:
            keys = sorted(claims)
            expiries = [microseconds(claims[key][1]) for key in keys]
            rows = await connection.fetch(_CLAIM, *_columns(keys, 2), expiries)
            fresh = {(claims[row[0], row[1]][0], row[1]) for row in rows}
        spends = [write.spend for write in writes if write.spend is not None]
        jtis = {spend.jti for spend in spends}
        jtis.update(write.revoke.jti for write in writes if write.revoke is not None)
        tokens: dict[str, TokenRecord] = {}
        uses: dict[UseKey, int] = {}
        if jtis:
            rows = await connection.fetch(_LOCK, [storable(jti) for jti in jtis])
            tokens = {record.jti: record for record in map(token_record, rows)}
        if spends and tokens:
            keys_of_uses = {(storable(key[0]), key[1]): key for key in map(use_key, spends)}
            rows = await connection.fetch(_USES, *_columns(keys_of_uses, 2))
            uses = {keys_of_uses[row[0], row[1]]: row[2] for row in rows}
        policy = NOTHING_LOADED
        if any(write.move is not None for write in writes):
            policy = _policy(await connection.fetchrow(f"{_POLICY} FOR UPDATE"))
        return Settlement(
            fresh,
            tokens,
            uses,
            self._clock.now(),
            policy,
            await load_revisions(connection, writes),
            await load_cut(connection, tokens.values()),
        )


def _policy(row: Any) -> PolicyState:  # noqa: ANN401
    return NOTHING_LOADED if row is None else policy_state_of(*row)


async def _save_policy(connection: Any, settlement: Settlement) -> None:  # noqa: ANN401
    for move in settlement.moves:
        if move.keep is not None:
            await connection.execute(_KEEP_SET, *kept_row(move.keep))
        if move.directory is not None:
            await connection.execute(_SEE_DIRECTORY, *directory_row(move.directory))
    await connection.execute(_MOVE_POLICY, *state_row(settlement.policy))


async def _save(connection: Any, head: ChainHead, settlement: Settlement) -> ChainHead:  # noqa: ANN401
    """Save what the batch came to, in one statement, and return where the chain stands then."""
    entries = extend(head, settlement.entries, write_body=body_text)
    arrays = [
        *_columns(map(token_row, settlement.issued.values()), 11),
        *_columns(map(_change, settlement.changed.values()), 3),
        *_columns(((storable(j), d, n) for (j, d), n in settlement.spent.items()), 3),
        *_columns(entries, len(StoredEntry._fields)),
    ]
    if not entries:
        if settlement.issued or settlement.changed or settlement.spent:
            await connection.fetchval(_SAVE_ALONE, *arrays)
        return head
    last = entries[-1]
    place = [last.writer, last.sequence, last.hash, last.at_us]
    if head.sequence == 0:
        await connection.fetchval(_BEGIN_CHAIN, *arrays, *place)
    elif await connection.fetchval(_MOVE_HEAD, *arrays, *place, head.sequence) is None:
        raise _ChainEndedError
    return head_after(last)


def _columns(rows: Iterable[Sequence[object]], count: int) -> list[Sequence[object]]:
    """Return *rows* as *count* arrays."""
    return list(zip(*rows, strict=True)) or [()] * count


def _change(record: TokenRecord) -> tuple[str, int, int | None]:
    revoked_at = None if record.revoked_at is None else microseconds(record.revoked_at)
    return storable(record.jti), record.used, revoked_at
