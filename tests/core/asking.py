"""A request to change where a test is about something of it."""

from dataclasses import replace

from fleeting.core.model import AccessRequest, AskedBy, Client, Resource, Subject, SubjectKind

PLAIN = AccessRequest(
    id="request",
    txn="txn",
    asked_by=AskedBy.CLIENT_CREDENTIALS,
    subject=Subject(SubjectKind.CLIENT, "bot"),
    actors=(),
    client=Client("bot", frozenset()),
    resource=Resource("https://api", frozenset()),
    operations=(),
    context={},
    key=None,
)


def plain_request(**changes):
    """Return what a client asks for itself, but for *changes*."""
    return replace(PLAIN, **changes)
