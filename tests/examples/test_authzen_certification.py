"""The certification scenario of Authorization API 1.0: Basic, Batch and Discovery, test by test.

Written anew from the OpenID AuthZEN working group's document; the numbers are its own.
"""

import pytest

from fleeting.core.authzen import EVALUATION_PATH, EVALUATIONS_PATH

ALICE = {"type": "user", "id": "alice"}
BOB = {"type": "user", "id": "bob"}
ADMIN = {**BOB, "properties": {"role": "admin"}}
READ, WRITE = {"name": "read"}, {"name": "write"}
RECORD = {"type": "record", "id": "record-1"}
ACTIVE = {**RECORD, "properties": {"status": "active"}}
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


def asked(subject=ALICE, action=READ, resource=RECORD, **more):
    return {"subject": subject, "action": action, "resource": resource, **more}


def deleting(*, soft):
    return {"name": "delete", "properties": {"soft": soft}}


def without(name, part=None):
    body = asked()
    if part is None:
        return {key: value for key, value in body.items() if key != name}
    return {**body, name: {key: value for key, value in body[name].items() if key != part}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (asked(), True),
        (asked(action=WRITE), True),
        (asked(BOB), True),
        (asked(BOB, WRITE), False),
        (asked(action=WRITE, resource=ARCHIVED), False),
        (asked(ADMIN, WRITE, ARCHIVED), True),
        (asked(action=deleting(soft=True)), True),
        (asked(action=deleting(soft=False)), False),
    ],
)
async def test_c_1_4_the_eight_decisions_hold_whatever_the_context(records, body, expected):
    assert await records.evaluate(body) is expected
    assert await records.evaluate({**body, "context": CONTEXT}) is expected


async def test_c_2_2_8_and_9_what_is_not_known_is_ignored(records):
    subject = {**ALICE, "properties": {"department": "Sales", "role": "manager"}}
    action = {**READ, "properties": {"method": "GET"}}
    resource = {**RECORD, "properties": {"status": "active", "owner": "bob"}}
    unknown = {"foo": "bar", "futureField": {"nested": True}}
    assert await records.evaluate(asked(subject, action, resource, **unknown))


async def test_c_2_3_a_decision_is_a_boolean_and_its_context_an_object(records):
    answer = await records.post(EVALUATION_PATH, asked())
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["decision"] is True
    assert isinstance(answer.json()["context"], dict)


@pytest.mark.parametrize(
    "body",
    [
        without("subject"),
        without("action"),
        without("resource"),
        without("subject", "type"),
        without("subject", "id"),
        without("action", "name"),
        without("resource", "type"),
        without("resource", "id"),
        asked(subject="alice"),
        asked(action={"name": 123}),
        b'{"subject": ',
        b"",
    ],
)
async def test_c_2_4_what_is_missing_or_malformed_is_a_bad_request(records, body):
    for path in (EVALUATION_PATH, EVALUATIONS_PATH):
        answer = await records.post(path, body)
        assert answer.status_code == 400
        assert isinstance(answer.json(), str)


async def test_c_2_4_3_another_content_type_is_a_bad_request(records):
    answer = await records.post(EVALUATION_PATH, asked(), **{"Content-Type": "text/plain"})
    assert answer.status_code == 400


async def test_c_2_5_the_request_id_comes_back(records):
    named = {"X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"}
    for body in (asked(), b"not JSON"):
        answer = await records.post(EVALUATION_PATH, body, **named)
        assert answer.headers["x-request-id"] == named["X-Request-ID"]
    assert (await records.post(EVALUATION_PATH, asked())).headers["x-request-id"]


async def test_c_2_6_the_same_question_has_the_same_answer(records):
    assert {await records.evaluate(asked(BOB, WRITE)) for _ in range(5)} == {False}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"subject": BOB, "resource": RECORD, "evaluations": [{"action": READ}, {"action": WRITE}]},
         [True, False]),
        ({"subject": ALICE, "action": WRITE,
          "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}]}, [True, False]),
        ({"action": WRITE, "resource": ARCHIVED,
          "evaluations": [{"subject": ALICE}, {"subject": ADMIN}]}, [False, True]),
        ({"evaluations": [asked(), asked(BOB, WRITE)]}, [True, False]),
        ({"subject": ALICE, "action": READ, "context": {"time": "now"},
          "evaluations": [{"resource": RECORD},
                          {"resource": RECORD, "context": {"source": "x"}}]}, [True, True]),
        (asked(ALICE, WRITE, ACTIVE, evaluations=[{}, {"resource": ARCHIVED}]), [True, False]),
        ({"subject": ALICE, "action": READ, "options": {"evaluations_semantic": "execute_all"},
          "evaluations": [{"resource": RECORD}, {}]}, [True, False]),
    ],
)  # fmt: skip
async def test_c_3_several_are_answered_in_their_order(records, body, expected):
    assert await records.evaluate_all(body) == expected


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
async def test_c_3_4_none_of_several_is_a_single_one(records, more):
    answer = await records.post(EVALUATIONS_PATH, asked(**more))
    assert answer.json()["decision"] is True


async def test_c_6_the_metadata_name_the_endpoints(records):
    answer = await records.http.get(f"{records.issuer}/.well-known/authzen-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "policy_decision_point": records.issuer,
        "access_evaluation_endpoint": f"{records.issuer}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{records.issuer}/access/v1/evaluations",
        "access_request_endpoint": f"{records.issuer}/access/v1/requests",
        "jwks_uri": f"{records.issuer}/jwks",
        "capabilities": ["urn:openid:authzen:capability:access-request"],
    }
