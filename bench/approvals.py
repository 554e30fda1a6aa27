"""Approvals: how soon what people decide is so, at the issuer and at guards that verify offline."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import fleeting_side, load, wire
from bench import waiting as waiting_for_people
from bench.callers import SECRET_CLIENT, basic_credentials, post_form
from bench.fleeting_side import RESOURCE_CLIENT, FleetingSide
from bench.report import Section, Table, say
from fleeting.core.event_stream import MEDIA_TYPE
from fleeting.core.jose import decode_base64url
from fleeting.resource import Call, Guard, Refused, const, operation, path

PENDING = 10_000
WAITING = 1_000
GUARDS = (1, 300)
ISSUER_GOAL_MS = 100
GUARD_GOAL_MS = 1000
_WANTED = operation(
    "payment_refund", payment_id=path("payment_id"), amount=path("amount"), currency=const(["EUR"])
)
_PAUSE_SECONDS = 0.02
_LONGEST_SECONDS = 5.0
_GLANCE_SECONDS = 0.0005
_SETTLE_SECONDS = 0.3


@dataclass(slots=True)
class Lags:
    """Milliseconds from a revocation until a refusal; and what was not refused in time."""

    from_start: list[float] = field(default_factory=list)
    after_answer: list[float] = field(default_factory=list)

    def add(self, started: float, answered: float, refused: float) -> None:
        """Take one revocation; what was refused before the answer came lags by nothing."""
        self.from_start.append((refused - started) * 1000)
        self.after_answer.append(max(0.0, refused - answered) * 1000)

    def row(self, where: str, guards: int, goal: float) -> tuple[str, ...]:
        """Return a line of the table."""
        start, after = sorted(self.from_start), sorted(self.after_answer)
        reached = "yes" if _p99(start) < goal else "no"
        figures = (statistics.median(start), _p99(start), statistics.median(after), _p99(after))
        return (where, str(guards), *(f"{each:.1f}" for each in figures), f"< {goal:g}: {reached}")


def measure(*, quick: bool = False) -> Section:
    """Revoke one token after the other, with one guard connected and with hundreds."""
    count = 40 if quick else 150
    table = Table(
        ("refused", "guards", "p50 ms", "p99 ms", "after answer p50", "p99 ms", "goal ms, p99")
    )
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        side = stack.enter_context(fleeting_side.running(directory / "fleeting"))
        for guards in GUARDS:
            say(f"approvals: {count} revocations, {guards} guards")
            table.rows += load.run(_revocations(side, count, guards))
        pending, waiting = (1000, 100) if quick else (PENDING, WAITING)
        latencies = load.run(waiting_for_people.measure(side, pending, waiting))
    tokens = Table(("from the last vote", "pending", "waiting", "p50 ms", "p99 ms", "slowest ms"))
    figures = (statistics.median(latencies), _p99(latencies), latencies[-1])
    counts = (f"{pending:,}", f"{waiting:,}")
    tokens.rows.append(("to the token", *counts, *(f"{each:.1f}" for each in figures)))
    return Section("Approvals", [_WAITED, tokens, _WHAT.format(count=count), table])


async def _revocations(side: FleetingSide, count: int, guards: int) -> list[tuple[str, ...]]:
    tokens = await _tokens(side, 2 * count)
    at_issuer, at_guard = Lags(), Lags()
    async with _guard(side) as guard, _others(side, guards - 1):
        for token in tokens[:count]:
            await _until_issuer_refuses(side, token, at_issuer)
            await asyncio.sleep(_PAUSE_SECONDS)
        for token in tokens[count:]:
            await _until_guard_refuses(side, guard, token, at_guard)
            await asyncio.sleep(_PAUSE_SECONDS)
    return [
        at_issuer.row("at the issuer (spend)", guards, ISSUER_GOAL_MS),
        at_guard.row("at an offline guard", guards, GUARD_GOAL_MS),
    ]


async def _tokens(side: FleetingSide, count: int) -> list[str]:
    """Obtain bearer tokens whose uses are not counted."""
    answers = await load.gather_answers(side.callers.token_url, side.callers.basic(count))
    load.check_all(answers)
    return [answer.json()["access_token"] for answer in answers]


async def _revoke(side: FleetingSide, token: str) -> tuple[float, float]:
    """Revoke *token*, and return when that was asked and when it was answered."""
    url = f"{side.callers.issuer}/revoke"
    credentials = basic_credentials(SECRET_CLIENT, side.callers.secret)
    request = post_form(url, {"token": token}, {"Authorization": credentials})
    connection = await wire.open_connection(url)
    started = time.perf_counter()
    load.check_all([await connection.exchange(request)])
    answered = time.perf_counter()
    connection.close()
    return started, answered


async def _until_issuer_refuses(side: FleetingSide, token: str, lags: Lags) -> None:
    """Spend without a pause while the token is revoked; after the answer none may succeed."""
    connection = await wire.open_connection(side.spend_url)
    revoking: asyncio.Task[tuple[float, float]] | None = None
    spent = 0
    while True:
        sent = time.perf_counter()
        active = await _spend(side, connection, token, f"use-{spent}")
        if not active:
            break
        if revoking is not None and revoking.done() and sent > revoking.result()[1]:
            raise load.BadAnswerError("a spend that began after the revocation's answer succeeded")
        spent += 1
        revoking = revoking or asyncio.create_task(_revoke(side, token))
    refused = time.perf_counter()
    if revoking is None:
        raise load.BadAnswerError("a token that was never revoked is not active")
    lags.add(*await revoking, refused)
    connection.close()


async def _spend(side: FleetingSide, line: wire.Connection, token: str, use_id: str) -> bool:
    form = {"token": token, "use_id": use_id, "operation": json.dumps(_operation(token))}
    headers = {"Authorization": side.resource_credentials}
    answer = await line.exchange(post_form(side.spend_url, form, headers))
    load.check_all([answer])
    active: bool = answer.json()["active"]
    return active


async def _until_guard_refuses(side: FleetingSide, guard: Guard, token: str, lags: Lags) -> None:
    """Call a guarded route all the time, from before the token is revoked."""
    asked = _operation(token)
    parameters = {"payment_id": asked["payment_id"], "amount": str(asked["amount"])}
    headers = [(b"authorization", f"Bearer {token}".encode())]
    await guard.admit(Call("POST", "/", headers=headers, path_params=parameters), _WANTED, _no_body)
    revoking = asyncio.create_task(_revoke(side, token))
    until = time.perf_counter() + _LONGEST_SECONDS
    while time.perf_counter() < until:
        call = Call("POST", "/", headers=headers, path_params=parameters)
        try:
            await guard.admit(call, _WANTED, _no_body)
        except Refused:
            lags.add(*await revoking, time.perf_counter())
            return
        await asyncio.sleep(_GLANCE_SECONDS)
    raise load.BadAnswerError(f"a guard served a revoked token for {_LONGEST_SECONDS} seconds")


async def _no_body() -> bytes:
    return b""


def _operation(token: str) -> dict[str, Any]:
    """Return the one operation that *token* is for."""
    claims = json.loads(decode_base64url(token.split(".")[1].encode()))
    asked: dict[str, Any] = claims["authorization_details"][0]
    return asked


@asynccontextmanager
async def _guard(side: FleetingSide) -> AsyncIterator[Guard]:
    """Yield a guard as a resource server has it, in this process."""
    guard = Guard(
        issuer=side.callers.issuer,
        resource=side.callers.resource,
        types=side.directory / "fleeting.toml",
        client_id=RESOURCE_CLIENT,
        secret=side.resource_secret,
    )
    async with guard:
        await asyncio.sleep(_SETTLE_SECONDS)
        yield guard


@asynccontextmanager
async def _others(side: FleetingSide, count: int) -> AsyncIterator[None]:
    """Keep *count* more streams of revocations open, and read them."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(_stream(side))
        await asyncio.sleep(_SETTLE_SECONDS)
        yield


@asynccontextmanager
async def _stream(side: FleetingSide) -> AsyncIterator[None]:
    url = f"{side.callers.issuer}/revocations"
    headers = {"Authorization": side.resource_credentials, "Accept": MEDIA_TYPE}
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    writer.write(wire.request_bytes("GET", url, headers))
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise load.BadAnswerError(f"a stream of revocations was refused: {head[:300]!r}")
    reading = asyncio.create_task(_read_all(reader))
    try:
        yield
    finally:
        reading.cancel()
        writer.close()


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


def _p99(latencies: Sequence[float]) -> float:
    return latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)]


_WAITED = """From the commit of a request's last vote until its client has the token. The clients \
wait in one worker (`Prefer: wait=20`), each on a connection of its own, in the generator's \
process, which is one core for all of them; the votes are committed one after the other by another \
process on the same database, so that the waiting worker hears of them by looking, every 50 ms."""
_WHAT = f"""How soon a revoked token is refused: {{count}} tokens one after the other, whose uses \
are not counted (client_secret_basic, bearer), from the start of `POST /revoke` and from its \
answer. At the issuer by `POST /spend`, one after the other without a pause, so that a figure has \
a round trip in it; none that began after the answer succeeded. At an offline guard, which \
follows `GET /revocations` in the generator's process and is called every \
{_GLANCE_SECONDS * 1000:g} ms. The other guards are streams that are read and thrown away."""
