from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleeting.core.errors import (
    AccessDenied,
    InsufficientUserAuthentication,
    InvalidAuthorizationDetails,
    InvalidDpopProof,
    InvalidGrant,
    OAuthError,
)
from fleeting.core.issuance import (
    act_claim,
    check_size,
    decide_token,
    details_json,
    grantable,
    refused_json,
    scope_text,
    token_claims,
    token_record,
    token_response,
    within_subject_token,
)
from fleeting.core.jose import MAX_JWT_BYTES
from fleeting.core.model import (
    ActionDecision,
    Actor,
    Decision,
    Limits,
    Operation,
    Path,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
    Verdict,
    scope_operation,
)
from fleeting.core.operations import contains, declare_type, type_of
from tests.core.asking import plain_request

NOW = datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC)
WHOLE = NOW.replace(microsecond=0)
SECOND = timedelta(seconds=1)
ACTIONS = ("read", "write", "erase")
FILES = declare_type(
    "files",
    {
        "actions": list(ACTIONS),
        "fields": {"folder": {"kind": "path"}, "size": {"kind": "at_most", "type": "integer"}},
    },
)
TYPES = {"files": FILES}
KEY = SenderKey(SenderConstraint.DPOP, "thumbprint")
LIMITS = Limits(timedelta(minutes=5), 3)
BUNDLE = "digest"


def ask(*operations, not_after=None, bounds=None, key=KEY, actors=(), **subject):
    return plain_request(
        subject=Subject(
            SubjectKind.USER, "alice", not_after=not_after, operations=bounds, **subject
        ),
        actors=actors,
        resource=Resource("https://api.example", frozenset({"files"})),
        operations=operations,
        key=key,
    )


def files(*actions, folder="/a", size=10):
    return Operation("files", actions or ("read",), {"folder": folder, "size": size})


def answer(place, action, verdict=Verdict.PERMITTED, limits=LIMITS, *reasons):
    paths = (Path("policy", limits),) if verdict is Verdict.PERMITTED else ()
    return ActionDecision(place, action, verdict, paths, reasons=reasons)


def token_of(request, *answers):
    granted = grantable(request, Decision(BUNDLE, answers))
    return decide_token(request, granted, issuer="https://as", jti="jti", now=NOW)


# The property.

verdicts = st.sampled_from([*Verdict, Verdict.PERMITTED, Verdict.PERMITTED, Verdict.PERMITTED])
limits = st.builds(
    Limits,
    lifetime=st.timedeltas(SECOND, timedelta(hours=2)).map(
        lambda span: max(SECOND, timedelta(seconds=span // SECOND))
    ),
    uses=st.none() | st.integers(1, 9),
)
folders = st.sampled_from(["/", "/a", "/a/b", "/ab", "/c"])
operations = st.builds(
    lambda actions, folder, size: files(*actions, folder=folder, size=size),
    st.lists(st.sampled_from(ACTIONS), min_size=1, unique=True),
    folders,
    st.integers(0, 3),
)
scopes = st.sampled_from(["s:read", "s:write"]).map(scope_operation)


@st.composite
def decided(draw):
    asked = tuple(draw(st.lists(operations | scopes, min_size=1, max_size=3)))
    left = draw(st.none() | st.timedeltas(timedelta(0), timedelta(hours=1)))
    bounds = draw(st.none() | st.lists(operations, max_size=2).map(tuple))
    request = ask(*asked, not_after=None if left is None else NOW + left, bounds=bounds)
    answers = tuple(
        answer(place, action, draw(verdicts), draw(limits))
        for place, operation in enumerate(asked)
        for action in operation.actions
    )
    return request, Decision(BUNDLE, answers)


@given(decided())
def test_a_token_never_exceeds_what_was_asked_and_permitted(case):
    request, permitted = case
    decision = within_subject_token(request, permitted, TYPES)
    try:
        granted = grantable(request, decision)
        token = decide_token(request, granted, issuer="i", jti="j", now=NOW)
    except OAuthError:
        return
    allowed = {
        (each.operation, each.action): each.paths[0].limits
        for each in permitted.answers
        if each.verdict is Verdict.PERMITTED
    }
    for operation in token.operations:
        type_ = type_of(operation, TYPES)
        asked = [
            place
            for place, each in enumerate(request.operations)
            if contains(each, operation, type_) and each.fields == operation.fields
        ]
        assert any({(place, a) for a in operation.actions} <= allowed.keys() for place in asked)
        if request.subject.operations is not None:
            assert any(contains(bound, operation, type_) for bound in request.subject.operations)
    used = [each.paths[0].limits for each in decision.answers if each.verdict is Verdict.PERMITTED]
    assert token.expires_at <= WHOLE + min(each.lifetime for each in used)
    assert token.expires_at > NOW
    if request.subject.not_after is not None:
        assert token.expires_at <= request.subject.not_after
    counts = [each.uses for each in used if each.uses is not None]
    assert token.uses == min(counts, default=None)
    assert token.key == request.key


@given(decided())
def test_nothing_permitted_is_lost(case):
    request, decision = case
    permitted = [each for each in decision.answers if each.verdict is Verdict.PERMITTED]
    assume(permitted)
    granted = grantable(request, decision)
    assert sum(len(operation.actions) for operation in granted.operations) == len(permitted)
    assert len(granted.refused) == len(decision.answers) - len(permitted)


# The same, by example.


def test_actions_that_are_refused_are_left_out_and_told():
    request = ask(files("read", "write", "erase"), scope_operation("s:read"))
    reason = "only people erase"
    granted = grantable(
        request,
        Decision(
            BUNDLE,
            (
                answer(0, "read"),
                answer(0, "write"),
                answer(0, "erase", Verdict.FORBIDDEN, LIMITS, reason),
                answer(1, "s:read", Verdict.NO_PERMIT),
            ),
        ),
    )
    assert granted.operations == (files("read", "write"),)
    assert refused_json(request.operations, granted.refused) == [
        {"type": "files", "action": "erase", "operation": 0, "reason": reason},
        {
            "type": "scope",
            "action": "s:read",
            "operation": 1,
            "reason": "policy does not permit this",
        },
    ]


def test_the_strictest_of_several_paths_counts_for_the_one_token():
    token = token_of(
        ask(files("read", "write")),
        answer(0, "read", Verdict.PERMITTED, Limits(timedelta(minutes=9), 7)),
        answer(0, "write", Verdict.PERMITTED, Limits(timedelta(minutes=2))),
    )
    assert token.expires_at == WHOLE + timedelta(minutes=2)
    assert token.uses == 7


@pytest.mark.parametrize(
    ("verdicts", "error"),
    [
        ([Verdict.FORBIDDEN], AccessDenied),
        ([Verdict.NEEDS_APPROVAL], AccessDenied),
        ([Verdict.NEEDS_STEP_UP], InsufficientUserAuthentication),
        ([Verdict.NEEDS_STEP_UP, Verdict.NEEDS_STEP_UP], InsufficientUserAuthentication),
        ([Verdict.NEEDS_STEP_UP, Verdict.FORBIDDEN], AccessDenied),
        ([Verdict.NOT_BOUND], InvalidDpopProof),
        ([Verdict.NOT_BOUND, Verdict.NO_PERMIT], AccessDenied),
        ([], AccessDenied),
    ],
)
def test_where_nothing_is_left_the_error_says_what_would_help(verdicts, error):
    answers = [answer(0, "read", verdict, LIMITS, f"{verdict} it is") for verdict in verdicts]
    with pytest.raises(error) as caught:
        token_of(ask(files("read")), *answers)
    for verdict in verdicts:
        assert f"{verdict} it is" in caught.value.description
        assert f"read: {verdict}" in caught.value.detail


def test_a_reason_is_said_once():
    answers = [answer(0, action, Verdict.FORBIDDEN, LIMITS, "no") for action in ("read", "write")]
    with pytest.raises(AccessDenied) as caught:
        token_of(ask(files("read", "write")), *answers)
    assert caught.value.description == "no"


def test_a_token_on_a_token_is_never_wider_than_it():
    bounds = (files("read", folder="/a", size=5),)
    request = ask(
        files("read", folder="/a/b", size=5),
        files("read", folder="/b", size=5),
        files("read", "write", size=5),
        scope_operation("s:read"),
        bounds=bounds,
    )
    decision = Decision(
        BUNDLE,
        tuple(
            answer(place, action)
            for place, operation in enumerate(request.operations)
            for action in operation.actions
        ),
    )
    verdicts = [each.verdict for each in within_subject_token(request, decision, TYPES).answers]
    assert verdicts == [Verdict.PERMITTED] + [Verdict.OUTSIDE_SUBJECT_TOKEN] * 4


def test_a_token_ends_with_the_subject_token():
    token = token_of(ask(files(), not_after=NOW + 90 * SECOND), answer(0, "read"))
    assert token.expires_at == WHOLE + 90 * SECOND


@pytest.mark.parametrize("left", [-SECOND, timedelta(0), timedelta(milliseconds=700)])
def test_a_subject_token_at_its_end_buys_nothing(left):
    with pytest.raises(InvalidGrant, match="about to expire"):
        token_of(ask(files(), not_after=NOW + left), answer(0, "read"))


def test_without_a_key_there_is_nothing_to_be_bound_to():
    token = token_of(ask(files(), key=None), answer(0, "read"))
    assert token.key is None
    assert "cnf" not in token_claims(token)
    assert token_response(token, "signed")["token_type"] == "Bearer"


def test_claims_say_all_that_was_granted():
    actors = (Actor("bot"), Actor("first", iss="https://idp", client_id="c"))
    request = ask(files(), scope_operation("s:read"), actors=actors, acr="gold", auth_time=NOW)
    token = token_of(request, answer(0, "read"), answer(1, "s:read"))
    assert token_claims(token) == {
        "iss": "https://as",
        "sub": "alice",
        "aud": "https://api.example",
        "client_id": "bot",
        "iat": int(WHOLE.timestamp()),
        "exp": int(WHOLE.timestamp()) + 300,
        "jti": "jti",
        "txn": "txn",
        "authorization_details": [
            {"type": "files", "actions": ["read"], "folder": "/a", "size": 10}
        ],
        "scope": "s:read",
        "cnf": {"jkt": "thumbprint"},
        "act": {
            "sub": "bot",
            "act": {"sub": "first", "iss": "https://idp", "client_id": "c"},
        },
        "uses": 3,
        "acr": "gold",
        "auth_time": int(NOW.timestamp()),
    }


def test_claims_say_nothing_that_was_not():
    token = token_of(
        ask(scope_operation("s:read")),
        answer(0, "s:read", Verdict.PERMITTED, Limits(timedelta(minutes=1))),
    )
    absent = {"authorization_details", "act", "uses", "acr", "auth_time"}
    assert not absent & token_claims(token).keys()
    assert token_response(token, "signed") == {
        "access_token": "signed",
        "token_type": "DPoP",
        "expires_in": 60,
        "txn": "txn",
        "scope": "s:read",
    }


def test_the_answer_tells_what_was_granted_and_what_was_not():
    token = token_of(ask(files()), answer(0, "read"))
    response = token_response(token, "signed", [{"type": "files"}])
    assert response["authorization_details"] == details_json([files()])
    assert (response["uses"], response["refused"]) == (3, [{"type": "files"}])


def test_what_the_issuer_remembers_is_the_token():
    token = token_of(ask(files()), answer(0, "read"))
    record = token_record(token, "request")
    assert (record.jti, record.txn, record.request_id) == ("jti", "txn", "request")
    assert (record.uses, record.used, record.revoked_at) == (3, 0, None)
    assert (record.issued_at, record.expires_at) == (token.issued_at, token.expires_at)


def test_scopes_are_written_as_scopes_and_details_as_details():
    both = [files(), scope_operation("a"), scope_operation("b")]
    assert scope_text(both) == "a b"
    assert [item["type"] for item in details_json(both)] == ["files"]


def test_nobody_acts_where_nobody_does():
    assert act_claim(()) is None


def test_a_token_that_nobody_could_read_is_not_made():
    check_size("a" * MAX_JWT_BYTES)
    with pytest.raises(InvalidAuthorizationDetails, match="does not fit"):
        check_size("a" * (MAX_JWT_BYTES + 1))
