"""The life of an access request that people decide, as one table (house rule 9).

``requested → pending → approved → granted``, and one of the ends. The docs' diagram is made of it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """Where an access request stands."""

    REQUESTED = "requested"
    PENDING = "pending"
    APPROVED = "approved"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    REVOKED = "revoked"
    ENDED = "ended"


class Event(StrEnum):
    """What can happen to it."""

    WAIT = "wait"
    """Policy asks for people."""
    BREAK_GLASS = "break_glass"
    """Policy lets it through at once, for a review afterwards."""
    APPROVE = "approve"
    """The last vote that was needed, and policy still permits it."""
    DENY = "deny"
    """A person said no, or policy no longer permits it."""
    EXPIRE = "expire"
    """Nobody decided, or nobody collected, in time."""
    CANCEL = "cancel"
    """Whoever asked, or an operator, took it back."""
    COLLECT = "collect"
    """The first token was issued; or decisions may build on it, of which no token comes."""
    RETURN = "return"
    """Whoever asked is done before the end."""
    REVOKE = "revoke"
    """It was taken away."""
    END = "end"
    """Its time is over, or all that it allowed was used."""


class LifecycleError(Exception):
    """That cannot happen to an access request in this status."""

    def __init__(self, status: Status, event: Event) -> None:
        super().__init__(f"it is {status.value}: {event.value} does not go with that")
        self.status = status
        self.event = event


TRANSITIONS: Mapping[tuple[Status, Event], Status] = MappingProxyType(
    {
        (Status.REQUESTED, Event.WAIT): Status.PENDING,
        (Status.REQUESTED, Event.BREAK_GLASS): Status.GRANTED,
        (Status.PENDING, Event.APPROVE): Status.APPROVED,
        (Status.PENDING, Event.DENY): Status.DENIED,
        (Status.PENDING, Event.EXPIRE): Status.EXPIRED,
        (Status.PENDING, Event.CANCEL): Status.CANCELLED,
        (Status.APPROVED, Event.COLLECT): Status.GRANTED,
        (Status.APPROVED, Event.DENY): Status.DENIED,
        (Status.APPROVED, Event.EXPIRE): Status.EXPIRED,
        (Status.APPROVED, Event.CANCEL): Status.CANCELLED,
        (Status.APPROVED, Event.REVOKE): Status.REVOKED,
        (Status.GRANTED, Event.RETURN): Status.RETURNED,
        (Status.GRANTED, Event.REVOKE): Status.REVOKED,
        (Status.GRANTED, Event.END): Status.ENDED,
    }
)

OVER = frozenset(Status) - {status for status, _ in TRANSITIONS}
"""Where nothing more can happen."""


def after(status: Status, event: Event) -> Status:
    """Return where *event* leads from *status*.

    Raises:
        LifecycleError: it is not in the table.
    """
    found = TRANSITIONS.get((status, event))
    if found is None:
        raise LifecycleError(status, event)
    return found


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.REQUESTED.value}"]
    lines += [
        f"    {status.value} --> {target.value}: {event.value}"
        for (status, event), target in TRANSITIONS.items()
    ]
    lines += [f"    {status.value} --> [*]" for status in Status if status in OVER]
    return "\n".join(lines) + "\n"
