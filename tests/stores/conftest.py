"""The backends of the contract suite, and the PostgreSQL cluster that it starts for itself."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest

from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.model import TokenRecord
from fleeting.ports import Claim, Store
from fleeting.stores import open_store
from fleeting.stores.memory import MemoryStore, MemoryTables
from fleeting.stores.migrate import upgrade

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
AUDIENCE = "https://payments.example"


@dataclass(slots=True)
class WindClock:
    """A clock to wind."""

    at: datetime = NOW

    def now(self):
        return self.at

    def wind(self, **by):
        self.at += timedelta(**by)


@dataclass(slots=True)
class Backend:
    """One database, and any number of stores on it.

    url: None for memory, which no other process can reach.
    """

    name: str
    url: str | None
    clock: WindClock = field(default_factory=WindClock)
    tables: MemoryTables = field(default_factory=MemoryTables)
    stores: list[Store] = field(default_factory=list)

    async def store(self, clock=None) -> Store:
        """Return another opened store on the same database."""
        clock = clock or self.clock
        if self.url is None:
            store = MemoryStore(clock=clock, tables=self.tables)
        else:
            store = open_store(self.url, clock=clock, base_dir=Path("/"))
        await store.open()
        self.stores.append(store)
        return store


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def backend(request):
    """Every promise is kept by every store."""
    backend = Backend(request.param, _url(request))
    yield backend
    for store in backend.stores:
        await store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def database(request):
    """What only a database can promise."""
    backend = Backend(request.param, _url(request))
    yield backend
    for store in backend.stores:
        await store.close()


@pytest.fixture
async def store(backend):
    return await backend.store()


@pytest.fixture
def clock(backend):
    return backend.clock


def _url(request):
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/fleeting.db"
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None


@pytest.fixture
def token():
    """Make records of tokens, each with ids of its own."""
    numbers = count(1)

    def make(**changes):
        number = next(numbers)
        values = {
            "jti": f"jti-{number}",
            "txn": f"txn-{number}",
            "request_id": f"request-{number}",
            "client_id": "support-bot",
            "subject": "alice",
            "audience": AUDIENCE,
            "issued_at": NOW,
            "expires_at": NOW + timedelta(seconds=60),
            "uses": 1,
        }
        return TokenRecord(**(values | changes))

    return make


@pytest.fixture
def entry():
    """Make entries about a token, or about nothing."""

    def make(kind=EntryKind.TOKEN_ISSUED, record=None, *, at=NOW, body=None, **keys):
        body = (body or {}) | keys
        if record is None:
            return Entry(kind, at, "", body)
        return Entry(kind, at, record.request_id, body, record.txn, record.jti)

    return make


@pytest.fixture
def claim():
    """Make claims."""

    def make(number, *, space="dpop", expires_at=NOW + timedelta(minutes=5)):
        return Claim(space, number.to_bytes(32, "big"), expires_at)

    return make


# ------------------------------------------------------------------------------- PostgreSQL


@dataclass(frozen=True, slots=True)
class Cluster:
    """A throw-away PostgreSQL server on a free port of the loopback interface."""

    programs: Path
    directory: Path
    port: int

    @property
    def url(self):
        return f"postgresql://fleeting@127.0.0.1:{self.port}"

    def run(self, program, *arguments):
        """Run one of PostgreSQL's programs as the one who owns the cluster."""
        owner = self.directory.owner()
        as_owner = {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []}
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.directory,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            **(as_owner if os.geteuid() == 0 else {}),
        )

    def start(self):
        options = f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.directory / "log")
        data = str(self.directory / "data")
        self.run("pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", options)

    def stop(self):
        """Stop it as a crash would."""
        self.run("pg_ctl", "stop", "-w", "-D", str(self.directory / "data"), "-m", "immediate")

    def execute(self, *statements, database="postgres"):
        url = f"{self.url}/{database}"
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start a cluster of our own; Debian's, where there is one, is left alone."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    directory = Path(tempfile.mkdtemp(prefix="fleeting-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    cluster = Cluster(Path(initdb).parent, directory, _free_port())
    cluster.run(
        "initdb", "-D", str(directory / "data"), "-A", "trust", "-U", "fleeting", "-N", "-E", "UTF8"
    )
    cluster.start()
    try:
        cluster.execute("CREATE DATABASE prepared")
        upgrade(f"{cluster.url}/prepared")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def _numbers():
    return count(1)


@pytest.fixture
def empty_postgres_url(cluster, _numbers):
    """Return the URL of a database without a schema."""
    name = f"empty_{next(_numbers)}"
    cluster.execute(f"CREATE DATABASE {name}")
    return f"{cluster.url}/{name}"


@pytest.fixture
def postgres_url(cluster, _numbers):
    """Return the URL of a database that is ready for use."""
    name = f"test_{next(_numbers)}"
    cluster.execute(f"CREATE DATABASE {name} TEMPLATE prepared STRATEGY FILE_COPY")
    return f"{cluster.url}/{name}"


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
