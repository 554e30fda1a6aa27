"""What a person sees is what was validated and decided; the caller's words stand apart."""

import json
from dataclasses import replace

from fleeting.core.access_requests import Minted, Offer, Plan, Review, Submitted
from fleeting.core.approvals import NoSeat, Seat, standing
from fleeting.core.ceremony import Escalation
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.model import Actor, Client, Operation, scope_operation
from fleeting.core.people import ConsoleAction
from fleeting.core.request_view import Like, PolicyWords, Seen, brief_json, full_json
from tests.approving import NOW, TYPES, minutes, offer, pending, person, refund, situation, vote

BOB = person("bob")


def seen(record, *people, **changes):
    now = situation(*people)
    view = Seen(TYPES, NOW, standing(record, now), now.people, Seat(0, "leads"))
    return replace(view, **changes)


def shown(record, *people, **changes):
    body = full_json(record, seen(record, *people, **changes))
    json.dumps(body)  # it is JSON
    return body


def test_all_is_json_and_the_brief_is_part_of_it():
    record = pending()
    brief, body = brief_json(record, seen(record)), shown(record)
    assert brief.keys() <= body.keys()
    assert brief["words"] == [body["operations"][0]["words"]]


def test_votes_are_told_by_stage_and_those_that_do_not_count_with_why():
    record = pending(
        "2 of leads, then 1 of finance", votes=(vote("bob"), vote("dora", instead_of="carol"))
    )
    body = shown(record, BOB)
    first, second = body["stages"]
    assert (first["missing"], first["current"], second["missing"]) == (1, True, 1)
    assert [it["by"]["id"] for it in first["votes"]] == ["bob"]
    (idle,) = body["idle_votes"]
    assert (idle["by"]["id"], idle["instead_of"]) == ("dora", {"id": "carol", "name": None})
    assert "not known" in idle["why"]
    assert (body["waits_for"], body["missing"]) == ({"group": "leads", "missing": 1}, 2)


def test_what_was_asked_and_what_is_left_of_it():
    asked = offer(operations=(refund(50_000, "refund", "void"), refund(9, payment_id="43")))
    record = pending(asked=asked, offer=offer(20, lifetime=minutes(1)))
    body = shown(record)
    (operation,) = body["operations"]
    assert "amount at most 50000 cent" in operation["asked"]
    fields = {field["name"]: field for field in operation["fields"]}
    assert fields["amount"]["was"] == "amount at most 50000 cent"
    assert fields["currency"]["was"] is None
    assert 'payment_id "43"' in body["left_out"][0]
    assert "lives 1m, not 5m" in body["less_than_asked"]


def test_what_the_caller_wrote_stands_apart():
    record = pending(break_glass="trust me")
    body = shown(record)
    assert body["caller_says"] == {
        "context": {"ticket": "INC-7"},
        "break_glass": "trust me",
        "texts": [{"type": "payment_refund", "name": "note", "text": "for Bob"}],
    }
    assert "for Bob" not in json.dumps([body["words"], body["offer"]["words"]])
    plain = pending(offer=Offer((Operation("payment_refund", ("refund",), {}),), minutes(1), 1))
    assert shown(plain)["caller_says"]["texts"] == []
    assert shown(plain)["operations"][0]["fields"] == []


def test_what_an_enforcement_point_submitted_is_no_token():
    says = {"business_justification": "customer 7"}
    asked = Submitted("t", "eval", "d", {"type": "refund", "id": "42"}, {"name": "refund"}, 0, says)
    body = shown(pending(submitted=asked))
    assert body["comes_of_it"] == "a decision, and no token"
    assert body["question"] == {
        "evaluation_id": "eval",
        "resource": {"type": "refund", "id": "42"},
        "action": {"name": "refund"},
    }
    assert body["caller_says"]["business_justification"] == "customer 7"
    assert shown(pending())["comes_of_it"] == "a token"


def test_scopes_and_types_that_are_gone_are_shown_too():
    offered = offer(operations=(scope_operation("read"), Operation("gone", ("do",), {"x": 1})))
    body = shown(pending(asked=offered, offer=offered))
    assert [it["words"] for it in body["operations"]] == [
        "OAuth scopes (read)",
        "gone (not declared any more)",
    ]
    assert body["offer"]["scope"] == "read"
    other = offer(operations=(scope_operation("write"),))
    assert shown(pending(asked=offered, offer=other))["left_out"] == [
        "gone (not declared any more)"
    ]


def test_who_stands_behind_it_is_told_whole():
    client = Client("support-bot", frozenset(), owner=frozenset({"olga"}))
    record = pending(
        request=replace(pending().request, actors=(Actor("agent", "https://idp", "c"),))
    )
    body = shown(record, person("alice"), client=client, guard="payments-api")
    assert body["subject"]["name"] == "Alice"
    assert body["chain"] == [{"sub": "agent", "iss": "https://idp", "client_id": "c"}]
    assert body["answers_for_client"]["owner"] == ["olga"]
    assert [it["id"] for it in body["behind"]] == ["agent", "alice", "support-bot"]
    assert body["reaches"] == {"resource": "https://payments", "guard": "payments-api"}


def test_policies_say_why_they_ask_and_whether_they_still_do():
    body = shown(pending(), policies={"large-refunds": PolicyWords("why", "what")})
    (policy,) = body["policies"]
    assert policy == {
        "id": "large-refunds",
        "reason": "why",
        "description": "what",
        "in_force": True,
    }
    assert shown(pending())["policies"][0]["in_force"] is False


def test_an_escalation_is_told_with_its_time():
    terms = replace(pending().terms, escalation=Escalation(minutes(5), "heads"))
    body = shown(pending(terms=terms))
    assert body["escalation"] == {
        "group": "heads",
        "at": (NOW + minutes(4)).isoformat(),
        "due": False,
    }
    late = shown(pending(terms=terms), now=NOW + minutes(4))
    assert late["escalation"]["due"] is True


def test_the_viewer_is_told_as_what_they_may_vote_or_why_not():
    may = (ConsoleAction.APPROVE,)
    you = shown(pending(), BOB, seat=Seat(0, "leads", "bob"), may=may)["you"]
    assert you["vote"] == {
        "stage": 0,
        "group": "leads",
        "instead_of": {"id": "bob", "name": "Bob"},
    }
    assert you["may"] == ["approve"]
    you = shown(pending(), seat=NoSeat("log in", stale=True))["you"]
    assert (you["vote"], you["why_not"], you["log_in_again"]) == (None, "log in", True)


def test_a_review_is_open_overdue_or_closed():
    record = pending(status=Status.GRANTED, review=Review("oncall", NOW))
    assert shown(record)["review"]["open"] is True
    assert shown(record)["review"]["overdue"] is False
    assert shown(record, now=NOW + minutes(1))["review"]["overdue"] is True
    closed = replace(record, review=Review("oncall", NOW, "bob", NOW, "fine"))
    review = shown(closed, BOB)["review"]
    assert (review["open"], review["closed_by"]["name"]) == (False, "Bob")


def test_what_came_of_it_and_of_its_like():
    record = pending(
        status=Status.RETURNED,
        minted=(Minted("j1", "t", NOW),),
        granted_at=NOW,
        ended_by="bob",
        offer=offer(plan=Plan(2, minutes(5))),
        spent={"payment_refund.amount": 5},
    )
    like = [Like(str(number), NOW, Status.DENIED) for number in range(7)]
    body = shown(record, BOB, like=like)
    assert body["tokens"][0]["live"] is False
    assert body["ended_by"] == {"id": "bob", "name": "Bob"}
    assert body["spent"] == {"payment_refund.amount": "5"}
    assert body["history"]["outcomes"] == {"denied": 7}
    assert len(body["history"]["recent"]) == 5


def test_the_timeline_has_what_people_did():
    entries = [
        Entry(EntryKind.REQUEST_ASKED, NOW, "r", {"by": "bob", "text": "why?"}),
        Entry(EntryKind.TOKEN_SPENT, NOW, "r", {}),
    ]
    story = [ChainedEntry("w", 1, entry, bytes(32), bytes(32)) for entry in entries]
    assert [it["words"] for it in shown(pending(), story=story)["timeline"]] == ["bob asks: “why?”"]
