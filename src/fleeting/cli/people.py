"""``fleeting people``: who may sign in here without an identity provider, and who no longer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fleeting.cli.groups import add as add_command
from fleeting.cli.groups import group
from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import note, say, say_json
from fleeting.cli.words import clean, shown_time

if TYPE_CHECKING:
    from fleeting.core.people import Person
    from fleeting.core.signing_in import LinkKind
    from fleeting.server.settings import Settings
    from fleeting.usecases.change_people import ChangePeople
    from fleeting.usecases.people import KnownPeople

T = TypeVar("T")

app = group(
    "people",
    "Who signs in here: people with passkeys are added here, all others when they first sign in.",
    'fleeting people add alice --name "Alice A." --group payments-leads',
    "fleeting people list",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Their id, or another name of theirs.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", "-g", metavar="GROUP", help="A group they are in; repeatable."),
]
SignInLink = Annotated[
    bool,
    typer.Option("--sign-in", help="A link that signs in once, without making a passkey."),
]


@dataclass(frozen=True, slots=True)
class _Desk:
    """An installation, the people in its store, and the deeds on them."""

    settings: "Settings"
    known: "KnownPeople"
    deeds: "ChangePeople"


def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What tokens and the ledger call them.")
    ],
    config: Config = None,
    *,
    groups: Groups = None,
    shown: Annotated[
        str | None, typer.Option("--name", metavar="TEXT", help="What people call them.")
    ] = None,
    aliases: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME", help="Another id of the same human; repeatable."),
    ] = None,
    sign_in: SignInLink = False,
    as_json: AsJson = False,
) -> None:
    """Add somebody, and print a one-time link by which they make their passkey.

    The link is good once and for 15 minutes. Whose other ids are given as aliases is one human to
    every approval: somebody who asks as one of them cannot approve as another.
    """
    from fleeting.core.people import Person

    person = Person(
        id=name,
        name=shown or name,
        groups=frozenset(groups or ()),
        aliases=frozenset(aliases or ()) - {name},
    )

    async def deed(desk: _Desk) -> "tuple[Person, str]":
        await desk.deeds.add(person)
        return await _new_link(desk, name, sign_in=sign_in)

    added, url = _run(config, deed)
    if not as_json:
        say(f"{_called(added)} is added")
    _tell_link(added, url, as_json=as_json)


def link(
    name: Name, config: Config = None, *, sign_in: SignInLink = False, as_json: AsJson = False
) -> None:
    """Print a new one-time link for somebody: to make a further passkey, or to sign in once."""

    async def deed(desk: _Desk) -> "tuple[Person, str]":
        return await _new_link(desk, name, sign_in=sign_in)

    person, url = _run(config, deed)
    _tell_link(person, url, as_json=as_json)


def list_(config: Config = None, *, as_json: AsJson = False) -> None:
    """List everybody who is known: those who were added, and those who signed in."""

    async def deed(desk: _Desk) -> "list[Person]":
        return list(await desk.known.all())

    people = _run(config, deed)
    if as_json:
        say_json([_json(person) for person in people])
        return
    for person in people:
        say(_line(person))
    if not people:
        say("nobody is known yet: add somebody with 'fleeting people add NAME --group GROUP'")


def show(name: Name, config: Config = None, *, as_json: AsJson = False) -> None:
    """Show one person: groups, other names, where they sign in, and when they did."""

    async def deed(desk: _Desk) -> "Person":
        from fleeting.usecases.change_people import nobody

        person = await desk.known.person(name)
        if person is None:
            raise nobody(name)
        return person

    person = _run(config, deed)
    if as_json:
        say_json(_json(person))
        return
    last = "never" if person.signed_in_at is None else shown_time(person.signed_in_at)
    say(_called(person) + (", disabled" if person.disabled else ""))
    say(f"groups     {_joined(person.groups)}")
    say(f"also       {_joined(person.aliases)}")
    say(f"signs in   {clean(person.issuer) if person.issuer else 'here'}")
    say(f"last       {last}")
    for each in person.delegations:
        say(f"away       {shown_time(each.since)} to {shown_time(each.until)}: {clean(each.to)}")


def disable(name: Name, config: Config = None, *, as_json: AsJson = False) -> None:
    """Let somebody in no more: sessions end at once, and pending votes of theirs stop counting."""
    _change(config, lambda desk: desk.deeds.disable(name), "is disabled", as_json=as_json)


def enable(name: Name, config: Config = None, *, as_json: AsJson = False) -> None:
    """Let somebody in again."""
    _change(config, lambda desk: desk.deeds.enable(name), "is enabled", as_json=as_json)


def remove(name: Name, config: Config = None, *, as_json: AsJson = False) -> None:
    """Forget somebody, with passkeys and sessions; the ledger keeps what they did.

    Whoever signs in with the identity provider is known again at their next login: disable them.
    """
    _change(config, lambda desk: desk.deeds.remove(name), "is removed", as_json=as_json)


def groups(
    name: Name,
    config: Config = None,
    *,
    add_: Annotated[
        list[str] | None, typer.Option("--add", metavar="GROUP", help="Repeatable.")
    ] = None,
    remove_: Annotated[
        list[str] | None, typer.Option("--remove", metavar="GROUP", help="Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the groups of somebody who was added here; without options, say them."""
    if not add_ and not remove_:
        show(name, config, as_json=as_json)
        return

    def deed(desk: _Desk) -> "Awaitable[Person]":
        return desk.deeds.regroup(name, add=add_ or (), remove=remove_ or ())

    person = _change(config, deed, "", as_json=as_json)
    if not as_json:
        say(f"{_called(person)}: {_joined(person.groups)}")


# ------------------------------------------------------------------------------ the database


def _run(config: Path | None, deed: Callable[[_Desk], Awaitable[T]]) -> T:
    """Return what *deed* comes to on the installation that *config* declares."""

    async def run() -> T:
        async with _desk(config) as desk:
            return await deed(desk)

    return asyncio.run(run())


@asynccontextmanager
async def _desk(config: Path | None) -> AsyncIterator[_Desk]:
    """Open the store; a SQLite database is made and migrated, as by 'fleeting serve'."""
    from fleeting.cli.reading import check_reachable
    from fleeting.server.policy_directory import origin
    from fleeting.server.settings import config_path, load_settings
    from fleeting.server.world import SystemClock
    from fleeting.stores import open_store
    from fleeting.usecases.change_people import ChangePeople
    from fleeting.usecases.people import KnownPeople

    settings = load_settings(config_path(config))
    check_reachable(settings)
    clock = SystemClock()
    store = open_store(settings.database, clock=clock, base_dir=settings.directory)
    reserved = [declared.client.client_id for declared in settings.clients]
    by = origin("fleeting people", "").by
    try:
        await store.open()
        yield _Desk(settings, KnownPeople(store), ChangePeople(store, clock, by, reserved))
    finally:
        await store.close()


async def _new_link(desk: _Desk, name: str, *, sign_in: bool) -> "tuple[Person, str]":
    from fleeting.server.people.sessions import new_token

    token = new_token()
    person = await desk.deeds.link(name, _kind(desk.settings, sign_in=sign_in), token)
    return person, f"{desk.settings.issuer}/enrol/{token}"


def _kind(settings: "Settings", *, sign_in: bool) -> "LinkKind":
    """Return what the link is for; where no passkey could be made, it signs in, and says why."""
    from urllib.parse import urlsplit

    from fleeting.core.signing_in import LinkKind
    from fleeting.server.people.links import passkey_trouble

    trouble = passkey_trouble(urlsplit(settings.issuer).hostname or "")
    if not settings.sign_in.passkeys:
        trouble = "passkeys are switched off ([sign_in] passkeys = false)"
    if trouble is not None and not sign_in:
        note(f"{trouble}: the link signs in once instead")
    return LinkKind.SIGN_IN if sign_in or trouble is not None else LinkKind.ENROL


def _change(
    config: Path | None,
    deed: "Callable[[_Desk], Awaitable[Person]]",
    done: str,
    *,
    as_json: bool,
) -> "Person":
    person = _run(config, deed)
    if as_json:
        say_json(_json(person))
    elif done:
        say(f"{_called(person)} {done}")
    return person


# ------------------------------------------------------------------------------ words


def _tell_link(person: "Person", url: str, *, as_json: bool) -> None:
    if as_json:
        say_json({**_json(person), "link": url})
        return
    say(url)
    note("good once, for 15 minutes: give it to nobody else")


def _called(person: "Person") -> str:
    id_, name = clean(person.id), clean(person.name)
    return id_ if id_ == name else f"{name} ({id_})"


def _line(person: "Person") -> str:
    mark = "  disabled" if person.disabled else ""
    return f"{_called(person):<32}  {_joined(person.groups)}{mark}"


def _joined(names: frozenset[str]) -> str:
    return ", ".join(clean(name) for name in sorted(names)) or "none"


def _json(person: "Person") -> dict[str, Any]:
    from fleeting.core.people_deeds import person_json

    last = person.signed_in_at
    members: dict[str, Any] = person_json(person)
    members["id"] = members.pop("person")
    return {**members, "signed_in_at": None if last is None else last.isoformat()}


add_command(
    app,
    add,
    'fleeting people add alice --name "Alice A." --group payments-leads',
    "fleeting people add bob -g finance --alias https://idp.example.com#bob --json | jq -r .link",
)
add_command(app, link, "fleeting people link alice", "fleeting people link alice --sign-in")
add_command(
    app, list_, "fleeting people list", "fleeting people list --json | jq -r .[].id", name="list"
)
add_command(app, show, "fleeting people show alice")
add_command(app, disable, "fleeting people disable alice")
add_command(app, enable, "fleeting people enable alice")
add_command(app, remove, "fleeting people remove alice")
add_command(app, groups, "fleeting people groups alice --add finance --remove payments-leads")
