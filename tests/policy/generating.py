"""Hypothesis strategies for a world of every kind of field, and for what can be asked in it.

Requests miss data that the schema promises, and are as far from each other as the kinds allow.
"""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from fleeting.core.context import declare_attributes, declare_context
from fleeting.core.model import (
    AccessRequest,
    Actor,
    AskedBy,
    Client,
    Limits,
    Operation,
    Resource,
    SenderConstraint,
    Subject,
    SubjectKind,
    scope_operation,
)
from fleeting.core.operations import declare_type
from fleeting.policy import PolicyWorld
from fleeting.policy.facts import Facts

STRINGS = ("", "a", "ab", "INC-7", "x*y", "é", 'q"\\', "😀b", "aab", "https://idp", "gold")
LONGS = (0, 1, 2, -1, 5, 99, 2**63 - 1, -(2**63), 2**62, -86_400_000)
DECIMALS = ("0.0", "1.5", "-1.25", "922337203685477.5807", "-922337203685477.5808", "0.0001")
USERS, CLIENTS, GROUPS = ("ada", "bob", "bot"), ("bot", "agent"), ("support", "leads", "bots")
RESOURCES = ("https://api", "https://else")

_FIELDS = {
    "text": {"kind": "exact", "optional": True},
    "amount": {"kind": "at_most", "type": "integer"},
    "least": {"kind": "at_least", "type": "integer", "optional": True},
    "value": {"kind": "at_most", "type": "decimal"},
    "final": {"kind": "exact", "type": "boolean"},
    "maybe": {"kind": "exact", "type": "boolean", "optional": True},
    "currency": {"kind": "one_of", "values": ["EUR", "USD"]},
    "tags": {"kind": "one_of", "optional": True},
    "path": {"kind": "path", "optional": True},
}
_OTHERS = {**_FIELDS, "amount": {"kind": "at_most", "type": "decimal"}, "final": {"kind": "exact"}}
TYPES = {
    "pay": declare_type("pay", {"actions": ["make", "undo"], "fields": _FIELDS}),
    "odd": declare_type("odd", {"actions": ["do"], "fields": _OTHERS}),
}
WORLD = PolicyWorld(
    types=TYPES,
    scopes=frozenset({"pay:read", "odd:read"}),
    context_keys=declare_context(
        {
            "ticket": {"type": "string", "required": True},
            "urgency": {"type": "integer"},
            "calm": {"type": "boolean"},
        }
    ),
    attributes=declare_attributes(
        {
            "level": {"type": "integer"},
            "tags": {"type": "strings"},
            "staff": {"type": "boolean"},
            "department": {"type": "string"},
        }
    ),
)

# What is asked.


def _mostly(**values):
    """Return fields of which each may be missing, though most are there."""
    strategies = {name: st.none() | each | each | each for name, each in values.items()}
    return st.fixed_dictionaries(strategies).map(
        lambda drawn: {name: value for name, value in drawn.items() if value is not None}
    )


_strings, _longs = st.sampled_from(STRINGS), st.sampled_from(LONGS)
_decimals = st.sampled_from(DECIMALS[:-2]).map(Decimal) | st.just(Decimal("-0.0001"))
_lists = st.lists(_strings, max_size=3, unique=True).map(tuple)
_chosen = st.sampled_from(["EUR", ("EUR",), ("USD", "EUR"), ("USD",)])
_moments = st.sampled_from(
    [
        datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999500, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
    ]
)
_common = {
    "text": _strings,
    "least": _longs,
    "value": _decimals,
    "maybe": st.booleans(),
    "currency": _chosen,
    "tags": _lists | _strings,
    "path": _strings,
}
operations = (
    st.builds(
        lambda action, fields: Operation("pay", (action,), fields),
        st.sampled_from(["make", "undo"]),
        _mostly(**_common, amount=_longs, final=st.booleans()),
    )
    | st.builds(
        lambda fields: Operation("odd", ("do",), fields),
        _mostly(**_common, amount=_decimals, final=_strings),
    )
    | st.just(scope_operation("pay:read"))
)
_groups = st.frozensets(st.sampled_from([*GROUPS, "others"]))
_subjects = st.builds(
    Subject,
    st.just(SubjectKind.USER),
    st.sampled_from(USERS),
    _groups,
    _mostly(level=_longs, tags=_lists, staff=st.booleans(), department=_strings),
    issuer=st.sampled_from(["https://idp", "a", None]),
    acr=st.none() | _strings,
    auth_time=st.none() | _moments,
) | st.builds(Subject, st.just(SubjectKind.CLIENT), st.sampled_from(CLIENTS), _groups)


def _request(subject, client, resource, actors, operation, context):
    return AccessRequest(
        id="request",
        txn="txn",
        asked_by=AskedBy.TOKEN_EXCHANGE,
        subject=subject,
        actors=actors,
        client=client,
        resource=Resource(resource, frozenset(TYPES)),
        operations=(operation,),
        context=context,
        key=None,
    )


_clients = st.builds(
    lambda name, groups: Client(name, frozenset(), groups=groups), st.sampled_from(CLIENTS), _groups
)
_contexts = _mostly(ticket=_strings, urgency=_longs, calm=st.booleans())
_actors = st.lists(_strings.map(Actor), max_size=2).map(tuple)
_limits = st.builds(
    Limits,
    st.sampled_from([1, 60, 300]).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(SenderConstraint),
)


def _some(strategy):
    return st.lists(strategy, min_size=1, max_size=3)


@st.composite
def questions(draw):
    """Draw facts: a few subjects, operations and so on, each with each, for drawing is slow."""
    requests = itertools.product(
        draw(_some(_subjects)),
        draw(st.lists(_clients, min_size=1, max_size=2)),
        RESOURCES[: draw(st.integers(1, 2))],
        draw(st.lists(_actors, min_size=1, max_size=2)),
        draw(_some(operations)),
        draw(st.lists(_contexts, min_size=1, max_size=2)),
    )
    now, limits = draw(_moments), draw(st.lists(st.none() | _limits, min_size=1, max_size=2))
    return [
        Facts(_request(*request), request[4], now, each) for request in requests for each in limits
    ]
