import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.authzen import (
    LONGEST_NAME,
    MAX_EVALUATIONS,
    Action,
    Entity,
    Evaluation,
    Evaluations,
    Malformed,
    Semantic,
    decided_json,
    pdp_metadata,
    read_evaluation,
    read_evaluations,
    undecided_json,
)
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import (
    ActionDecision,
    ApprovalStage,
    Limits,
    Path,
    SenderConstraint,
    StepUp,
    Verdict,
)

ASKED = {
    "subject": {"type": "user", "id": "alice", "properties": {"department": "Sales"}},
    "action": {"name": "read", "properties": {"method": "GET"}},
    "resource": {"type": "record", "id": "1"},
    "context": {"time": "now"},
}
READ = Evaluation(
    Entity("user", "alice", {"department": "Sales"}),
    Action("read", {"method": "GET"}),
    Entity("record", "1"),
    {"time": "now"},
)
MINUTE = timedelta(minutes=1)


def body(value):
    return json.dumps(value).encode()


def refusal(read, value):
    with pytest.raises(InvalidRequest) as caught:
        read(value if isinstance(value, bytes) else body(value))
    return caught.value.description


def changed(member, **members):
    return {**ASKED, member: {**ASKED[member], **members}}


def test_an_evaluation_is_read_and_what_is_not_known_ignored():
    more = {**ASKED, "x": 1, "subject": {**ASKED["subject"], "y": [2]}}
    assert read_evaluation(body(more)) == Evaluations((READ,))


def test_properties_and_context_may_be_absent():
    (read,) = read_evaluation(
        body({"subject": {"type": "u", "id": "a"}, "action": {"name": "n"},
              "resource": {"type": "t", "id": "1"}})
    ).items  # fmt: skip
    assert (read.subject.properties, read.action.properties, read.context) == ({}, {}, {})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"", "the body is empty: send a JSON object"),
        (b"{", "the body: not valid JSON"),
        (b'{"a": 1, "a": 2}', "the body: a key is repeated"),
        (b"[" * 1000, "the body: "),
        ([], "the body must be a JSON object"),
        ({}, "'subject' is missing"),
        ({**ASKED, "subject": "alice"}, "'subject' must be a JSON object"),
        ({**ASKED, "context": None}, "'context' must be a JSON object"),
        (changed("action", name=123), "action.name must be a string"),
        (changed("action", name=""), f"action.name must have 1 to {LONGEST_NAME} characters"),
        (changed("subject", id="x" * 501), "subject.id must have 1 to"),
        (changed("subject", id="a\u202eb"), "subject.id must not have control or text direction"),
        (changed("resource", properties=[]), "'resource.properties' must be a JSON object"),
        ({**ASKED, "resource": {"type": "t"}}, "resource.id is missing"),
    ],
)
def test_what_is_malformed_is_refused_in_words(value, told):
    assert refusal(read_evaluation, value).startswith(told)
    assert refusal(read_evaluations, value).startswith(told)


def test_defaults_count_whole_where_an_evaluation_says_nothing():
    other = {"type": "record", "id": "2"}
    read = read_evaluations(body({**ASKED, "evaluations": [{}, {"resource": other}]}))
    assert read.several
    assert read.items[0] == READ
    assert read.items[1].resource == Entity("record", "2")
    assert read.items[1].context == {"time": "now"}


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
def test_no_evaluations_are_a_single_one(more):
    assert read_evaluations(body({**ASKED, **more})) == Evaluations((READ,))


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (1, "each of 'evaluations' must be a JSON object"),
        ({}, "'resource' is missing"),
        ({"resource": {"type": "record"}}, "resource.id is missing"),
    ],
)
def test_one_malformed_evaluation_spoils_no_other(item, problem):
    defaults = {name: ASKED[name] for name in ("subject", "action", "context")}
    asked = {**defaults, "evaluations": [{"resource": ASKED["resource"]}, item]}
    assert read_evaluations(body(asked)).items == (READ, Malformed(problem))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({**ASKED, "evaluations": {}}, "'evaluations' must be an array"),
        ({**ASKED, "evaluations": [{}] * (MAX_EVALUATIONS + 1)}, "'evaluations' has more than 64"),
        ({"subject": "alice", "evaluations": [ASKED]}, "'subject' must be a JSON object"),
        ({"action": {}, "evaluations": [ASKED]}, "action.name is missing"),
        ({"context": 1, "evaluations": [ASKED]}, "'context' must be a JSON object"),
        ({"options": [], "evaluations": [ASKED]}, "'options' must be a JSON object"),
        (
            {"options": {"evaluations_semantic": "any"}, "evaluations": [ASKED]},
            "options.evaluations_semantic must be one of execute_all, deny_on_first_deny, permit",
        ),
        ({"options": {"evaluations_semantic": []}, **ASKED}, "options.evaluations_semantic"),
    ],
)
def test_what_is_wrong_with_the_whole_is_refused(value, told):
    assert refusal(read_evaluations, value).startswith(told)


@pytest.mark.parametrize(
    ("semantic", "ends_with"),
    [
        (None, set()),
        ("execute_all", set()),
        ("deny_on_first_deny", {False}),
        ("permit_on_first_permit", {True}),
    ],
)
def test_a_semantic_says_what_is_the_last_answer(semantic, ends_with):
    options = {"another": 1} if semantic is None else {"evaluations_semantic": semantic}
    read = read_evaluations(body({"evaluations": [ASKED], "options": options}))
    ends = {answer for answer in (True, False) if read.semantic.ends_with(permitted=answer)}
    assert ends == ends_with
    assert isinstance(read.semantic, Semantic)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
NAMES = ("subject", "action", "resource", "context", "evaluations", "options", "x")
bent = st.dictionaries(st.sampled_from(NAMES), json_values | st.lists(st.just(ASKED)))


@given(st.binary(max_size=60) | bent.map(lambda changes: body({**ASKED, **changes})))
def test_any_body_is_read_or_refused(value):
    for read in (read_evaluation, read_evaluations):
        try:
            assert read(value).items
        except InvalidRequest as error:
            assert error.description  # noqa: PT017 -- either is right


def answer(verdict, limits=None, *reasons):
    paths = () if limits is None else (Path("secret-policy", limits),)
    return ActionDecision(0, "read", verdict, paths, reasons=reasons, errors=("of policy x",))


def test_a_permit_comes_with_its_limits_and_reasons():
    limits = Limits(MINUTE, uses=2, bound=SenderConstraint.NONE)
    assert decided_json(answer(Verdict.PERMITTED, limits, "because"), "e1") == {
        "decision": True,
        "context": {
            "evaluation_id": "e1",
            "limits": {"lifetime": 60, "bound": "none", "uses": 2},
            "reason_user": {"200": "because"},
        },
    }


def test_what_is_unlimited_is_not_said():
    told = decided_json(answer(Verdict.PERMITTED, Limits(MINUTE)), "e1")
    assert told["context"] == {
        "evaluation_id": "e1",
        "limits": {"lifetime": 60, "bound": "dpop"},
    }


def test_a_denial_comes_with_its_verdict_and_public_reasons_and_no_limits():
    told = decided_json(answer(Verdict.FORBIDDEN, Limits(MINUTE), "no", "never"), "e1")
    assert told == {
        "decision": False,
        "context": {
            "evaluation_id": "e1",
            "reason_admin": {"403": "forbidden"},
            "reason_user": {"403": "no; never"},
        },
    }


@pytest.mark.parametrize(
    ("verdict", "limits", "needed"),
    [
        (
            Verdict.NEEDS_STEP_UP,
            Limits(MINUTE, step_up=StepUp(("gold", ""), timedelta(minutes=5))),
            {"needs": "step_up", "acr_values": "gold", "max_age": 300},
        ),
        (
            Verdict.NEEDS_STEP_UP,
            Limits(MINUTE, step_up=StepUp(("gold", "silver"))),
            {"needs": "step_up", "acr_values": "gold silver"},
        ),
        (
            Verdict.NEEDS_STEP_UP,
            Limits(MINUTE, step_up=StepUp(max_age=MINUTE)),
            {"needs": "step_up", "max_age": 60},
        ),
        (
            Verdict.NEEDS_APPROVAL,
            Limits(MINUTE, approvals=(ApprovalStage(2, "leads"), ApprovalStage(1, "finance"))),
            {"needs": "approval", "approvals": 3},
        ),
        (
            Verdict.NOT_BOUND,
            Limits(MINUTE, bound=SenderConstraint.MTLS, step_up=StepUp(("gold",))),
            {"needs": "key", "bound": "mtls"},
        ),
    ],
)
def test_what_is_still_needed_is_a_denial_that_says_so(verdict, limits, needed):
    told = decided_json(answer(verdict, limits), "e1")
    assert told["decision"] is False
    admin = {"evaluation_id": "e1", "reason_admin": {"403": verdict.value}}
    assert told["context"] == {**admin, **needed}


@pytest.mark.parametrize("verdict", Verdict)
def test_no_decision_names_policies_groups_or_errors(verdict):
    limits = Limits(MINUTE, approvals=(ApprovalStage(2, "leads"),), step_up=StepUp(("gold",)))
    told = json.dumps(decided_json(answer(verdict, limits), "e1"))
    assert not any(secret in told for secret in ("secret-policy", "leads", "of policy"))


def test_what_could_not_be_asked_is_denied_with_the_error():
    assert undecided_json("'action' is missing", "e1") == {
        "decision": False,
        "context": {
            "evaluation_id": "e1",
            "error": {"status": 400, "message": "'action' is missing"},
        },
    }


def test_the_metadata_name_the_decision_point_and_nothing_it_cannot_do():
    assert pdp_metadata("https://as.example.com/tenant") == {
        "policy_decision_point": "https://as.example.com/tenant",
        "access_evaluation_endpoint": "https://as.example.com/tenant/access/v1/evaluation",
        "access_evaluations_endpoint": "https://as.example.com/tenant/access/v1/evaluations",
        "access_request_endpoint": "https://as.example.com/tenant/access/v1/requests",
        "jwks_uri": "https://as.example.com/tenant/jwks",
        "capabilities": ["urn:openid:authzen:capability:access-request"],
    }
