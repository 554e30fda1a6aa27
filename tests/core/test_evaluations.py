import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.authzen import Action, Entity, Evaluation, Malformed
from fleeting.core.client_auth import Registration
from fleeting.core.context import ContextKey, ValueType
from fleeting.core.errors import InvalidRequest, OAuthError
from fleeting.core.evaluations import EnforcementPoint, Evaluated, access_request, asking_client
from fleeting.core.evidence import EntryKind
from fleeting.core.model import (
    ActionDecision,
    AskedBy,
    Client,
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
from fleeting.core.operations import declare_type

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REFUND = declare_type(
    "payment_refund",
    {
        "actions": ["refund", "cancel"],
        "id_field": "payment_id",
        "fields": {
            "payment_id": {"kind": "exact"},
            "amount": {"kind": "at_most", "type": "integer"},
            "force": {"kind": "exact", "type": "boolean", "optional": True},
        },
    },
)
TODO = declare_type("todo", {"actions": ["read"], "fields": {"id": {"kind": "exact"}}})
LIST = declare_type("list", {"actions": ["read"]})
SECRET = declare_type("secret", {"actions": ["read"]})
POINT = EnforcementPoint(
    client=Client(
        "gate",
        frozenset(),
        types=frozenset(),
        scopes=frozenset(),
        groups=frozenset({"gates"}),
        max_lifetime=timedelta(seconds=1),
        max_uses=1,
    ),
    resource=Resource("https://api", frozenset({"payment_refund", "todo", "list"}), {"a:read"}),
    types={each.name: each for each in (REFUND, TODO, LIST, SECRET)},
    context_keys={"ticket": ContextKey("ticket", ValueType.STRING, pattern="[A-Z]+-[0-9]+")},
    attributes={"department": ValueType.STRING, "clearance": ValueType.INTEGER},
    registrations={"bot": Registration(Client("bot", frozenset(), groups=frozenset({"bots"})))},
)
ALICE = Entity("user", "alice")
PAYMENT = Entity("payment_refund", "42", {"amount": 5000})
ASKED = Evaluation(ALICE, Action("refund"), PAYMENT)


def request(asked=ASKED, point=POINT, **changes):
    return access_request(replace(asked, **changes), point, id_="r.1", txn="r")


def user(**properties):
    return request(subject=Entity("user", "alice", properties)).subject


def refusal(**changes):
    with pytest.raises(OAuthError) as caught:
        request(**changes)
    return caught.value.description


def test_an_evaluation_becomes_an_access_request():
    asked = request()
    assert (asked.id, asked.txn, asked.asked_by) == ("r.1", "r", AskedBy.EVALUATION)
    assert asked.operations == (
        Operation("payment_refund", ("refund",), {"payment_id": "42", "amount": 5000}),
    )
    assert asked.resource is POINT.resource
    assert (asked.actors, asked.key, asked.context) == ((), None, {})


def test_the_enforcement_point_s_ceilings_on_tokens_do_not_bound_its_questions():
    assert asking_client(POINT.client) == Client(
        "gate", frozenset(), groups=frozenset({"gates"}), insecure_bearer=True
    )
    assert request().client == asking_client(POINT.client)


@pytest.mark.parametrize(
    ("resource", "action", "fields"),
    [
        (PAYMENT, Action("refund", {"force": True}), {"force": True}),
        (Entity("payment_refund", "42", {"amount": 5000, "x": 1}), Action("refund", {"y": []}), {}),
        (
            Entity("payment_refund", "42", {"amount": 5000, "payment_id": "42"}),
            Action("refund", {"amount": 5000}),
            {},
        ),
    ],
)
def test_fields_come_from_the_id_and_the_properties_and_what_is_not_declared_from_nowhere(
    resource, action, fields
):
    (operation,) = request(resource=resource, action=action).operations
    assert operation.fields == {"payment_id": "42", "amount": 5000, **fields}


def test_without_an_id_field_the_field_id_takes_the_id_and_without_either_none_does():
    read = Action("read")
    assert request(resource=Entity("todo", "7"), action=read).operations[0].fields == {"id": "7"}
    assert request(resource=Entity("list", "7"), action=read).operations[0].fields == {}


def test_a_scope_is_an_action_of_the_type_scope():
    asked = request(resource=Entity("scope", "x"), action=Action("a:read"))
    assert asked.operations == (scope_operation("a:read"),)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"resource": Entity("todos", "7")}, "guards no type 'todos'; did you mean 'todo'?"),
        ({"resource": Entity("secret", "7")}, "guards no type 'secret'"),
        ({"resource": Entity("scope", "x"), "action": Action("b:read")}, "no scope 'b:read'"),
        ({"action": Action("refnd")}, "has no action 'refnd'"),
        ({"resource": Entity("payment_refund", "42")}, "needs the field amount"),
        (
            {"resource": Entity("payment_refund", "42", {"amount": "5000"})},
            "amount must be a whole number",
        ),
        (
            {"resource": Entity("payment_refund", "42", {"amount": 1, "payment_id": "43"})},
            "payment_id is given twice, and not alike",
        ),
        (
            {"action": Action("refund", {"amount": 5000.0})},
            "amount is given twice, and not alike",
        ),
        ({"context": {"ticket": "x"}}, "request_context.ticket must match"),
        ({"subject": Entity("robot", "alice")}, "no subject is of type 'robot'"),
        ({"subject": Entity("client", "alice")}, "no client 'alice' is declared"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes, told):
    assert told in refusal(**changes)


def test_declared_context_is_read_and_the_rest_ignored():
    assert request(context={"ticket": "INC-7", "time": "x"}).context == {"ticket": "INC-7"}


@pytest.mark.parametrize("kind", ["user", "identity"])
def test_a_user_is_who_the_enforcement_point_says(kind):
    assert request(subject=Entity(kind, "alice")).subject == Subject(
        SubjectKind.USER, "alice", issuer="https://api"
    )


def test_a_user_has_the_groups_attributes_and_login_that_are_vouched_for():
    told = user(
        groups=["support", "leads"],
        department="payments",
        clearance=3,
        hat="red",
        issuer="https://idp",
        acr="gold",
        auth_time=NOW.timestamp(),
    )
    assert told == Subject(
        SubjectKind.USER,
        "alice",
        frozenset({"support", "leads"}),
        {"department": "payments", "clearance": 3},
        issuer="https://idp",
        acr="gold",
        auth_time=NOW,
    )


@pytest.mark.parametrize(
    "properties",
    [
        {"groups": "support"},
        {"department": 1},
        {"clearance": None},
        {"issuer": 1},
        {"issuer": ""},
        {"acr": "x" * 501},
        {"acr": "gold\n"},
        {"auth_time": "now"},
        {"auth_time": True},
        {"auth_time": 1e300},
        {"cnf": None},
        {"cnf": {}},
        {"cnf": {"jkt": 1}},
        {"cnf": {"jkt": "a", "x5t#S256": "b"}},
        {"cnf": {"kid": "a"}},
    ],
)
def test_what_is_vouched_for_in_another_shape_is_never_dropped(properties):
    with pytest.raises(InvalidRequest, match="subject property"):
        user(**properties)


def test_a_client_has_the_groups_that_are_declared_whatever_is_said():
    subject = request(subject=Entity("client", "bot", {"groups": ["admins"]})).subject
    assert subject == Subject(SubjectKind.CLIENT, "bot", frozenset({"bots"}))


@pytest.mark.parametrize(
    ("cnf", "key"),
    [
        ({"jkt": "thumb"}, SenderKey(SenderConstraint.DPOP, "thumb")),
        ({"x5t#S256": "thumb"}, SenderKey(SenderConstraint.MTLS, "thumb")),
    ],
)
def test_the_key_that_the_caller_proved_is_vouched_for_too(cnf, key):
    assert request(subject=Entity("user", "alice", {"cnf": cnf})).key == key


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)
members = st.dictionaries(
    st.sampled_from(
        ["groups", "department", "clearance", "acr", "auth_time", "cnf", "issuer", "ticket",
         "amount", "payment_id", "force", "id", "x"]
    ),
    json_values,
    max_size=4,
)  # fmt: skip


@given(members, members, members, members)
def test_any_properties_make_an_access_request_or_a_refusal(ours, theirs, its, around):
    asked = Evaluation(
        Entity("user", "alice", ours),
        Action("refund", theirs),
        Entity("payment_refund", "42", {"amount": 1, **its}),
        around,
    )
    try:
        made = request(asked)
    except OAuthError as error:
        assert error.description  # noqa: PT017 -- either is right
    else:
        assert made.operations[0].fields["payment_id"] == "42"


def decided(verdict):
    paths = (Path("small", Limits(timedelta(minutes=1))),)
    return Decision("digest", (ActionDecision(0, "refund", verdict, paths),))


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_not_permitted_outright_is_denied(verdict):
    evaluated = Evaluated("r.1", ASKED, request(), decided(verdict))
    permitted = verdict is Verdict.PERMITTED
    assert evaluated.permitted is permitted
    assert evaluated.to_json()["decision"] is permitted
    assert evaluated.to_entry("gate", "", "r", NOW).body["permitted"] is permitted


def test_an_entry_holds_the_request_and_the_decision():
    entry = Evaluated("r.1", ASKED, request(), decided(Verdict.PERMITTED)).to_entry(
        "gate", "pep-7", "r", NOW
    )
    assert (entry.kind, entry.request_id, entry.txn) == (EntryKind.ACCESS_EVALUATED, "r.1", "r")
    body = entry.body
    assert (body["asked_by"], body["client"]) == ("access_evaluation", "gate")
    assert (body["asked_as"], body["policy_digest"]) == ("pep-7", "digest")
    assert body["entity"] == {"type": "payment_refund", "id": "42"}
    assert body["answers"][0]["paths"][0]["policy"] == "small"
    assert "error" not in body


def test_an_entry_of_what_could_not_be_asked_holds_what_was_written():
    long = Evaluation(ALICE, Action("read"), Entity("todos", "7"), {"x": "y" * 3000})
    entry = Evaluated("r", long, problem="no such type").to_entry("gate", "", "r", NOW)
    assert entry.body["error"] == {"error": "invalid_request", "description": "no such type"}
    assert entry.body["written"]["resource"] == {"type": "todos", "id": "7", "properties": {}}
    assert entry.body["written"]["context"] == "too long to keep"
    assert "asked_as" not in entry.body
    json.dumps(entry.body)


def test_what_could_not_be_read_is_denied_and_recorded_as_no_more_than_that():
    unread = Evaluated("r.2", Malformed("'action' is missing"), problem="'action' is missing")
    assert not unread.permitted
    assert unread.to_json()["context"]["error"]["message"] == "'action' is missing"
    body = unread.to_entry("gate", "", "r", NOW).body
    assert "written" in body
    assert "entity" not in body
