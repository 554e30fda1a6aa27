"""``fleeting policy load | shadow | promote | rollback | sets``: which policies are in force."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, note, say, say_json
from fleeting.cli.words import SHORT, clean, shown_time

if TYPE_CHECKING:
    from fleeting.policy import PolicySet
    from fleeting.ports import PolicySetRecord, PolicyState, Store
    from fleeting.server.settings import Settings
    from fleeting.usecases.change_policy import Change, ChangePolicy

_FOLLOW = "every worker follows within a second; /readyz tells which set it decides by"
_PLACES = typer.Argument(help="A directory of policies, or the beginning of a digest.")


@dataclass(frozen=True, slots=True)
class _Desk:
    """An installation, its store, and the deeds on it."""

    settings: "Settings"
    store: "Store"
    deeds: "ChangePolicy"


def load(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Holds the policies.", show_default="the installation's own"),
    ] = None,
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check the policies of a directory, and make them live.

    They are stored by their digest together with the operation types of fleeting.toml. A set
    that is wrong changes nothing. No server need run; those that do follow within a second.
    """

    async def deed(desk: _Desk) -> "Change":
        from fleeting.server.policy_directory import origin, place_of

        policies = desk.settings.policies
        source = (directory or policies).absolute()
        place = place_of(policies) if source == policies else None
        set_ = _read(desk.settings, source)
        return await desk.deeds.load(set_, origin("fleeting policy load", str(source)), place=place)

    change = _run(config, deed)
    _tell_live(change, config, "is live", as_json=as_json)


def shadow(
    candidate: Annotated[str | None, _PLACES] = None,
    config: Config = None,
    *,
    stop: Annotated[bool, typer.Option("--stop", help="Let go of the candidate.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a candidate decide every request, too, beside the live policies.

    Only the live ones count. Where the candidate would decide otherwise, the ledger has both
    decisions (kind policy.differed), and /metrics counts it (fleeting_shadow_decisions_total).
    """
    if stop == (candidate is not None):
        raise typer.BadParameter("name a directory or a digest, or say --stop")
    directory = Path(candidate).absolute() if candidate and Path(candidate).is_dir() else None

    async def deed(desk: _Desk) -> "Change":
        from fleeting.server.policy_directory import origin

        how = "fleeting policy shadow"
        if candidate is None:
            return await desk.deeds.stop_shadowing(origin(f"{how} --stop", "the store"))
        if directory is not None:
            set_ = _read(desk.settings, directory)
            return await desk.deeds.shadow(set_.digest, origin(how, str(directory)), set_)
        digest = await _kept(desk, candidate)
        return await desk.deeds.shadow(digest, origin(how, "the store"))

    change = _run(config, deed)
    if as_json:
        say_json(_report(change))
    elif change.after.candidate is None:
        say(f"{_short(change.before.candidate)} is no longer compared")
    else:
        done = "is compared with" if change.happened else "is compared already with"
        live = _short(change.after.live)
        say(f"{_short(change.after.candidate)} {done} {live}, which alone counts")
        note(f"{_FOLLOW}; 'fleeting audit tail -f' shows what differs")


def promote(config: Config = None, *, as_json: AsJson = False) -> None:
    """Make the candidate live."""

    async def deed(desk: _Desk) -> "Change":
        from fleeting.server.policy_directory import origin

        state = await desk.store.policy_state()
        if state.candidate is not None:
            await _kept(desk, state.candidate)
        return await desk.deeds.promote(origin("fleeting policy promote", "the store"))

    change = _run(config, deed)
    _tell_live(change, config, "is live", as_json=as_json)


def rollback(
    digest: Annotated[str, typer.Argument(help="The beginning of the digest of a set.")],
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Bring back a set that was loaded before, policies and operation types alike.

    It stays live, whatever the policy directory holds, until that directory changes again or
    'fleeting policy load' says otherwise.
    """

    async def deed(desk: _Desk) -> "Change":
        from fleeting.server.policy_directory import origin

        found = await _kept(desk, digest)
        return await desk.deeds.roll_back(found, origin("fleeting policy rollback", "the store"))

    change = _run(config, deed)
    _tell_live(change, config, "is live again", as_json=as_json)


def sets(config: Config = None, *, as_json: AsJson = False) -> None:
    """List every policy set that was ever loaded, newest first: when, by whom, from where."""

    async def deed(desk: _Desk) -> "tuple[PolicyState, Sequence[PolicySetRecord]]":
        return await desk.store.policy_state(), await desk.store.policy_records()

    state, records = _run(config, deed)
    if as_json:
        say_json([_record_json(record, state) for record in records])
        return
    for record in records:
        say(_line(record, state))
    if not records:
        say("no policy set was loaded yet: 'fleeting serve' loads the first")


# ------------------------------------------------------------------------------ the database


def _run(config: Path | None, deed: "Callable[[_Desk], Awaitable[Any]]") -> Any:  # noqa: ANN401 -- the deed's
    """Return what *deed* comes to on the installation that *config* declares."""

    async def run() -> Any:  # noqa: ANN401
        async with _desk(config) as desk:
            return await deed(desk)

    return asyncio.run(run())


@asynccontextmanager
async def _desk(config: Path | None) -> AsyncIterator[_Desk]:
    from fleeting.server.settings import config_path, load_settings

    async with _desk_of(load_settings(config_path(config))) as desk:
        yield desk


@asynccontextmanager
async def _desk_of(settings: "Settings") -> AsyncIterator[_Desk]:
    from fleeting.cli.reading import check_database
    from fleeting.server.world import SystemClock
    from fleeting.stores import open_store
    from fleeting.usecases.change_policy import ChangePolicy

    check_database(settings)
    clock = SystemClock()
    store = open_store(settings.database, clock=clock, base_dir=settings.directory)
    try:
        await store.open()
        yield _Desk(settings, store, ChangePolicy(store, clock))
    finally:
        await store.close()


# ------------------------------------------------------------------------------ policy sets


def _read(settings: "Settings", directory: Path) -> "PolicySet":
    """Return the set that *directory* holds, checked.

    Raises:
        SettingsError, PolicyProblems: there is none, or it is wrong.
    """
    from fleeting.policy import PolicySet, load_policies
    from fleeting.server.installing import policy_sources, policy_world

    sources = policy_sources(directory)
    load_policies(sources, policy_world(settings))
    return PolicySet(tuple(sources), settings.types)


def recorded_set(settings: "Settings", prefix: str) -> "PolicySet | None":
    """Return the one kept set whose digest begins with *prefix*, if there is one."""

    async def read() -> "PolicySet | None":
        from fleeting.policy import read_set

        async with _desk_of(settings) as desk:
            records = await desk.store.policy_records()
            found = [each.digest for each in records if each.digest.startswith(prefix)]
            text = await desk.store.policy_text(found[0]) if len(found) == 1 else None
            return None if text is None else read_set(text, found[0])

    try:
        return asyncio.run(read())
    except CommandError:  # there is no database yet, and so nothing is recorded
        return None


async def _kept(desk: _Desk, prefix: str) -> str:
    """Return the digest of the one kept set that *prefix* names, which fits this installation.

    Raises:
        CommandError: there is none, there are several, or it does not fit.
    """
    records = await desk.store.policy_records()
    found = [record.digest for record in records if record.digest.startswith(prefix.lower())]
    if len(found) != 1 or not prefix:
        several = f": write more of it, it may be {' or '.join(map(_short, found[:5]))}"
        told = several if found else ": 'fleeting policy sets' lists them"
        raise CommandError(f"{clean(prefix)!r} names {'no' if not found else 'no one'} set{told}")
    await _check(desk, found[0])
    return found[0]


async def _check(desk: _Desk, digest: str) -> None:
    from dataclasses import replace

    from fleeting.core.declaring import DeclarationError
    from fleeting.policy import PolicyProblems, StoredSetError, load_policies, read_set
    from fleeting.server.installing import policy_world
    from fleeting.server.settings import check_types

    text = await desk.store.policy_text(digest)
    try:
        set_ = read_set(text or "", digest)
        settings = replace(desk.settings, types=set_.types)
        check_types(settings)
        load_policies(set_.sources, policy_world(settings))
    except (StoredSetError, DeclarationError, PolicyProblems) as error:
        raise CommandError(
            f"{_short(digest)} does not fit this installation any more, so nothing was changed:\n"
            f"{error}"
        ) from None


# ------------------------------------------------------------------------------ words


def _tell_live(change: "Change", config: Path | None, words: str, *, as_json: bool) -> None:
    if as_json:
        say_json(_report(change))
        return
    live, before = change.after.live, change.before.live
    if live == before:
        say(f"{_short(live)} was live already")
        return
    instead = f", instead of {_short(before)}" if before else ""
    say(f"{_short(live)} {words}{instead}")
    note(_FOLLOW)
    _note_directory(config, live)


def _note_directory(config: Path | None, live: str) -> None:
    """Say so where the installation's directory holds another set than the one in force."""
    from fleeting.policy.sets import set_digest
    from fleeting.server.installing import policy_sources
    from fleeting.server.settings import SettingsError, config_path, load_settings

    settings = load_settings(config_path(config))
    try:
        held = set_digest(policy_sources(settings.policies), settings.types)
    except SettingsError:
        return
    if held != live:
        note(
            f"{settings.policies} holds another set, {_short(held)}: once anything changes there, "
            "it is loaded"
        )


def _line(record: "PolicySetRecord", state: "PolicyState") -> str:
    marks = {state.live: "live", state.candidate: "candidate"}
    return (
        f"{_short(record.digest)}  {marks.get(record.digest, ''):<9}  "
        f"{shown_time(record.stored_at)}  {clean(record.by)}  {clean(record.source)}"
    )


def _record_json(record: "PolicySetRecord", state: "PolicyState") -> dict[str, Any]:
    return {
        "digest": record.digest,
        "stored_at": record.stored_at.isoformat(),
        "by": record.by,
        "from": record.source,
        "live": record.digest == state.live,
        "candidate": record.digest == state.candidate,
    }


def _report(change: "Change") -> dict[str, Any]:
    return {
        "changed": change.happened,
        "live": change.after.live,
        "live_before": change.before.live or None,
        "candidate": change.after.candidate,
        "candidate_before": change.before.candidate,
    }


def _short(digest: str | None) -> str:
    return clean(digest or "nothing")[:SHORT]
