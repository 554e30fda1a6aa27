import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fleeting.core.errors import AccessDenied, InvalidRequest
from fleeting.core.evidence import EntryKind
from fleeting.core.model import (
    AccessRequest,
    AccessToken,
    ActionDecision,
    Actor,
    ApprovalStage,
    AskedBy,
    Client,
    Decision,
    Limits,
    Operation,
    Path,
    Resource,
    SenderConstraint,
    SenderKey,
    SpendRefusal,
    SpendResult,
    StepUp,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.recording import (
    issued_entry,
    limits_json,
    refused_entry,
    reported_entry,
    revoked_entry,
    spend_entry,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SenderKey(SenderConstraint.DPOP, "thumbprint")
OPERATION = Operation("refund", ("do",), {"n": "1", "regions": ("north",)})
REQUEST = AccessRequest(
    id="request",
    txn="txn",
    asked_by=AskedBy.TOKEN_EXCHANGE,
    subject=Subject(
        SubjectKind.USER,
        "alice",
        frozenset({"b", "a"}),
        {"department": "payments", "teams": ("x", "y")},
        issuer="https://idp",
        acr="gold",
        auth_time=NOW,
        not_after=NOW + timedelta(hours=1),
        operations=(OPERATION,),
    ),
    actors=(Actor("bot"),),
    client=Client("bot", frozenset(), groups=frozenset({"support"})),
    resource=Resource("https://api", frozenset()),
    operations=(OPERATION,),
    context={"ticket": "A-1", "tags": ("a", "b")},
    key=KEY,
)
LIMITS = Limits(
    timedelta(minutes=5),
    1,
    approvals=(ApprovalStage(2, "leads"),),
    step_up=StepUp(("gold",), timedelta(minutes=5)),
)
DECISION = Decision(
    "digest",
    (
        ActionDecision(
            0,
            "do",
            Verdict.PERMITTED,
            (Path("small", LIMITS),),
            ("never",),
            ("told",),
            ("only for us",),
        ),
    ),
)
TOKEN = AccessToken(
    jti="jti",
    txn="txn",
    issuer="https://as",
    audience="https://api",
    client_id="bot",
    subject="alice",
    operations=(OPERATION,),
    issued_at=NOW,
    expires_at=NOW + timedelta(minutes=5),
    key=KEY,
    uses=1,
)


def test_an_issued_token_is_recorded_with_all_that_led_to_it():
    entry = issued_entry(REQUEST, DECISION, TOKEN, NOW)
    assert (entry.kind, entry.request_id, entry.txn, entry.jti) == (
        EntryKind.TOKEN_ISSUED,
        "request",
        "txn",
        "jti",
    )
    body = json.loads(json.dumps(entry.body))
    assert body["subject"] == {
        "kind": "User",
        "id": "alice",
        "groups": ["a", "b"],
        "attributes": {"department": "payments", "teams": ["x", "y"]},
        "issuer": "https://idp",
        "acr": "gold",
        "auth_time": NOW.isoformat(),
        "not_after": (NOW + timedelta(hours=1)).isoformat(),
        "operations": [OPERATION.to_json()],
    }
    assert body["context"] == {"ticket": "A-1", "tags": ["a", "b"]}
    assert body["cnf"] == {"jkt": "thumbprint"}
    assert body["act"] == {"sub": "bot"}
    assert body["client_groups"] == ["support"]
    assert body["policy_digest"] == "digest"
    assert body["answers"][0]["paths"] == [
        {
            "policy": "small",
            "lifetime": "5m",
            "uses": 1,
            "bound": "dpop",
            "approval": "2 of leads",
            "step_up": ["gold"],
            "max_age": "5m",
        }
    ]
    assert body["answers"][0]["errors"] == ["only for us"]
    assert body["token"]["bound"] == "dpop"
    assert body["token"]["uses"] == 1


def test_an_unbound_token_is_recorded_as_such():
    request = replace(REQUEST, key=None, actors=(), subject=Subject(SubjectKind.CLIENT, "bot"))
    body = issued_entry(request, DECISION, replace(TOKEN, key=None), NOW).body
    assert body["token"]["bound"] == "none"
    assert body["cnf"] is None
    assert body["act"] is None
    assert body["subject"] == {"kind": "Client", "id": "bot", "groups": [], "attributes": {}}


def test_limits_say_what_their_annotations_say():
    assert limits_json(Limits(timedelta(minutes=1), 2)) == {
        "lifetime": "1m",
        "uses": 2,
        "bound": "dpop",
    }
    assert limits_json(Limits(timedelta(minutes=1), step_up=StepUp(("gold",)))) == {
        "lifetime": "1m",
        "uses": None,
        "bound": "dpop",
        "step_up": ["gold"],
    }


def test_a_refusal_is_recorded_with_as_much_as_was_understood():
    bare = refused_entry("request", InvalidRequest("what"), NOW, client_id=None)
    assert bare.body == {
        "client": None,
        "error": {"error": "invalid_request", "description": "what"},
    }
    assert bare.txn is None
    error = AccessDenied("public", detail="only for us")
    whole = refused_entry(
        "request", error, NOW, client_id="bot", request=REQUEST, decision=DECISION
    )
    assert whole.kind is EntryKind.REQUEST_REFUSED
    assert whole.txn == "txn"
    assert whole.body["error"]["detail"] == "only for us"
    assert whole.body["operations"] == [OPERATION.to_json()]


def test_a_use_is_recorded_with_its_number_and_a_refused_one_with_its_reason():
    spent = spend_entry(TOKEN, "request", "api", OPERATION, SpendResult(1, 1), NOW)
    assert spent.kind is EntryKind.TOKEN_SPENT
    assert spent.body == {
        "guard": "api",
        "operation": OPERATION.to_json(),
        "uses": 1,
        "use": 1,
        "repeated": False,
    }
    result = SpendResult(None, 1, SpendRefusal.SPENT)
    refused = spend_entry(TOKEN, "request", "api", None, result, NOW)
    assert refused.kind is EntryKind.SPEND_REFUSED
    assert refused.body == {"guard": "api", "operation": None, "uses": 1, "reason": "spent"}


def test_a_report_is_recorded_as_what_the_guard_says():
    told = {"served": True, "reason": "", "operation": None}
    served = reported_entry(TOKEN, "request", "api", NOW, **told)
    assert (served.kind, served.body) == (
        EntryKind.CALL_SERVED,
        {"guard": "api", "operation": None},
    )
    told = {"served": False, "reason": "too much", "operation": {"a": 1}}
    refused = reported_entry(TOKEN, "request", "api", NOW, **told)
    assert refused.kind is EntryKind.CALL_REFUSED
    assert refused.body["reason"] == "too much"


def test_a_revocation_says_whether_it_ended_something():
    entry = revoked_entry(TOKEN, "request", "bot", NOW, ended=False)
    assert (entry.kind, entry.jti) == (EntryKind.TOKEN_REVOKED, "jti")
    assert entry.body == {"client": "bot", "ended": False}
