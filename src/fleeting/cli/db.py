"""``fleeting db``: bring the database's schema up to this version's."""

from urllib.parse import urlsplit, urlunsplit

from fleeting.cli.groups import add, group
from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, say, say_json

app = group("db", "Migrate the database.", "fleeting db upgrade")


def upgrade(config: Config = None, *, as_json: AsJson = False) -> None:
    """Run the migrations that the database lacks.

    'fleeting serve' does this by itself on SQLite; on PostgreSQL it waits for this command, so
    that a new version never alters a database that another one still serves from.
    """
    from fleeting.server.settings import config_path, load_settings
    from fleeting.stores import MEMORY, migrate
    from fleeting.stores.engines import SQLITE, sqlite_path
    from fleeting.stores.schema import REVISION

    settings = load_settings(config_path(config))
    url, directory = settings.database, settings.directory
    if url == MEMORY:
        raise CommandError("memory:// has no schema: there is nothing to upgrade")
    is_new = url.startswith(SQLITE) and not sqlite_path(url, directory).exists()
    before = None if is_new else migrate.current(url, directory)
    migrate.upgrade(url, directory)
    if as_json:
        say_json({"database": without_password(url), "from": before, "to": REVISION})
    elif before == REVISION:
        say(f"{without_password(url)}: {REVISION} already")
    else:
        say(f"{without_password(url)}: {before or 'nothing'} → {REVISION}")


def without_password(url: str) -> str:
    """Return a database's URL as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))


add(
    app,
    upgrade,
    "fleeting db upgrade",
    "FLEETING_DATABASE=postgresql://db/fleeting fleeting db upgrade",
)
