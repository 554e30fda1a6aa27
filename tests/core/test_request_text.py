"""An access request that people decide is read back as it was written, or not at all."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.access_requests import (
    ApprovalTerms,
    Callback,
    Minted,
    Offer,
    Plan,
    Remark,
    RemarkKind,
    RequestRecord,
    Review,
    Submitted,
    Total,
    Vote,
)
from fleeting.core.ceremony import Escalation
from fleeting.core.lifecycle import Status
from fleeting.core.model import (
    AccessRequest,
    ApprovalStage,
    AskedBy,
    Client,
    Operation,
    Resource,
    Subject,
    SubjectKind,
)
from fleeting.core.request_text import read_record, write_record
from tests.core.test_recorded import (
    TYPES,
    decimals,
    durations,
    groups,
    instants,
    integers,
    names,
    operations,
    requests,
    stages,
    texts,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)

numbers = integers | decimals
plans = st.builds(
    Plan,
    st.integers(1, 10_000),
    durations,
    st.lists(st.builds(Total, names, names, numbers), max_size=2).map(tuple),
)
offers = st.builds(
    Offer,
    st.lists(operations(), min_size=1, max_size=2).map(tuple),
    durations,
    st.none() | st.integers(1, 100),
    st.none() | plans,
)
terms = st.builds(
    ApprovalTerms,
    st.lists(stages, max_size=2).map(tuple),
    st.lists(names, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.none() | st.builds(Escalation, durations, names),
    st.none() | durations,
)
votes = st.builds(
    Vote,
    texts,
    texts,
    instants,
    st.integers(0, 5),
    names,
    offers,
    instants,
    texts,
    st.none() | texts,
)
reviews = st.builds(Review, names, instants, st.none() | texts, st.none() | instants, texts)
members = st.dictionaries(names, texts, max_size=2)
submissions = st.builds(
    Submitted,
    texts,
    texts,
    texts,
    members,
    members,
    st.integers(0, 16),
    members,
    st.none() | instants,
    st.none()
    | st.builds(
        Callback,
        texts,
        st.lists(texts, max_size=2).map(tuple),
        st.none() | texts,
        st.booleans(),
    ),
)
records = st.builds(
    RequestRecord,
    request=requests(),
    fingerprint=texts,
    status=st.sampled_from(Status),
    asked=offers,
    offer=offers,
    terms=terms,
    asked_at=instants,
    expires_at=instants,
    policy_digest=texts,
    behind=groups,
    votes=st.lists(votes, max_size=2).map(tuple),
    remarks=st.lists(
        st.builds(Remark, st.sampled_from(RemarkKind), texts, instants, texts), max_size=2
    ).map(tuple),
    granted_at=st.none() | instants,
    not_after=st.none() | instants,
    minted=st.lists(st.builds(Minted, texts, texts, instants), max_size=2).map(tuple),
    calls=st.integers(0, 10_000),
    spent=st.dictionaries(names, numbers, max_size=2),
    ended_by=st.none() | texts,
    reason=texts,
    extends=st.none() | texts,
    extensions=st.integers(0, 9),
    break_glass=st.none() | texts,
    review=st.none() | reviews,
    submitted=st.none() | submissions,
    revision=st.integers(1, 100),
)


@settings(max_examples=30)
@given(records)
def test_a_record_is_read_back_as_it_was(record):
    text = write_record(record)
    assert text.isascii()
    read = read_record(text, record.revision, TYPES)
    assert read == record
    assert write_record(read) == text
    for name, value in record.spent.items():
        assert type(read.spent[name]) is type(value)


EXAMPLE = RequestRecord(
    request=AccessRequest(
        "r1",
        "t1",
        AskedBy.CLIENT_CREDENTIALS,
        Subject(SubjectKind.CLIENT, "bot"),
        (),
        Client("bot", frozenset()),
        Resource("https://pay.example", frozenset()),
        (Operation("payout", ("send",), {"amount": Decimal("1.10")}),),
        {},
        None,
    ),
    fingerprint="f",
    status=Status.PENDING,
    asked=Offer((Operation("payout", ("send",), {}),), timedelta(minutes=5), 1),
    offer=Offer((Operation("payout", ("send",), {}),), timedelta(minutes=5), 1),
    terms=ApprovalTerms((ApprovalStage(2, "leads"),)),
    asked_at=NOW,
    expires_at=NOW,
    policy_digest="d",
)


@pytest.mark.parametrize("name", sorted(json.loads(write_record(EXAMPLE))))
def test_a_text_with_a_member_missing_or_strange_is_no_record(name):
    body = json.loads(write_record(EXAMPLE))
    for wrong in (body | {name: 3.5}, {key: body[key] for key in body if key != name}):
        with pytest.raises(ValueError, match="not an access request that this version writes"):
            read_record(json.dumps(wrong), 1, TYPES)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '"x"', "3"])
def test_what_is_no_record_at_all_is_a_value_error(text):
    with pytest.raises(ValueError, match="not an access request that this version writes"):
        read_record(text, 1, TYPES)


@pytest.mark.parametrize("wrong", [True, 1.0, "1"])
def test_a_bool_or_a_fraction_is_no_count(wrong):
    body = json.loads(write_record(EXAMPLE)) | {"calls": wrong}
    with pytest.raises(ValueError, match="whole number"):
        read_record(json.dumps(body), 1, TYPES)
