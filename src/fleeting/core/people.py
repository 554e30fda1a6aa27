"""People who sign in: who they are to this installation, and who may act in their place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fleeting.core.model import NOTHING, AttributeValue


@dataclass(frozen=True, slots=True)
class Delegation:
    """A person is away: *to* may vote in their place, from *since* until *until*."""

    to: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A human being with one or more accounts.

    id: the same name that tokens of their identity provider give them as ``sub`` here, so that
    who asks and who approves can be told apart. aliases: their other ids.
    issuer: the identity provider; None: they were added here and sign in with a passkey.
    groups, attributes: as the provider said at the last login, or as they were added.
    """

    id: str
    name: str
    groups: frozenset[str] = frozenset()
    attributes: Mapping[str, AttributeValue] = field(default_factory=lambda: NOTHING)
    issuer: str | None = None
    aliases: frozenset[str] = frozenset()
    disabled: bool = False
    signed_in_at: datetime | None = None
    delegations: tuple[Delegation, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """Every name this human being goes by."""
        return self.aliases | {self.id}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person at the other end, and the login that says so.

    session: names the session, without being good for anything. signed_in_at: when they proved
    who they are (``auth_time``), not when the session was last used.
    """

    person: Person
    session: str
    signed_in_at: datetime
    acr: str | None = None


class ConsoleAction(StrEnum):
    """What people can do here; who may is a policy of its own (roles)."""

    VIEW = "view"
    APPROVE = "approve"
    DENY = "deny"
    NARROW = "narrow"
    ASK = "ask"
    ANSWER = "answer"
    DELEGATE = "delegate"
    CANCEL = "cancel"
    RETURN = "return"
    EXTEND = "extend"
    REVOKE = "revoke"
    REVIEW = "review"
    MANAGE_PEOPLE = "manage_people"
    VIEW_POLICIES = "view_policies"
    EDIT_POLICIES = "edit_policies"
    READ_LEDGER = "read_ledger"
