"""Go through a period of the ledger with a progress bar: quickly, and in nobody's way."""

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fleeting.cli.terminal import err
from fleeting.core.evidence import EntryKind, StoredEntry
from fleeting.ports import Evidence

Advance: TypeAlias = Callable[[int, int], None]
"""Is told how many entries are passed, of how many."""


@contextmanager
def progress(words: str) -> Iterator[Advance]:
    """Show on a terminal how far it is; to a program or a log, nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty())
    with bar:
        task = bar.add_task(words, total=None)
        yield lambda passed, total: bar.update(task, completed=passed, total=total)


async def sift(
    evidence: Evidence,
    kinds: Collection[EntryKind],
    since: datetime,
    until: datetime,
    take: Callable[[StoredEntry], None],
    advance: Advance,
) -> None:
    """Give every entry of *kinds* in the period to *take*.

    Raises:
        StoreUnavailableError: the ledger cannot be read.
    """
    async for page in evidence.pages(kinds, since=since, until=until):
        for row in page.rows:
            take(row)
        advance(page.passed, page.total)


def parsed(row: StoredEntry) -> dict[str, Any]:
    """Return the body of *row*.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        body = orjson.loads(row.body)
    except orjson.JSONDecodeError:
        body = json.loads(row.body)  # lone surrogates are JSON to us, and not to it
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 -- as all that is unreadable
    return body
