"""Open an installation's database as it is; nothing here writes, not even a migration."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fleeting.cli.terminal import CommandError
from fleeting.core.evidence import ChainedEntry
from fleeting.ports import Evidence
from fleeting.server.settings import Settings
from fleeting.stores import MEMORY
from fleeting.stores.archive import SqlArchive
from fleeting.stores.engines import SQLITE, database_engine, sqlite_path
from fleeting.stores.migrate import check_revision, current


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Evidence]:
    """Return the ledger of the installation, to be read.

    Raises:
        CommandError: there is none.
        StoreUnavailableError: it cannot be reached, or is of another version.
    """
    check_database(settings)
    engine = database_engine(settings.database, settings.directory, read_only=True)
    try:
        yield SqlArchive(engine)
    finally:
        engine.dispose()


def check_database(settings: Settings) -> None:
    """See that there is a database of this version.

    Raises:
        CommandError: there is none.
        StoreUnavailableError: it cannot be reached, or is of another version.
    """
    check_reachable(settings)
    url, directory = settings.database, settings.directory
    if url.startswith(SQLITE) and not sqlite_path(url, directory).exists():
        path = sqlite_path(url, directory)
        raise CommandError(f"{path} is not there yet: 'fleeting serve' makes it when it starts")
    check_revision(current(url, directory), "the database")


def check_reachable(settings: Settings) -> None:
    """See that the database is one that a command can open, whether it is there yet or not.

    Raises:
        CommandError: it is not.
    """
    if settings.database == MEMORY:
        raise CommandError("memory:// is the server's process alone: no command can reach into it")


async def whole_story(evidence: Evidence, id_: str) -> Sequence[ChainedEntry]:
    """Return every entry that *id_* leads to, over the txn and jti of what it names.

    A use has the request id of its own call; what ties it to the story is its token.
    """
    found: dict[tuple[str, int], ChainedEntry] = {}
    waiting, seen = [id_], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for chained in await evidence.story(name):
            found[chained.writer, chained.sequence] = chained
            waiting += [other for other in (chained.entry.txn, chained.entry.jti) if other]
    return list(found.values())
