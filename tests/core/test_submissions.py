"""What an enforcement point submits is read as it stands, or refused as a whole."""

import json
from datetime import UTC, datetime

import pytest

from fleeting.core.access_requests import Callback
from fleeting.core.errors import InvalidDenialBinding, InvalidRequest
from fleeting.core.model import Subject, SubjectKind
from fleeting.core.submissions import MAX_ITEMS, possible_names, read_submission
from tests.core.asking import plain_request

DENIAL = {"binding_token": "token", "expires_at": "2026-01-01T12:10:00Z", "evaluation_id": "eval"}
BODY = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "refund"},
    "resource": {"type": "payment_refund", "id": "42"},
    "denial": DENIAL,
}
ITEM = {name: BODY[name] for name in ("action", "resource", "denial")}
BUNDLE = {"subject": BODY["subject"], "items": [ITEM, ITEM]}
URI = "https://pep.example.com/told"


def read(body=BODY, **more):
    text = json.dumps({**body, **more}).encode()
    return read_submission(text, client_id="api", callback_uris=frozenset({URI}))


def test_one_question_is_one_item():
    submission = read()
    assert (len(submission.items), submission.several) == (1, False)
    assert (submission.says, submission.callback) == ({}, None)
    item = submission.items[0]
    assert (item.asked.subject.id, item.until, item.emergency) == ("alice", None, False)
    assert (item.denial.binding_token, item.denial.evaluation_id) == ("token", "eval")
    assert item.denial.expires_at == datetime(2026, 1, 1, 12, 10, tzinfo=UTC)


def test_a_bundle_shares_its_subject_and_its_context():
    submission = read(BUNDLE, context={"purpose": "claim"})
    assert submission.several
    assert [it.asked.subject.id for it in submission.items] == ["alice", "alice"]
    assert [it.asked.context for it in submission.items] == [{"purpose": "claim"}] * 2


def test_an_item_cannot_bring_a_subject_of_its_own():
    own = {**ITEM, "subject": {"type": "user", "id": "mallory"}, "context": {"purpose": "other"}}
    submission = read(BUNDLE, items=[own], context={})
    assert submission.items[0].asked.subject.id == "alice"
    assert submission.items[0].asked.context == {}


def test_what_is_wanted_of_an_item_goes_before_what_is_wanted_of_all():
    wanted = {"requested_until": "2026-01-01T13:00:00Z", "emergency": True}
    own = {"requested_until": "2026-01-01T12:30:00Z"}
    items = [{**ITEM, "requested_access": own}, ITEM]
    first, second = read(BUNDLE, items=items, requested_access=wanted).items
    assert (first.until.minute, second.until.hour) == (30, 13)
    assert first.emergency
    assert second.emergency


def test_a_reason_is_kept_as_the_caller_s_words():
    submission = read(context={"business_justification": "customer 7", "purpose": "claim"})
    assert submission.says == {"business_justification": "customer 7"}
    assert read(context={"business_justification": ""}).says == {}


def test_a_callback_goes_to_a_declared_place_for_known_events():
    wanted = {"endpoint": URI, "state": "s", "events": ["denied", "sold", "denied"]}
    assert read(callback=wanted).callback == Callback(URI, ("denied",), "s")
    assert read(callback={"endpoint": URI}).callback == Callback(URI)


def test_bodies_are_alike_whatever_their_layout():
    spread = json.dumps(dict(reversed(BODY.items())), indent=4).encode()
    again = read_submission(spread, client_id="api", callback_uris=frozenset())
    assert again.digest == read().digest
    assert read(context={"purpose": "other"}).digest != read().digest


def test_an_actor_may_be_the_enforcement_point_itself():
    read(client={"name": "gateway"})
    read(client={"actor": {"id": "api"}})


@pytest.mark.parametrize(
    "more",
    [
        {"subject": None},
        {"context": []},
        {"context": {"business_justification": 7}},
        {"context": {"business_justification": "a\nb"}},
        {"context": {"business_justification": "x" * 501}},
        {"denial": []},
        {"denial": {**DENIAL, "expires_at": "soon"}},
        {"denial": {**DENIAL, "expires_at": "2026-01-01T12:10:00"}},
        {"denial": {**DENIAL, "expires_at": 5}},
        {"denial": {**DENIAL, "evaluation_id": 5}},
        {"requested_access": []},
        {"requested_access": {"requested_until": "tomorrow"}},
        {"requested_access": {"emergency": "yes"}},
        {"client": []},
        {"client": {"actor": "agent"}},
        {"client": {"actor": {"id": "agent"}}},
        {"client": {"actor": {"id": "api", "act": {"sub": "agent"}}}},
        {"callback": "https://pep.example.com/told"},
        {"callback": {}},
        {"callback": {"endpoint": "https://pep.example.com/told/"}},
        {"callback": {"endpoint": "http://169.254.169.254/"}},
        {"callback": {"endpoint": URI, "events": "denied"}},
        {"callback": {"endpoint": URI, "events": [7]}},
        {"callback": {"endpoint": URI, "state": {}}},
        {"callback": {"endpoint": URI, "state": "x" * 2_001}},
    ],
)
def test_what_is_malformed_is_refused(more):
    with pytest.raises(InvalidRequest):
        read(**more)


@pytest.mark.parametrize(
    "more",
    [
        {"items": {}},
        {"items": []},
        {"items": [ITEM] * (MAX_ITEMS + 1)},
        {"items": ["item"]},
        {"resource": BODY["resource"]},
        {"action": BODY["action"]},
        {"items": [{"denial": DENIAL, "action": BODY["action"]}]},
    ],
)
def test_a_malformed_bundle_is_refused(more):
    with pytest.raises(InvalidRequest):
        read(BUNDLE, **more)


@pytest.mark.parametrize("denial", [{}, {"evaluation_id": "eval"}, {"binding_token": 7}])
def test_a_denial_that_nothing_vouches_for_binds_nothing(denial):
    with pytest.raises(InvalidDenialBinding):
        read(denial=denial)


def test_an_item_without_a_denial_is_not_covered_by_another_s():
    with pytest.raises(InvalidDenialBinding, match="its own denial"):
        read(BUNDLE, items=[ITEM, {k: v for k, v in ITEM.items() if k != "denial"}], denial=DENIAL)


PREFIXES = {"https://idp.example": "", "https://partner.example": "partner:"}


@pytest.mark.parametrize(
    ("issuer", "names"),
    [
        ("https://idp.example", {"alice"}),
        ("https://partner.example", {"alice", "partner:alice"}),
        ("https://nobody.example", {"alice", "partner:alice"}),
    ],
)
def test_whom_an_enforcement_point_names_may_be_anybody_of_that_name(issuer, names):
    subject = Subject(SubjectKind.USER, "alice", issuer=issuer)
    assert possible_names(plain_request(subject=subject), PREFIXES) == names


def test_a_client_is_no_person():
    subject = Subject(SubjectKind.CLIENT, "alice")
    assert possible_names(plain_request(subject=subject), PREFIXES) == set()
