"""Say in plain words what the entries of a request that people decide hold.

This does NOT make them safe to print: what people wrote is in them as they wrote it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from fleeting.core.evidence import Entry, EntryKind

Body: TypeAlias = Mapping[str, Any]

UNREADABLE = "(an entry that this version cannot read)"


def request_words(entry: Entry) -> str:
    """Return what happened, in one sentence."""
    try:
        return WORDS[entry.kind](entry.body)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        return UNREADABLE


def _who(body: Body) -> str:
    """Return who did it: the name, and the id where that says more."""
    by, name = body["by"], body.get("name")
    if by is None:
        return "fleeting"
    return by if name in (None, by) else f"{name} ({by})"


def _quoted(text: object) -> str:
    return f"“{text}”"


def _because(body: Body) -> str:
    reason = body["reason"]
    return f": {_quoted(reason)}" if reason else ""


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%H:%M:%S}"


def _pending(body: Body) -> str:
    subject, client = body["subject"]["id"], body["client"]
    who = client if subject == client else f"{client}, for {subject},"
    escalation = f", {body['escalation']}" if body.get("escalation") else ""
    policies = ", ".join(body.get("policies", ()))
    asked = f" to extend {body['extends']}" if body.get("extends") else ""
    return (
        f"{who} asks{asked}, and waits for {body['approval'] or 'nobody'}{escalation} "
        f"({policies}) until {_time(body['expires_at'])}"
    )


def _voted(body: Body) -> str:
    if "withdrawn" in body:
        votes = ", ".join(body["withdrawn"])
        return f"{_who(body)} takes back the approval of {votes}{_because(body)}"
    place = f", in the place of {body['instead_of']}," if body.get("instead_of") else ""
    comment = f": {_quoted(body['comment'])}" if body.get("comment") else ""
    missing = body["missing"]
    left = "the last one needed" if not missing else f"{missing} still missing"
    offer = "; ".join(body["words"])
    return f"{_who(body)}{place} approves as one of {body['group']} ({left}): {offer}{comment}"


def _narrowed(body: Body) -> str:
    return f"{_who(body)} narrows it: {'; '.join(body['words'])}"


def _approved(body: Body) -> str:
    votes = ", ".join(vote["by"] for vote in body["votes"])
    by = f"by {votes}" if votes else "by policy alone"
    if body.get("not_after"):
        return f"approved {by}, until {_time(body['not_after'])}"
    return f"approved {by}; to be collected until {_time(body['collect_by'])}"


def _denied(body: Body) -> str:
    who = "policy permits it no longer" if body["by"] is None else f"{_who(body)} says no"
    return f"{who}{_because(body)}"


def _expired(body: Body) -> str:
    approved = body["was"] == "approved"
    return (
        "it expires: nobody collected it" if approved else "it expires: not enough people decided"
    )


def _ended_by(deed: str) -> Callable[[Body], str]:
    def words(body: Body) -> str:
        count = len(body["tokens"])
        tokens = "" if not count else ", and its token" if count == 1 else f", and {count} tokens"
        return f"{_who(body)} {deed}{tokens}{_because(body)}"

    return words


def _over(body: Body) -> str:
    count, what = body["calls"], "permit" if body.get("decides") else "token"
    tokens = f"1 {what}" if count == 1 else f"{count} {what}s"
    return f"the grant is over: {tokens} came of it"


def _extended(body: Body) -> str:
    votes = ", ".join(vote["by"] for vote in body.get("votes", ()))
    return f"extended until {_time(body['not_after'])} by {votes} ({body['extension']})"


def _review_opened(body: Body) -> str:
    return (
        f"it went ahead at once: {_quoted(body['break_glass'])}; {body['group']} is alarmed, "
        f"and somebody reviews it until {body['due_at'][:16].replace('T', ' ')}"
    )


def _review_closed(body: Body) -> str:
    late = ", too late" if body["overdue"] else ""
    return f"{_who(body)} closes the review{late}: {_quoted(body['note'])}"


def _revoked_all(body: Body) -> str:
    count = len(body["requests"])
    what = "approvals by" if body["kind"] == "approver" else "access of"
    requests = "1 request" if count == 1 else f"{count} requests"
    whose = f"{body['kind']} {body['value']}" if body["kind"] != "approver" else body["value"]
    return f"{_who(body)} revokes all {what} {whose} ({requests}){_because(body)}"


def _person(body: Body) -> str:
    if "away" in body:
        away = body["away"]
        if away is None:
            return f"{body['name']} is back: nobody votes in their place"
        until = away["until"][:16].replace("T", " ")
        return f"{body['name']} is away: {away['to']} may vote in their place until {until}"
    return f"{body['person']}: {str(body['deed']).replace('_', ' ')}, by {body['by']}"


def _signed_in(body: Body) -> str:
    return f"{body['name']} ({body['person']}) signs in by {body['method']}"


def _sign_in_refused(body: Body) -> str:
    who = body.get("person") or "somebody"
    return f"{who} is not signed in by {body['method']}: {_error(body)}"


def _action_refused(body: Body) -> str:
    return f"{body['person']} may not {body['action'].replace('_', ' ')}: {_error(body)}"


def _error(body: Body) -> str:
    error = body["error"]
    return f"{error['error']}: {error['description']}"


WORDS: Mapping[EntryKind, Callable[[Body], str]] = {
    EntryKind.REQUEST_PENDING: _pending,
    EntryKind.REQUEST_VOTED: _voted,
    EntryKind.REQUEST_NARROWED: _narrowed,
    EntryKind.REQUEST_ASKED: lambda body: f"{_who(body)} asks: {_quoted(body['text'])}",
    EntryKind.REQUEST_ANSWERED: lambda body: f"{_who(body)} answers: {_quoted(body['text'])}",
    EntryKind.REQUEST_APPROVED: _approved,
    EntryKind.REQUEST_DENIED: _denied,
    EntryKind.REQUEST_EXPIRED: _expired,
    EntryKind.REQUEST_CANCELLED: _ended_by("takes it back"),
    EntryKind.REQUEST_RETURNED: _ended_by("gives it back"),
    EntryKind.REQUEST_EXTENDED: _extended,
    EntryKind.REQUEST_REVOKED: _ended_by("revokes it"),
    EntryKind.REQUEST_ENDED: _over,
    EntryKind.REVIEW_OPENED: _review_opened,
    EntryKind.REVIEW_CLOSED: _review_closed,
    EntryKind.ACCESS_REVOKED: _revoked_all,
    EntryKind.PERSON_CHANGED: _person,
    EntryKind.PERSON_SIGNED_IN: _signed_in,
    EntryKind.PERSON_SIGNED_OUT: lambda body: f"{body['person']} signs out",
    EntryKind.SIGN_IN_REFUSED: _sign_in_refused,
    EntryKind.ACTION_REFUSED: _action_refused,
}
