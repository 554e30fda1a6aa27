"""What is recorded can be read back exactly, and what cannot is said to be so."""

import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import AccessDenied
from fleeting.core.evidence import ChainHead, extend
from fleeting.core.model import (
    AccessRequest,
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
    StepUp,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.operations import declare_type
from fleeting.core.recorded import (
    NO_CEILING,
    Ceiling,
    RequestReader,
    TooOldError,
    decided_at,
    recorded_ceilings,
    recorded_decision,
    recorded_operation,
)
from fleeting.core.recording import installation_ceilings_json, refused_entry
from tests.core.asking import plain_request

TYPES = {
    "payout": declare_type(
        "payout",
        {
            "actions": ["send", "stop"],
            "fields": {
                "amount": {"kind": "at_most", "type": "decimal"},
                "count": {"kind": "at_most", "type": "integer"},
                "regions": {"kind": "one_of"},
                "urgent": {"kind": "exact", "type": "boolean"},
                "note": {"kind": "text"},
            },
        },
    )
}

texts = st.text(max_size=8)
names = st.text(string.ascii_lowercase, min_size=1, max_size=4)
groups = st.frozensets(names, max_size=3)
integers = st.integers(-(2**63), 2**63 - 1)
instants = st.datetimes(timezones=st.just(UTC))
durations = st.integers(1, 86400).map(lambda seconds: timedelta(seconds=seconds))
choices = st.lists(texts, min_size=1, max_size=3).map(tuple)
attributes = st.dictionaries(names, st.one_of(texts, integers, st.booleans(), choices), max_size=3)
decimals = st.decimals(min_value=-(10**9), max_value=10**9, places=4)


@st.composite
def operations(draw):
    if draw(st.booleans()):
        return Operation("scope", (draw(names),), {})
    some = {
        "amount": decimals,
        "count": integers,
        "regions": st.one_of(texts, choices),
        "urgent": st.booleans(),
        "note": texts,
    }
    taken = draw(st.sets(st.sampled_from(sorted(some))))
    actions = draw(st.lists(st.sampled_from(["send", "stop"]), min_size=1, unique=True))
    return Operation("payout", tuple(actions), {name: draw(some[name]) for name in sorted(taken)})


@st.composite
def clients(draw, asked):
    """A client as decisions know it: of its types and scopes those that are asked for."""
    types = st.sampled_from(sorted({each.type for each in asked}))
    scopes = {a for each in asked if each.type == "scope" for a in each.actions}
    of_scopes = st.frozensets(st.sampled_from(sorted(scopes))) if scopes else st.just(frozenset())
    return Client(
        draw(texts),
        frozenset(),
        draw(st.none() | st.frozensets(types)),
        draw(st.none() | of_scopes),
        draw(groups),
        draw(st.booleans()),
        draw(st.none() | durations),
        draw(st.none() | st.integers(1, 100)),
    )


@st.composite
def requests(draw):
    asked = tuple(draw(st.lists(operations(), min_size=1, max_size=3)))
    subject = Subject(
        draw(st.sampled_from(SubjectKind)),
        draw(texts),
        draw(groups),
        draw(attributes),
        draw(st.none() | texts),
        draw(st.none() | texts),
        draw(st.none() | instants),
        draw(st.none() | instants),
        draw(st.none() | st.lists(operations(), max_size=2).map(tuple)),
    )
    actor = st.builds(Actor, texts, st.none() | texts, st.none() | texts)
    bound = st.sampled_from([SenderConstraint.DPOP, SenderConstraint.MTLS])
    return AccessRequest(
        draw(texts),
        draw(texts),
        draw(st.sampled_from(AskedBy)),
        subject,
        tuple(draw(st.lists(actor, max_size=3))),
        draw(clients(asked)),
        Resource(
            draw(texts),
            frozenset(),
            max_lifetime=draw(st.none() | durations),
            max_uses=draw(st.none() | st.integers(1, 100)),
        ),
        asked,
        draw(attributes),
        draw(st.none() | st.builds(SenderKey, bound, texts)),
    )


stages = st.builds(ApprovalStage, st.integers(1, 99), names)
limits = st.builds(
    Limits,
    durations,
    st.none() | st.integers(1, 1000),
    st.sampled_from(SenderConstraint),
    st.lists(stages, max_size=2).map(tuple),
    st.none() | st.builds(StepUp, st.lists(texts, max_size=2).map(tuple), st.none() | durations),
)
answers = st.builds(
    ActionDecision,
    st.integers(0, 3),
    names,
    st.sampled_from(Verdict),
    st.lists(st.builds(Path, names, limits), max_size=2).map(tuple),
    st.lists(names, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
)
CEILINGS = installation_ceilings_json([], timedelta(hours=1))
decisions = st.builds(Decision, texts, st.lists(answers, max_size=3).map(tuple), st.just(CEILINGS))


def stored(request, decision, at=datetime(2026, 1, 1, tzinfo=UTC)):
    """Return what the ledger holds of a decision, and its body as it reads it."""
    error = AccessDenied("no")
    entry = refused_entry(
        request.id, error, at, client_id="other", request=request, decision=decision
    )
    (row,) = extend(ChainHead("writer", 0, bytes(32)), [entry])
    return row, json.loads(row.body)


READER = RequestReader(TYPES)


@given(requests(), decisions, instants)
def test_what_was_decided_is_read_back_as_it_was(request, decision, at):
    row, body = stored(request, decision, at)
    assert READER.request(row, body) == request
    assert recorded_decision(body) == decision
    assert decided_at(row) == at


CEILING = st.builds(
    Ceiling, st.booleans(), st.none() | durations, st.none() | st.integers(1, 10**9)
)


@given(st.dictionaries(st.sampled_from(["payout", "refund"]), CEILING), durations)
def test_ceilings_are_read_back_as_they_were(ceilings, hard_cap):
    types = [each.on(declare_type(name, {"actions": ["do"]})) for name, each in ceilings.items()]
    written = json.loads(json.dumps(installation_ceilings_json(types, hard_cap)))
    held = {name: each for name, each in ceilings.items() if each != NO_CEILING}
    assert recorded_ceilings(written) == (held, hard_cap)


REQUEST = plain_request(operations=(Operation("payout", ("send",), {"amount": Decimal("5.00")}),))
DECISION = Decision("digest", (), CEILINGS)


def test_parties_are_read_once_but_not_remembered_for_ever(monkeypatch):
    reader = RequestReader(TYPES)
    row, body = stored(REQUEST, DECISION)
    first = reader.request(row, body)
    assert reader.request(row, body).subject is first.subject
    monkeypatch.setattr("fleeting.core.recorded._MOST_PARTIES", 1)
    other = reader.request(row, body | {"client": "other"})
    assert (other.client.client_id, first.client.client_id) == ("other", "bot")
    assert reader.request(row, body).subject is not first.subject


def test_of_its_ceilings_a_client_shows_those_on_what_it_asks_for():
    client = Client("bot", frozenset(), frozenset({"payout", "else"}), frozenset({"read"}))
    _, body = stored(replace(REQUEST, client=client), DECISION)
    assert body["client_ceilings"] == {"types": ["payout"], "scopes": []}


def test_a_field_that_is_declared_no_more_stays_what_the_json_says():
    _, body = stored(REQUEST, DECISION)
    (written,) = body["operations"]
    assert recorded_operation(written, {}).fields == {"amount": "5.00"}


def test_an_entry_of_an_earlier_version_is_told_from_a_broken_one():
    row, body = stored(REQUEST, Decision("digest", ()))
    with pytest.raises(TooOldError):
        RequestReader(TYPES).request(row, body)
    _, body = stored(REQUEST, DECISION)
    with pytest.raises(ValueError, match="not an entry that this version writes"):
        RequestReader(TYPES).request(row, body | {"operations": None})
    with pytest.raises(ValueError, match="not an entry"):
        recorded_decision({"policy_digest": "digest"})
    with pytest.raises(ValueError, match="not an entry"):
        recorded_ceilings({})


@pytest.mark.parametrize("name", ["subject", "client", "resource"])
@pytest.mark.parametrize("forged", [None, 3, [], {}])
def test_whoever_is_no_name_in_an_altered_entry_makes_it_unreadable(name, forged):
    """Left out of a replay, and told; what the engine made of it was the end of the replay."""
    row, body = stored(REQUEST, DECISION)
    bent = {**body["subject"], "id": forged} if name == "subject" else forged
    with pytest.raises(ValueError, match="not an entry that this version writes"):
        RequestReader(TYPES, repr).request(row, body | {name: bent})
