"""The nouns of just-in-time access: frozen values with no behaviour beyond their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

FieldValue: TypeAlias = str | int | bool | Decimal | tuple[str, ...]
"""One bound of an operation: what a JSON value became once its declared kind had checked it."""

AttributeValue: TypeAlias = str | int | bool | tuple[str, ...]
"""One attribute of a subject, or one declared key of a ``request_context``."""

NOTHING: Mapping[str, AttributeValue] = MappingProxyType({})

SCOPE_TYPE = "scope"
"""The reserved operation type of OAuth scopes: each scope is one of its actions (DESIGN D3)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One ``authorization_details`` object that fits its declared type (RFC 9396 §2).

    actions: in the order asked, each once, at least one.
    fields: every declared field that was given; absent optional fields are absent here.
    """

    type: str
    actions: tuple[str, ...]
    fields: Mapping[str, FieldValue]

    def to_json(self) -> dict[str, Json]:
        """Return the object as RFC 9396 §2 writes it."""
        body: dict[str, Json] = {"type": self.type, "actions": list(self.actions)}
        body.update((name, _to_json(value)) for name, value in self.fields.items())
        return body


def _to_json(value: FieldValue) -> Json:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Decimal) else value


def scope_operation(scope: str) -> Operation:
    """Return *scope* as the operation without fields that it is (DESIGN D3)."""
    return Operation(SCOPE_TYPE, (scope,), {})


class SubjectKind(StrEnum):
    """Who the subject is to policy: the Cedar type of the principal."""

    USER = "User"
    CLIENT = "Client"


@dataclass(frozen=True, slots=True)
class Subject:
    """The party whose authority is used: a user of an identity provider, or the client itself.

    issuer: the identity provider that vouches for a user; None for a client.
    not_after: the end of the subject token; nothing issued on it may live longer (RFC 8693).
    operations: what the subject token's own ``authorization_details`` bound it to; None: nothing.
    """

    kind: SubjectKind
    id: str
    groups: frozenset[str] = frozenset()
    attributes: Mapping[str, AttributeValue] = field(default_factory=lambda: NOTHING)
    issuer: str | None = None
    acr: str | None = None
    auth_time: datetime | None = None
    not_after: datetime | None = None
    operations: tuple[Operation, ...] | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """One link of a delegation chain (RFC 8693 §4.1)."""

    sub: str
    iss: str | None = None
    client_id: str | None = None


class SenderConstraint(StrEnum):
    """How a token is tied to its holder; the values are policy's ``context.limits.bound``."""

    NONE = "none"
    DPOP = "dpop"
    MTLS = "mtls"


@dataclass(frozen=True, slots=True)
class SenderKey:
    """The key that asked: an RFC 7638 thumbprint (``jkt``) or an RFC 8705 one (``x5t#S256``)."""

    constraint: SenderConstraint
    thumbprint: str

    def to_cnf(self) -> dict[str, Json]:
        """Return the confirmation claim (RFC 7800 §3.1, RFC 9449 §6.1, RFC 8705 §3.1)."""
        name = "jkt" if self.constraint is SenderConstraint.DPOP else "x5t#S256"
        return {name: self.thumbprint}


@dataclass(frozen=True, slots=True)
class Client:
    """A declared OAuth client, and the most it may ever ask for.

    types, scopes: ceilings; None leaves the choice to policy, empty permits nothing.
    groups: its groups when it is the subject itself.
    owner, sponsor, manager: ids of the people who answer for it; they decide nothing that it asks.
    """

    client_id: str
    grant_types: frozenset[str]
    types: frozenset[str] | None = None
    scopes: frozenset[str] | None = None
    groups: frozenset[str] = frozenset()
    insecure_bearer: bool = False
    max_lifetime: timedelta | None = None
    max_uses: int | None = None
    owner: frozenset[str] = frozenset()
    sponsor: frozenset[str] = frozenset()
    manager: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Resource:
    """A declared resource server: the audience of its tokens (RFC 8707)."""

    identifier: str
    types: frozenset[str]
    scopes: frozenset[str] = frozenset()
    client_id: str | None = None
    max_lifetime: timedelta | None = None
    max_uses: int | None = None
    callback_uris: frozenset[str] = frozenset()


class AskedBy(StrEnum):
    """The door through which an access request came."""

    CLIENT_CREDENTIALS = "client_credentials"
    TOKEN_EXCHANGE = "token_exchange"  # noqa: S105 -- the name of a grant, not a secret
    CHALLENGE = "transaction_challenge"
    EVALUATION = "access_evaluation"
    """An enforcement point's question (AuthZEN): decided and recorded, and no token comes of it."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Subject, actors, client, resource, operations, context and the key that asked.

    id: names the whole story in the ledger; txn: names the transaction on the wire.
    actors: the delegation chain, current actor first (RFC 8693 §4.1).
    key: None only where the client is declared ``insecure_bearer``.
    break_glass: why it cannot wait for anybody, where the caller says so; no more than their word.
    """

    id: str
    txn: str
    asked_by: AskedBy
    subject: Subject
    actors: tuple[Actor, ...]
    client: Client
    resource: Resource
    operations: tuple[Operation, ...]
    context: Mapping[str, AttributeValue]
    key: SenderKey | None
    break_glass: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalStage:
    """So many distinct people of one group."""

    count: int
    group: str


@dataclass(frozen=True, slots=True)
class StepUp:
    """The login that a path asks for: one of these ``acr`` values, no older than ``max_age``."""

    acr: tuple[str, ...] = ()
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a permit allows a token to be.

    uses: None is unlimited. approvals: stages in their order. step_up: None asks for none.
    """

    lifetime: timedelta
    uses: int | None = None
    bound: SenderConstraint = SenderConstraint.DPOP
    approvals: tuple[ApprovalStage, ...] = ()
    step_up: StepUp | None = None


class Verdict(StrEnum):
    """What became of one action of one requested operation."""

    PERMITTED = "permitted"
    NO_PERMIT = "no_permit"
    FORBIDDEN = "forbidden"
    POLICY_ERROR = "policy_error"
    OUTSIDE_CLIENT = "outside_client"
    OUTSIDE_SUBJECT_TOKEN = "outside_subject_token"  # noqa: S105 -- a verdict, not a secret
    NEEDS_APPROVAL = "needs_approval"
    NEEDS_STEP_UP = "needs_step_up"
    NOT_BOUND = "not_bound"


@dataclass(frozen=True, slots=True)
class Path:
    """One satisfied permit: one way to access, with its limits under all ceilings."""

    policy: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class ActionDecision:
    """What policy says of one action of one operation.

    operation: the operation's place in ``AccessRequest.operations``.
    paths: every satisfied permit, the chosen one first; forbids: ids of the satisfied forbids.
    reasons: what the caller may know (``@reason``); errors: what only the ledger may know.
    """

    operation: int
    action: str
    verdict: Verdict
    paths: tuple[Path, ...] = ()
    forbids: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one policy set says of one access request, an answer for each action asked.

    ceilings: the installation's own that it was made under, as the ledger writes them.
    """

    policy_digest: str
    answers: tuple[ActionDecision, ...]
    ceilings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The claims of a token before signing (RFC 9068 §2.2, DESIGN D4).

    uses: how often it may be spent; None: as often as its life allows.
    """

    jti: str
    txn: str
    issuer: str
    audience: str
    client_id: str
    subject: str
    operations: tuple[Operation, ...]
    issued_at: datetime
    expires_at: datetime
    key: SenderKey | None
    uses: int | None = None
    actors: tuple[Actor, ...] = ()
    acr: str | None = None
    auth_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What the issuer remembers of a token: enough to spend, revoke and introspect it."""

    jti: str
    txn: str
    request_id: str
    client_id: str
    subject: str
    audience: str
    issued_at: datetime
    expires_at: datetime
    uses: int | None
    used: int = 0
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """A guard's wish to use a token once.

    use_id: fresh for each call that is served; asking again with it gives the same answer.
    audience: the resource that asks; only the token's own audience may spend it.
    operation: digest of what is served (``spending.operation_digest``): with another one, the same
    ``use_id`` is another use.
    """

    jti: str
    use_id: str
    audience: str
    operation: bytes = b""


class SpendRefusal(StrEnum):
    """Why a token was not spent; the wire contract's ``reason`` (DESIGN §6)."""

    SPENT = "spent"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class SpendResult:
    """The answer to a spend: the number of this use, or why there is none.

    use: 1 for the first use; None when refused. uses: the token's limit, None when unlimited.
    repeated: the same ``use_id`` was answered before; nothing was spent this time.
    """

    use: int | None
    uses: int | None
    refusal: SpendRefusal | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A proof or assertion id that is good once (RFC 9449 §11.1, RFC 7523 §3).

    space: whose ids these are, such as ``dpop`` or ``assertion:support-bot``.
    digest: SHA-256 of the id, so that a huge id costs no more than a small one.
    expires_at: when the proof can no longer be accepted anyhow, skew included.
    only_with_success: it is not used up by a write beside which something was replayed.
    """

    space: str
    digest: bytes
    expires_at: datetime
    only_with_success: bool = False
