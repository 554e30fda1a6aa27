"""``fleeting audit``: verify the ledger, follow it, export it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from fleeting.cli.groups import add, group
from fleeting.cli.options import AsJson, Config, moment
from fleeting.cli.terminal import complain, counted, fail, note, out, say, say_json, say_json_line

if TYPE_CHECKING:
    from fleeting.core.evidence import ChainedEntry
    from fleeting.core.ledger_verification import Finding, Verification
    from fleeting.ports import Evidence
    from fleeting.server.settings import Settings

_POLL_SECONDS = 0.5
_PAGE = 500

app = group(
    "audit",
    "Verify, follow and export the ledger: the evidence of every request, decision and use.",
    "fleeting audit verify",
    "fleeting audit tail --follow",
    "fleeting audit export --since 24h --output ledger.jsonl",
)


def verify(config: Config = None, *, as_json: AsJson = False) -> None:
    """Prove that no entry was altered, removed, moved, cut off or slipped in, or say where.

    Every hash chain is walked, and held against the signed checkpoints. The exit code is 1 if
    anything is found. An intruder who holds the database and the signing keys could still have
    rewritten the newest part: keep exports elsewhere.
    """
    from fleeting.cli.verifying import examine

    result = examine(_settings(config))
    if as_json:
        say_json(_verification_json(result))
    else:
        _say_verification(result)
    if result.findings:
        fail()


def _verification_json(result: "Verification") -> dict[str, Any]:
    from dataclasses import asdict

    findings = [{**asdict(finding), "kind": finding.kind.value} for finding in result.findings]
    counts = {name: getattr(result, name) for name in ("entries", "chains", "checkpoints")}
    return {"ok": not findings, **counts, "findings": findings}


def _say_verification(result: "Verification") -> None:
    for finding in result.findings:
        complain(_finding_words(finding))
    scope = ", ".join(
        (
            counted(result.entries, "entry", "entries"),
            counted(result.chains, "chain"),
            counted(result.checkpoints, "signed checkpoint"),
        )
    )
    if result.findings:
        note(f"{scope}: {counted(len(result.findings), 'finding')}")
    else:
        say(f"{scope}: nothing was altered")


def _finding_words(finding: "Finding") -> str:
    from fleeting.cli.words import clean

    place = f"chain {clean(finding.writer)}" if finding.writer else "the ledger"
    number = "" if finding.sequence is None else f", entry {finding.sequence}"
    return f"{place}{number}: {finding.kind.value}: {clean(finding.words)}"


def tail(
    config: Config = None,
    *,
    count: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=10_000, help="How many entries.")
    ] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show the newest entries of the ledger, a line each: when, what, who, and the request's id."""
    from fleeting.cli.reading import ledger_of

    with ledger_of(_settings(config)) as evidence, suppress(KeyboardInterrupt):
        asyncio.run(_tail(evidence, count, follow=follow, as_json=as_json))


async def _tail(evidence: "Evidence", count: int, *, follow: bool, as_json: bool) -> None:
    seen = {head.writer: head.sequence for head in await evidence.heads()}
    for chained in await evidence.newest({}, count) if count else ():
        if chained.sequence <= seen.get(chained.writer, 0):
            _show(chained, as_json=as_json)
    while follow:
        news = await evidence.newest(seen, _PAGE) if seen else await evidence.newest({}, _PAGE)
        for chained in news:
            _show(chained, as_json=as_json)
            seen[chained.writer] = chained.sequence
        if len(news) < _PAGE:
            await asyncio.sleep(_POLL_SECONDS)


def _show(chained: "ChainedEntry", *, as_json: bool) -> None:
    from fleeting.cli.entry_line import entry_line, entry_row
    from fleeting.cli.words import entry_json

    if as_json:
        say_json_line(entry_json(chained))
    elif sys.stdout.isatty():
        out().print(entry_row(chained))
    else:
        out().print(entry_line(chained))


def export(
    config: Config = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="From 24h ago, or from an instant (ISO 8601, UTC)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, for you alone.")
    ] = None,
) -> None:
    """Write the ledger as JSON lines: every entry with its chain, its sequence and its hash.

    Chains come one after the other, each in its order, so that the hashes can be followed.
    """
    from fleeting.cli.reading import ledger_of

    start = None if since is None else moment(since, datetime.now(UTC))
    with ledger_of(_settings(config)) as evidence:
        entries = evidence.entries(since=start)
        if output is None:
            asyncio.run(_export(entries, sys.stdout))
            return
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            written = asyncio.run(_export(entries, file))
    note(f"{counted(written, 'entry', 'entries')} in {output}")


async def _export(entries: AsyncIterator["ChainedEntry"], file: TextIO) -> int:
    from fleeting.cli.words import entry_json

    count = 0
    async for chained in entries:
        file.write(json.dumps(entry_json(chained), separators=(",", ":")) + "\n")
        count += 1
    file.flush()
    return count


def _settings(config: Config) -> "Settings":
    from fleeting.server.settings import config_path, load_settings

    return load_settings(config_path(config))


add(app, verify, "fleeting audit verify", "fleeting audit verify --json | jq .ok")
add(
    app,
    tail,
    "fleeting audit tail -n 50",
    "fleeting audit tail --follow --json | jq -r .kind",
)
add(
    app,
    export,
    "fleeting audit export > ledger.jsonl",
    "fleeting audit export --since 24h --output today.jsonl",
    "fleeting audit export --since 2026-10-01T00:00Z | gzip > october.jsonl.gz",
)
