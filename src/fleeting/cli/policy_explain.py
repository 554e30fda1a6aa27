"""``fleeting policy explain``: why a request is decided as it is, and what would allow it."""

from typing import TYPE_CHECKING, Any

import typer

from fleeting.cli import explain_options as options
from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, note, say, say_json

if TYPE_CHECKING:
    from fleeting.cli.policy_world import World
    from fleeting.policy.hypothetical import Hypothetical


def explain_policy(  # noqa: PLR0913 -- options, each with a help of its own
    id_: options.Id = None,
    config: Config = None,
    *,
    test: options.Test = None,
    type_: options.Type = None,
    action: options.Actions = None,
    field: options.Fields = None,
    scope: options.Scopes = None,
    resource: options.Resource = None,
    context: options.Context = None,
    break_glass: options.BreakGlass = None,
    at: options.At = None,
    client: options.Client = None,
    subject: options.Subject = None,
    group: options.Groups = None,
    attribute: options.Attributes = None,
    actor: options.Actors = None,
    acr: options.Acr = None,
    login_age: options.LoginAge = None,
    as_json: AsJson = False,
) -> None:
    """Say what the policies make of a request: which decide, which nearly do, what would allow it.

    The request is the one that the options describe, that of a test (--test), or one that the
    ledger recorded (ID), asked again of today's policies. No token is issued.

    What would allow it is found by asking the policies themselves about changed requests: smaller
    amounts, other values, a login, a key, a context key, another time; one change, or two.
    """
    from fleeting.cli.policy_world import world_of

    world = world_of(config)
    stated = {
        "type": type_,
        "actions": action,
        "fields": field,
        "scope": scope,
        "resource": resource,
        "context": context,
        "break_glass": break_glass,
        "time": at,
        "client": client,
        "subject": subject,
        "groups": group,
        "attributes": attribute,
        "actors": actor,
        "acr": acr,
        "login_age": login_age,
    }
    stated = {name: value for name, value in stated.items() if value}
    _check_one_way(id_, test, stated)
    _explain(world, _asked(world, id_, test, stated), as_json=as_json)


def _explain(world: "World", asked: "Hypothetical", *, as_json: bool) -> None:
    from fleeting.cli.explanation_text import explanation_json, explanation_text
    from fleeting.policy.explaining import explain
    from fleeting.policy.judging import Judge

    explanations = explain(world.bundle, Judge(world.bundle), asked)
    if as_json:
        say_json(explanation_json(asked, explanations, world.bundle.digest))
    else:
        say(explanation_text(asked, explanations, world.bundle))


def _check_one_way(id_: str | None, test: str | None, stated: dict[str, Any]) -> None:
    if sum(map(bool, (id_, test, stated))) != 1:
        raise typer.BadParameter(
            "which request? Give an ID, or --test NAME, or say with options what is asked, "
            "such as --type payment_refund --field amount=5000"
        )


def _asked(
    world: "World", id_: str | None, test: str | None, stated: dict[str, Any]
) -> "Hypothetical":
    from fleeting.cli.hypotheticals import stated_request
    from fleeting.core.declaring import DeclarationError

    try:
        if id_ is not None:
            return _recorded(world, id_)
        if test is not None:
            return _of_test(world, test)
        return stated_request(world, stated)
    except DeclarationError as error:
        raise CommandError(str(error)) from error


def _of_test(world: "World", name: str) -> "Hypothetical":
    from fleeting.cli.policy_test_files import find_files
    from fleeting.core.declaring import nearest
    from fleeting.policy.cases import read_cases

    cases = [
        case
        for source in find_files(world.settings.policies, [])
        for case in read_cases(source, world.declared, world.bundle.policies, updating=True)[0]
    ]
    found = next((case for case in cases if case.name == name), None)
    if found is None:
        hint = nearest(name, [case.name for case in cases])
        raise CommandError(f"there is no test {name!r} that can be read{hint}")
    if found.granting is not None:
        note("(what this test takes for granted is left out)")
    return found.asked


def _recorded(world: "World", id_: str) -> "Hypothetical":
    import asyncio

    from fleeting.cli.reading import ledger_of, whole_story
    from fleeting.core.evidence import EntryKind
    from fleeting.policy.recalling import recorded_request

    kinds = (
        *(EntryKind.TOKEN_ISSUED, EntryKind.REQUEST_PENDING),
        *(EntryKind.REQUEST_REFUSED, EntryKind.ACCESS_EVALUATED),
    )
    with ledger_of(world.settings) as evidence:
        chained = asyncio.run(whole_story(evidence, id_))
    entries = [each.entry for each in chained if each.entry.kind in kinds]
    if not entries:
        raise CommandError(
            f"the ledger has no request {id_!r}: 'fleeting audit tail' lists the newest ids"
        )
    entry = min(entries, key=lambda each: (each.request_id != id_, each.at))
    digest = entry.body.get("policy_digest")
    if digest not in (None, world.bundle.digest):
        note(f"decided by policies {str(digest)[:12]} then, and explained by those of today")
    return recorded_request(entry.body, entry.at, world.declared, request_id=id_)
