"""Go through a period of the ledger with a progress bar: quickly, and in nobody's way."""

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fleeting.cli.terminal import err
from fleeting.core.evidence import EntryKind, RecordedEntry
from fleeting.core.recorded import TooOldError
from fleeting.policy.replay_report import LeftOut
from fleeting.policy.replaying import Redecided, Replaying
from fleeting.ports import Evidence

Advance: TypeAlias = Callable[[int, int], None]
"""Is told how many entries are passed, of how many."""


REQUESTS = (EntryKind.TOKEN_ISSUED, EntryKind.REQUEST_REFUSED, EntryKind.ACCESS_EVALUATED)
"""The entries that have a decision in them."""


@contextmanager
def progress(words: str) -> Iterator[Advance]:
    """Show on a terminal how far it is; to a program or a log, nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty())
    with bar:
        task = bar.add_task(words, total=None)
        yield lambda passed, total: bar.update(task, completed=passed, total=total)


async def sift(
    evidence: Evidence,
    kinds: Collection[EntryKind],
    period: tuple[datetime, datetime],
    take: Callable[[RecordedEntry], None],
    advance: Advance,
) -> None:
    """Give every entry of *kinds* in the period to *take*.

    Raises:
        StoreUnavailableError: the ledger cannot be read.
    """
    since, until = period
    async for page in evidence.pages(kinds, since=since, until=until):
        for row in page.rows:
            take(row)
        advance(page.passed, page.total)


def deciding(
    replaying: Replaying,
    add: Callable[[Redecided, RecordedEntry], None],
    left_out: LeftOut,
    client: str | None = None,
) -> Callable[[RecordedEntry], None]:
    """Return what decides an entry again and gives it to *add*, or counts why it cannot be.

    client: pass over what others asked.
    """

    def take(row: RecordedEntry) -> None:
        try:
            body = parsed(row)
            if client is not None and body["client"] != client:
                return
            if "answers" not in body:
                left_out.undecided += 1
                return
            add(replaying.redecide(row, body), row)
        except TooOldError:
            left_out.too_old += 1
        except (ValueError, LookupError) as error:
            left_out.unread(row, error)

    return take


def dumps(value: object) -> bytes | str:
    """Return *value*, of JSON, so that no other looks alike."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return repr(value)  # lone surrogates, as below


def parsed(row: RecordedEntry) -> dict[str, Any]:
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
