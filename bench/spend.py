"""Spend: uses per second through HTTP /spend, by concurrent callers and database."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import fleeting_side, load, postgres, processes, wire
from bench.callers import post_form, refund
from bench.fleeting_side import FleetingSide
from bench.load import Round, Summary
from bench.report import Section, Table, say

CALLERS = (1, 16, 64)


def measure(*, quick: bool = False) -> Section:
    """Measure both databases; leave PostgreSQL out where it is not installed, and say so."""
    count, rounds = (300, 2) if quick else (2000, 5)
    table = Table(("database", "callers", "spends/s", "p50 ms", "p99 ms", "slowest to fastest"))
    blocks: list[Table | str] = [_WHAT.format(count=count, rounds=rounds), table]
    table.rows += _rows("SQLite", _database("sqlite:///fleeting.db", count, rounds))
    try:
        with postgres.running() as url:
            table.rows += _rows("PostgreSQL", _database(url, count, rounds))
    except (postgres.MissingError, processes.StartError) as error:
        blocks.append(f"PostgreSQL is left out: {error}")
    return Section("Spend", blocks)


def _rows(name: str, summaries: dict[int, Summary]) -> list[Sequence[str]]:
    return [
        (
            name,
            str(callers),
            f"{each.rate:,.0f}",
            f"{each.p50_ms:.2f}",
            f"{each.p99_ms:.2f}",
            each.spread,
        )
        for callers, each in summaries.items()
    ]


def _database(url: str, count: int, rounds: int) -> dict[int, Summary]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "fleeting"
        side = stack.enter_context(fleeting_side.running(directory, database=url))
        found: dict[int, Summary] = load.run(_all(side, count, rounds))
        return found


async def _all(side: FleetingSide, count: int, rounds: int) -> dict[int, Summary]:
    await _round(side, count, 16)
    measured: dict[int, list[Round]] = {callers: [] for callers in CALLERS}
    for _ in range(rounds):
        for callers in CALLERS:
            one = await _round(side, count, callers)
            measured[callers].append(one)
            say(f"spend: {callers} callers: {one.rate:,.0f}/s")
    return {callers: Summary.of(each) for callers, each in measured.items()}


async def _round(side: FleetingSide, count: int, callers: int) -> Round:
    tokens = await side.callers.tokens(count, fleeting_side.SINGLE_USE_CLIENT)
    requests = [spend_request(side, token, index) for index, token in enumerate(tokens)]
    return await load.measure(side.spend_url, requests, connections=callers, check=_spent)


def spend_request(side: FleetingSide, token: str, index: int) -> bytes:
    """Serialise the guard's call for the token of payment `index`."""
    form = {
        "token": token,
        "use_id": secrets.token_urlsafe(16),
        "operation": json.dumps(refund(str(index)), separators=(",", ":")),
    }
    return post_form(side.spend_url, form, {"Authorization": side.resource_credentials})


def _spent(answer: wire.Response) -> bool:
    return load.is_ok(answer) and answer.json().get("active") is True


_WHAT = """Each spend is one `POST /spend` with a single-use token of its own, answered after its \
commit is durable. {rounds} rounds of {count:,} spends per row. The server has core 0 for itself; \
PostgreSQL (its defaults, fsync on) shares core 1 with the generator."""
