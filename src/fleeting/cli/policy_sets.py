"""``fleeting policy load | shadow | promote | rollback | sets``: which policies are in force."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.stored_sets import Desk, at_desk, fitting_digest, short_digest
from fleeting.cli.terminal import err, note, say, say_json
from fleeting.cli.words import clean, shown_time

if TYPE_CHECKING:
    from fleeting.policy import PolicyBundle, PolicySet
    from fleeting.ports import PolicySetRecord, PolicyState
    from fleeting.server.settings import Settings
    from fleeting.usecases.change_policy import Change

_FOLLOW = "every worker follows within a second; /readyz tells which set it decides by"
_MOST_REVIEWED = 200
"""How many policies are reviewed while someone waits for them to be live: it takes a second."""

_PLACES = typer.Argument(help="A directory of policies, or the beginning of a digest.")


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
    that is wrong changes nothing; one with warnings is loaded, and 'fleeting policy check' says
    what more a solver finds. No server need run; those that do follow within a second.
    """

    async def deed(desk: Desk) -> "tuple[Change, PolicySet, PolicyBundle]":
        from fleeting.server.policy_directory import origin, place_of

        policies = desk.settings.policies
        source = (directory or policies).absolute()
        place = place_of(policies) if source == policies else None
        set_, bundle = _read(desk.settings, source)
        by = origin("fleeting policy load", str(source))
        return await desk.deeds.load(set_, by, place=place), set_, bundle

    change, set_, bundle = at_desk(config, deed)
    _tell_live(change, config, "is live", as_json=as_json)
    if not as_json:
        _warn(set_, bundle, config)


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

    async def deed(desk: Desk) -> "Change":
        from fleeting.server.policy_directory import origin

        how = "fleeting policy shadow"
        if candidate is None:
            return await desk.deeds.stop_shadowing(origin(f"{how} --stop", "the store"))
        if directory is not None:
            set_, _ = _read(desk.settings, directory)
            return await desk.deeds.shadow(set_.digest, origin(how, str(directory)), set_)
        digest = await fitting_digest(desk, candidate)
        return await desk.deeds.shadow(digest, origin(how, "the store"))

    change = at_desk(config, deed)
    if as_json:
        say_json(_report(change))
    elif change.after.candidate is None:
        say(f"{short_digest(change.before.candidate)} is no longer compared")
    else:
        done = "is compared with" if change.happened else "is compared already with"
        live = short_digest(change.after.live)
        say(f"{short_digest(change.after.candidate)} {done} {live}, which alone counts")
        note(f"{_FOLLOW}; 'fleeting audit tail -f' shows what differs")


def promote(config: Config = None, *, as_json: AsJson = False) -> None:
    """Make the candidate live."""

    async def deed(desk: Desk) -> "Change":
        from fleeting.server.policy_directory import origin

        state = await desk.store.policy_state()
        if state.candidate is not None:
            await fitting_digest(desk, state.candidate)
        return await desk.deeds.promote(origin("fleeting policy promote", "the store"))

    change = at_desk(config, deed)
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

    async def deed(desk: Desk) -> "Change":
        from fleeting.server.policy_directory import origin

        found = await fitting_digest(desk, digest)
        return await desk.deeds.roll_back(found, origin("fleeting policy rollback", "the store"))

    change = at_desk(config, deed)
    _tell_live(change, config, "is live again", as_json=as_json)


def sets(config: Config = None, *, as_json: AsJson = False) -> None:
    """List every policy set that was ever loaded: when it was first, by whom, from where.

    The newest comes first, and the live one says since when it is.
    """

    async def deed(desk: Desk) -> "tuple[PolicyState, Sequence[PolicySetRecord]]":
        return await desk.store.policy_state(), await desk.store.policy_records()

    state, records = at_desk(config, deed)
    if as_json:
        say_json([_record_json(record, state) for record in records])
        return
    marks = [_mark(record.digest, state) for record in records]
    width = max(map(len, marks), default=0)
    for record, mark in zip(records, marks, strict=True):
        say(_line(record, f"{mark:<{width}}"))
    if not records:
        say("no policy set was loaded yet: 'fleeting serve' loads the first")


def _read(settings: "Settings", directory: Path) -> "tuple[PolicySet, PolicyBundle]":
    """Return the set that *directory* holds, checked, and what is loaded of it.

    Raises:
        SettingsError, PolicyProblems: there is none, or it is wrong.
    """
    from fleeting.policy import PolicySet, load_policies
    from fleeting.server.installing import policy_sources, policy_world

    sources = policy_sources(directory)
    bundle = load_policies(sources, policy_world(settings))
    return PolicySet(tuple(sources), settings.types), bundle


def _warn(set_: "PolicySet", bundle: "PolicyBundle", config: Path | None) -> None:
    """Say of what was loaded what is probably not meant, as 'policy check --quick' does."""
    from fleeting.cli.problem_text import problem_text
    from fleeting.policy.reviewing import review
    from fleeting.server.reviewing import declared_parties
    from fleeting.server.settings import config_path, load_settings

    if len(bundle.policies) > _MOST_REVIEWED:
        note("whether all of it is meant, 'fleeting policy check' says: that takes a while here")
        return
    path = config_path(config)
    declared = declared_parties(load_settings(path), path)
    texts = {each.name: each.text for each in (*set_.sources, declared.settings)}
    for warning in review(bundle, declared):
        err().print(problem_text(warning, texts.get(warning.file, "")))


# ------------------------------------------------------------------------------ words


def _tell_live(change: "Change", config: Path | None, words: str, *, as_json: bool) -> None:
    if as_json:
        say_json(_report(change))
        return
    live, before = change.after.live, change.before.live
    if live == before:
        say(f"{short_digest(live)} was live already")
        return
    instead = f", instead of {short_digest(before)}" if before else ""
    say(f"{short_digest(live)} {words}{instead}")
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
            f"{settings.policies} holds another set, {short_digest(held)}: once anything changes "
            "there, it is loaded"
        )


def _mark(digest: str, state: "PolicyState") -> str:
    if digest != state.live:
        return "candidate" if digest == state.candidate else ""
    since = state.live_since
    return "live" if since is None else f"live since {shown_time(since)}"


def _line(record: "PolicySetRecord", mark: str) -> str:
    return (
        f"{short_digest(record.digest)}  {mark}  stored {shown_time(record.stored_at)}  "
        f"{clean(record.by)}  {clean(record.source)}"
    )


def _record_json(record: "PolicySetRecord", state: "PolicyState") -> dict[str, Any]:
    live = record.digest == state.live
    since = state.live_since if live else None
    return {
        "digest": record.digest,
        "stored_at": record.stored_at.isoformat(),
        "by": record.by,
        "from": record.source,
        "live": live,
        "live_since": None if since is None else since.isoformat(),
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
