"""A small installation's world, and requests in it."""

from datetime import UTC, datetime

import pytest

from fleeting.core.context import declare_attributes, declare_context
from fleeting.core.declaring import Table
from fleeting.core.model import (
    AccessRequest,
    Actor,
    AskedBy,
    Client,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
    scope_operation,
)
from fleeting.core.operations import declare_type, parse_operation
from fleeting.core.requests import Catalogue
from fleeting.policy import PolicyProblems, PolicySource, PolicyWorld, load_policies
from fleeting.policy.hypothetical import Declared, hypothetical_request

TYPES = {
    name: declare_type(name, declaration)
    for name, declaration in {
        "payment_refund": {
            "actions": ["refund"],
            "fields": {
                "payment_id": {"kind": "exact"},
                "amount": {"kind": "at_most", "type": "integer", "unit": "cent"},
                "currency": {"kind": "one_of", "values": ["EUR", "USD"]},
                "note": {"kind": "text", "optional": True},
            },
        },
        "transfer": {
            "actions": ["make", "cancel"],
            "sensitive": True,
            "fields": {
                "value": {"kind": "at_most", "type": "decimal"},
                "final": {"kind": "exact", "type": "boolean", "optional": True},
            },
        },
    }.items()
}
WORLD = PolicyWorld(
    types=TYPES,
    scopes=frozenset({"payments:read", "payments:write"}),
    context_keys=declare_context({"ticket": {"type": "string"}, "urgency": {"type": "integer"}}),
    attributes=declare_attributes(
        {"level": {"type": "integer"}, "tags": {"type": "strings"}}, [{"d": "department"}]
    ),
)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


@pytest.fixture(scope="session")
def world():
    return WORLD


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def load():
    """Load one text as a set of policies."""

    def load(text, **changes):
        world = changes.pop("world", WORLD)
        return load_policies([PolicySource("test.cedar", text)], world, **changes)

    return load


@pytest.fixture(scope="session")
def problems(load):
    """Return what is wrong with a text, each as ``line:column: message (hint)``."""

    def problems(text, **changes):
        with pytest.raises(PolicyProblems) as caught:
            load(text, **changes)
        return [str(each).removeprefix("test.cedar:") for each in caught.value.problems]

    return problems


@pytest.fixture(scope="session")
def refund():
    """Make a refund operation."""

    def refund(amount=5000, currency="EUR", **fields):
        value = {"type": "payment_refund", "payment_id": "42", "amount": amount}
        return parse_operation({**value, "currency": currency, **fields}, TYPES)

    return refund


@pytest.fixture(scope="session")
def transfer():
    """Make a transfer operation."""

    def transfer(value="5.00", actions=("make",), **fields):
        written = {"type": "transfer", "actions": [*actions], "value": value}
        return parse_operation({**written, **fields}, TYPES)

    return transfer


@pytest.fixture(scope="session")
def ask():
    """Make an access request, of a client in the group support unless told otherwise."""

    def ask(*operations, groups=("support",), client=None, **changes):
        caller = Client("bot", frozenset(), groups=frozenset(groups), **(client or {}))
        whole = {
            "id": "request",
            "txn": "txn",
            "asked_by": AskedBy.CLIENT_CREDENTIALS,
            "subject": Subject(SubjectKind.CLIENT, "bot", caller.groups),
            "actors": (),
            "client": caller,
            "resource": Resource("https://api", frozenset(TYPES)),
            "operations": tuple(
                scope_operation(each) if isinstance(each, str) else each for each in operations
            ),
            "context": {},
            "key": SenderKey(SenderConstraint.DPOP, "thumbprint"),
            **changes,
        }
        return AccessRequest(**whole)

    return ask


@pytest.fixture(scope="session")
def user():
    """Make a user as the subject."""

    def user(id_="ada", groups=("support",), **changes):
        whole = {"issuer": "https://idp", "groups": frozenset(groups), **changes}
        return Subject(SubjectKind.USER, id_, **whole)

    return user


@pytest.fixture(scope="session")
def actor():
    return Actor("agent")


REFUND = {"type": "payment_refund", "payment_id": "42", "amount": 5000, "currency": "EUR"}
_BOT = Client("bot", frozenset({"client_credentials"}), groups=frozenset({"support"}))
DECLARED = Declared(
    catalogue=Catalogue(
        {"https://api": Resource("https://api", frozenset(TYPES), WORLD.scopes)}, TYPES
    ),
    clients={
        "bot": _BOT,
        "guard": Client("guard", frozenset()),
        "old": Client("old", frozenset({"client_credentials"}), insecure_bearer=True),
    },
    context_keys=WORLD.context_keys,
    attributes=WORLD.attributes,
    issuers=("https://idp",),
)


@pytest.fixture(scope="session")
def declared():
    return DECLARED


@pytest.fixture(scope="session")
def suppose():
    """Make a request that nobody sent: a refund by the client bot unless told otherwise."""

    def suppose(operation=None, **stated):
        asked = {} if "scope" in stated or "operations" in stated else {"operation": REFUND}
        if operation is not None:
            asked = {"operation": {**REFUND, **operation} if "type" not in operation else operation}
        values = {"client": "bot", **asked, **stated}
        return hypothetical_request(Table("", values), DECLARED)

    return suppose
