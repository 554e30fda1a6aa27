"""Strategies for Cedar conditions, right and wrong ones, and for requests that they are about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from fleeting.core.context import declare_attributes, declare_context
from fleeting.core.exchange import IdentityProvider
from fleeting.core.limits import Limits
from fleeting.core.model import (
    AccessRequest,
    Actor,
    AskedBy,
    Client,
    Operation,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
)
from fleeting.core.operations import declare_type
from fleeting.core.requests import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from fleeting.policy import PolicyWorld
from fleeting.policy.proving.cases import Case
from fleeting.policy.proving.parties import Parties

BOTH = frozenset({CLIENT_CREDENTIALS, TOKEN_EXCHANGE})
PAY = declare_type(
    "pay",
    {
        "actions": ["make", "undo"],
        "fields": {
            "amount": {"kind": "at_most", "type": "integer"},
            "value": {"kind": "at_most", "type": "decimal", "optional": True},
            "to": {"kind": "exact"},
            "file": {"kind": "path", "optional": True},
            "final": {"kind": "exact", "type": "boolean", "optional": True},
            "currency": {"kind": "one_of", "values": ["EUR", "USD", "GBP"]},
            "labels": {"kind": "one_of", "optional": True},
        },
    },
)
WORLD = PolicyWorld(
    types={"pay": PAY},
    context_keys=declare_context(
        {"ticket": {"type": "string", "pattern": "[A-Z]+-[0-9]+"}, "urgency": {"type": "integer"}}
    ),
    attributes=declare_attributes(
        {"level": {"type": "integer"}, "tags": {"type": "strings"}, "staff": {"type": "boolean"}},
        [{"d": "department"}],
    ),
)
CLAIMS = {"g": "groups", "l": "level", "t": "tags", "s": "staff", "d": "department"}
PARTIES = Parties(
    clients=(
        Client("bot", BOTH, groups=frozenset({"a"})),
        Client("app", BOTH, groups=frozenset({"b"}), insecure_bearer=True, max_uses=3),
    ),
    resources=(
        Resource("https://api", frozenset({"pay"}), max_lifetime=timedelta(minutes=5)),
        Resource("https://other", frozenset({"pay"})),
    ),
    providers=(
        IdentityProvider("https://idp", "us", CLAIMS, ""),
        IdentityProvider("https://small", "us", {}, "small#"),
    ),
)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

TEXTS = ["EUR", "USD", "x", "INC-7", "/a/b", "bot", "ada", "", "a*b", "é"]
NUMBERS = [0, 1, 2, -1, 5, 300, 2**63 - 1, -(2**63)]
DECIMALS = ["0.0", "1.5", "-1.25", "0.0001", "922337203685477.5807"]
INSTANTS = ["1970-01-01", "2026-01-02T03:04:05.678Z", "0000-01-01", "2026-01-02T00:00:00+0130"]
SPANS = ["0ms", "1h", "-1d2h", "59s", "1d23h59m59s999ms", "106751991167d"]
PATTERNS = ["*", "a*", "*b", "INC-*", "/a/*", r"a\*b", "", "*é"]


def quoted(text):
    return '"' + text.replace('"', '\\"') + '"'


def of(*choices):
    return st.sampled_from(choices)


def joined(template, *parts):
    return st.tuples(*parts).map(lambda each: template.format(*each))


bools = st.deferred(lambda: _bools)
longs = st.deferred(lambda: _longs)
texts = st.deferred(lambda: _texts)
sets = st.deferred(lambda: _sets)
decimals = of("context.operation.value", *(f'decimal("{each}")' for each in DECIMALS))
instants = st.deferred(lambda: _instants)
spans = st.deferred(lambda: _spans)
entities = of(
    "principal",
    "principal",
    "context.client",
    "resource",
    'User::"ada"',
    'User::"bot"',
    'Client::"bot"',
    'Group::"a"',
    'Resource::"https://api"',
)
groups = of('Group::"a"', 'Group::"b"', 'Group::"c"')
_texts = st.one_of(
    of(
        "context.operation.to",
        "context.operation.file",
        "context.request.ticket",
        "context.acr",
        "context.actor",
        "principal.department",
        "principal.issuer",
    ),
    st.sampled_from(TEXTS).map(quoted),
    joined("(if {} then {} else {})", bools, texts, texts),
)
_longs = st.one_of(
    of(
        "context.operation.amount",
        "context.request.urgency",
        "context.auth_age",
        "context.delegation_depth",
        "principal.level",
    ),
    st.sampled_from(NUMBERS).map(str),
    joined("({} {} {})", longs, of("+", "-"), longs),
    joined("({} * {})", longs, of("2", "-1", "0")),
    joined("(-({}))", longs),
    joined("{}.{}()", spans, of("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")),
)
_sets = st.one_of(
    of("context.operation.currency", "context.operation.labels", "principal.tags"),
    joined("[{}, {}]", texts, texts),
    of("[]", '["EUR"]'),
)
_instants = st.one_of(
    of("context.now", *(f'datetime("{each}")' for each in INSTANTS)),
    joined("{}.offset({})", instants, spans),
    joined("{}.toDate()", instants),
)
_spans = st.one_of(
    of(*(f'duration("{each}")' for each in SPANS)),
    joined("{}.durationSince({})", instants, instants),
    joined("{}.toTime()", instants),
)
_bools = st.one_of(
    of(
        "true",
        "false",
        "context.operation.final",
        "principal.staff",
        "context has acr",
        "context has actor",
        "context has auth_age",
        "context.operation has file",
        "context.operation has labels",
        "context.request has ticket",
        "principal has department",
        "principal has tags",
        "principal is User",
        "principal is Client",
        'action == Action::"pay:make"',
        'action in Action::"pay"',
        "{a: context.operation.amount}.a == 5",
    ),
    joined("({} {} {})", longs, of("<", "<=", ">", ">=", "==", "!="), longs),
    joined("({} {} {})", texts, of("==", "!="), texts),
    joined("({} {} {})", bools, of("&&", "||"), bools),
    joined("(if {} then {} else {})", bools, bools, bools),
    joined("!({})", bools),
    joined("({} {} {})", entities, of("==", "in"), entities),
    joined("({} in {})", entities, groups),
    joined("({} in [{}, {}])", entities, groups, entities),
    joined("(principal is User in {})", groups),
    joined("{}.contains({})", sets, texts),
    joined("{}.{}({})", sets, of("containsAll", "containsAny"), sets),
    joined("{}.isEmpty()", sets),
    joined("({} == {})", sets, sets),
    joined("{}.{}({})", decimals, of("lessThan", "greaterThanOrEqual"), decimals),
    joined("({} {} {})", instants, of("<", ">=", "=="), instants),
    joined("({} {} {})", spans, of("<=", ">", "=="), spans),
    joined("[{}, 5].contains({})", longs, longs),
)
patterned = st.one_of(
    bools, joined("({} like {})", texts, st.sampled_from(PATTERNS).map(lambda p: f'"{p}"'))
)
scopes = of(
    "principal",
    "principal",
    "principal is User",
    "principal is Client",
    'principal in Group::"a"',
    'principal is User in Group::"c"',
    'principal == User::"ada"',
    'principal == Client::"bot"',
)
targets = of("resource", "resource", 'resource == Resource::"https://api"')


@st.composite
def fields(draw):
    found = {
        "amount": draw(st.sampled_from([0, 1, 5, 300, 2**63 - 1])),
        "to": draw(st.sampled_from([*TEXTS, "elsewhere"])),
        "currency": tuple(draw(st.sampled_from([["EUR"], ["USD", "EUR"], ["GBP"]]))),
    }
    optional = {
        "value": st.sampled_from(DECIMALS).map(lambda each: abs(Decimal(each))),
        "file": of("/a/b", "/a/c/d", "/"),
        "final": st.booleans(),
        "labels": st.sampled_from([("x",), ("EUR", "y"), ("é", "x")]),
    }
    found.update({name: draw(s) for name, s in optional.items() if draw(st.booleans())})
    return found


@st.composite
def users(draw, parties=PARTIES):
    optional = {
        "level": st.sampled_from(NUMBERS),
        "tags": st.sampled_from([(), ("x",), ("EUR", "x"), ("z",)]),
        "staff": st.booleans(),
        "department": of("x", "EUR", "sales"),
    }
    issuer = draw(st.sampled_from([each.issuer for each in parties.providers]))
    known = issuer == "https://idp"
    return Subject(
        SubjectKind.USER,
        draw(of("ada", "bob")),
        draw(st.sets(of("a", "b", "c", "z")).map(frozenset)) if known else frozenset(),
        {n: draw(s) for n, s in optional.items() if known and draw(st.booleans())},
        issuer,
        draw(st.none() | of("x", "EUR", "gold")),
        draw(
            st.none() | of(*[NOW - timedelta(seconds=s) for s in (0, 1, 299.5, 300, 300.5, 9999)])
        ),
    )


@st.composite
def cases(draw):
    client = draw(st.sampled_from(PARTIES.clients))
    held = [SenderConstraint.DPOP, SenderConstraint.MTLS]
    keys = [SenderKey(each, "t" * 43) for each in held] + [None] * client.insecure_bearer
    user = draw(st.booleans())
    own = Subject(SubjectKind.CLIENT, client.client_id, client.groups)
    chain = draw(st.lists(of("x", "bot", "ada"), min_size=1, max_size=3)) if user else []
    context = {"ticket": of("INC-7", "X-1"), "urgency": st.sampled_from(NUMBERS)}
    request = AccessRequest(
        id="r",
        txn="t",
        asked_by=AskedBy.TOKEN_EXCHANGE,
        subject=draw(users()) if user else own,
        actors=tuple(map(Actor, chain)),
        client=client,
        resource=draw(st.sampled_from(PARTIES.resources)),
        operations=(Operation("pay", (draw(of("make", "undo")),), draw(fields())),),
        context={n: draw(s) for n, s in context.items() if draw(st.booleans())},
        key=draw(st.sampled_from(keys)),
    )
    return Case(request, draw(of(NOW, datetime(1970, 1, 1, tzinfo=UTC))))


limits = st.builds(
    Limits,
    lifetime=of(timedelta(seconds=60), timedelta(minutes=5)),
    uses=of(None, 1, 5),
    bound=st.sampled_from(SenderConstraint),
)
