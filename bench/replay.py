"""Replay: recorded decisions made again per second of one core, from a ledger in SQLite."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import fleeting_side
from bench.decide import make_request
from bench.report import Section, Table, say
from fleeting.cli.sifting import REQUESTS, deciding, dumps, sift
from fleeting.core.evidence import Entry
from fleeting.core.issuance import decide_token, grantable
from fleeting.core.operations import declare_type
from fleeting.core.recording import issued_entry
from fleeting.policy import PolicyBundle, PolicySource, PolicyWorld, load_policies
from fleeting.policy.replay_report import ReplayReport
from fleeting.policy.replaying import Change, Replaying
from fleeting.ports import Write
from fleeting.server.world import SystemClock
from fleeting.stores.archive import SqlArchive
from fleeting.stores.engines import sqlite_engine
from fleeting.stores.sqlite import SqliteStore

TARGET = 20_000
_POLICIES = 100
_START = datetime(2026, 11, 1, tzinfo=UTC)
_ISSUER = "http://127.0.0.1:8400"


def measure(*, quick: bool = False) -> Section:
    """Record decisions, and replay them with the same policies and with others."""
    count, rounds = (20_000, 4) if quick else (100_000, 5)
    text = fleeting_side.policy_text(_POLICIES)
    same, other = _bundle(text), _bundle(text.replace('@lifetime("5m")', '@lifetime("4m")'))
    table = Table(("replayed with", "decisions/s of one core", "decisions/s", "that differ"))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "fleeting.db"
        say(f"replay: recording {count:,} decisions")
        asyncio.run(_record(path, same, count))
        for name, bundle in (("the same policies", same), ("another lifetime in all", other)):
            table.rows.append((name, *_row(path, bundle, count, rounds)))
    slowest = min(int(row[1].replace(",", "")) for row in table.rows)
    verdict = f"Target: {TARGET:,}; {'met' if slowest >= TARGET else '**missed**'}."
    return Section("Replay", [_WHAT.format(count=count, rounds=rounds), table, verdict])


def _bundle(text: str) -> PolicyBundle:
    settings: dict[str, Any] = tomllib.loads(fleeting_side.TYPES)
    types = {name: declare_type(name, values) for name, values in settings["types"].items()}
    return load_policies([PolicySource("bench.cedar", text)], PolicyWorld(types))


async def _record(path: Path, bundle: PolicyBundle, count: int) -> None:
    store = SqliteStore(path, clock=SystemClock())
    await store.open()
    for start in range(0, count, 1_000):
        entries = [*_entries(bundle, range(start, start + 1_000))]
        await asyncio.gather(
            *(store.commit(Write(record=lambda _, it=each: [it])) for each in entries)
        )
    await store.close()


def _entries(bundle: PolicyBundle, numbers: range) -> Iterator[Entry]:
    for number in numbers:
        at = _START + timedelta(seconds=number)
        request = make_request(number)
        decision = bundle.decide(request, now=at)
        granted = grantable(request, decision)
        token = decide_token(request, granted, issuer=_ISSUER, jti=f"jti-{number}", now=at)
        yield issued_entry(request, decision, token, at)


def _row(path: Path, bundle: PolicyBundle, count: int, rounds: int) -> tuple[str, str, str]:
    cpu, wall, differing = [], [], 0
    for _ in range(rounds):
        started, cpu_started = time.perf_counter(), time.process_time()
        report = asyncio.run(_replay(path, bundle))
        cpu.append(count / (time.process_time() - cpu_started))
        wall.append(count / (time.perf_counter() - started))
        differing = sum(report.decisions.values()) - report.decisions[Change.SAME]
        if report.requests != count or report.faults.count:
            raise AssertionError(f"not replayed: {report}")
        say(f"replay: {cpu[-1]:,.0f} decisions/s of one core")
    return f"{statistics.median(cpu):,.0f}", f"{statistics.median(wall):,.0f}", f"{differing:,}"


async def _replay(path: Path, bundle: PolicyBundle) -> ReplayReport:
    report = ReplayReport()
    evidence = SqlArchive(sqlite_engine(path, read_only=True))
    take = deciding(Replaying(bundle, dumps=dumps), report.add, report.left_out)
    period = (_START, datetime.now(UTC))
    await sift(evidence, REQUESTS, period, take, lambda _passed, _total: None)
    return report


_WHAT = """In this process, what `fleeting policy replay` does: read entries in pieces, parse \
each, make its request again, decide it under the ceilings of then, hold the decision against the \
recorded one, and count. {count:,} entries, each with an amount of its own, {policies} policies; \
medians of {rounds} rounds.""".replace("{policies}", str(_POLICIES))
