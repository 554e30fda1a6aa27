"""What people can do to a request, by the names of the API; pages send the same."""

from collections.abc import Awaitable, Callable, Mapping

from fleeting.core.access_requests import RequestRecord
from fleeting.core.durations import parse_duration
from fleeting.core.errors import InvalidRequest
from fleeting.core.people import SignedIn
from fleeting.server.console.bodies import Members
from fleeting.usecases.decide_request import DecideRequest

Deed = Callable[[DecideRequest, SignedIn, str, Members], Awaitable[RequestRecord]]


async def _approve(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("offer", "comment"))
    return await decide.approve(who, id_, body.text("offer"), body.text("comment", ""))


async def _deny(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("reason",))
    return await decide.deny(who, id_, body.text("reason"))


async def _ask(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("text",))
    return await decide.ask(who, id_, body.text("text"))


async def _answer(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("text",))
    return await decide.answer(who, id_, body.text("text"))


async def _cancel(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("reason",))
    return await decide.cancel(who, id_, body.text("reason", ""))


async def _return(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("reason",))
    return await decide.return_(who, id_, body.text("reason", ""))


async def _extend(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("duration",))
    try:
        duration = parse_duration(body.text("duration"))
    except ValueError as error:
        raise InvalidRequest(f"'duration': {error}") from None
    return await decide.extend(who, id_, duration)


async def _revoke(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("reason",))
    return await decide.revoke(who, id_, body.text("reason"))


async def _review(decide: DecideRequest, who: SignedIn, id_: str, body: Members) -> RequestRecord:
    body.allow_only(("note",))
    return await decide.close_review(who, id_, body.text("note"))


DEEDS: Mapping[str, Deed] = {
    "approve": _approve,
    "deny": _deny,
    "ask": _ask,
    "answer": _answer,
    "cancel": _cancel,
    "return": _return,
    "extend": _extend,
    "revoke": _revoke,
    "review": _review,
}
"""All but ``narrow``, which must know what it narrows."""

EVERYTHING_OF = ("token", "client", "subject", "approver")
"""Of what all can be revoked at once."""


def what_to_revoke(body: Members) -> tuple[str, str, str]:
    """Return kind, value and reason of ``POST /api/revoke``.

    Raises:
        InvalidRequest: it names none of them, or several.
    """
    body.allow_only((*EVERYTHING_OF, "reason"))
    named = [kind for kind in EVERYTHING_OF if body.values.get(kind) is not None]
    if len(named) != 1:
        raise InvalidRequest(f"name one of {', '.join(EVERYTHING_OF)}, and a reason")
    return named[0], body.text(named[0]), body.text("reason")


def of_form(form: Mapping[str, str], *names: str) -> Members:
    """Return the members that a page's form sent for a deed, each as one line of text."""
    said = {name: " ".join(form.get(name, "").split()) for name in names}
    return Members({name: text for name, text in said.items() if text})
