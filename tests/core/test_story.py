from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.story import tell

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SMALL = {"policy": "small", "lifetime": "1m", "uses": 1, "bound": "dpop"}
LARGE = {**SMALL, "policy": "large", "lifetime": "5m", "approval": "2 of leads, then 1 of finance"}


def chained(kind, body, *, sequence=1, request_id="r1", txn="t1", jti=None, after=0):
    at = NOW + timedelta(seconds=after)
    entry = Entry(kind, at, request_id, body, txn, jti)
    return ChainedEntry("w", sequence, entry, bytes(32), bytes(32))


def answer(*paths, verdict="permitted", operation=0, action="refund", **more):
    return {
        "operation": operation,
        "action": action,
        "verdict": verdict,
        "paths": list(paths),
        "forbids": [],
        "reasons": [],
        "errors": [],
        **more,
    }


def issued(*answers, lives=60, cnf=None, **more):
    body = {
        "asked_by": "token_exchange",
        "subject": {"kind": "User", "id": "alice"},
        "act": {"sub": "agent", "act": {"sub": "orchestrator"}},
        "client": "bot",
        "client_groups": ["support"],
        "resource": "https://api.example.com",
        "operations": [{"type": "payment_refund", "actions": ["refund"], "amount": 1}],
        "context": {"ticket": "INC-7"},
        "cnf": {"jkt": "thumb"} if cnf is None else cnf,
        "policy_digest": "d1",
        "answers": list(answers or [answer(SMALL)]),
        "token": {
            "issued_at": NOW.isoformat(),
            "expires_at": (NOW + timedelta(seconds=lives)).isoformat(),
            "uses": 1,
            "bound": "dpop",
            "operations": [{"type": "payment_refund", "actions": ["refund"], "amount": 1}],
        },
    }
    return chained(EntryKind.TOKEN_ISSUED, body, jti="j1", **more)


def refused(**more):
    error = {"error": "invalid_client", "description": "no"}
    return chained(EntryKind.REQUEST_REFUSED, {"client": None, "error": error}, **more)


def evaluated(**more):
    body = {
        "asked_by": "access_evaluation",
        "asked_as": "pep-7",
        "client": "gate",
        "permitted": True,
        "subject": {"kind": "User", "id": "alice"},
        "resource": "https://api.example.com",
        "operations": [{"type": "todo", "actions": ["read"]}],
        "policy_digest": "d1",
        "answers": [answer({**SMALL, "bound": "none"}, action="read")],
    }
    return chained(EntryKind.ACCESS_EVALUATED, {**body, **more})


def paths_of(*paths, **more):
    return tell([issued(answer(*paths), **more)], "r1").answers[0].paths


def test_no_entries_are_no_story():
    assert tell([], "r1") is None


def test_a_token_s_story_says_who_asked_what():
    story = tell([issued()], "r1")
    assert story.outcome == "granted"
    assert story.asked.client == "bot"
    assert story.asked.actors == ("agent", "orchestrator")
    assert story.asked.context == {"ticket": "INC-7"}
    assert (story.token.jti, story.token.uses) == ("j1", 1)
    assert story.policy_digest == "d1"
    assert story.narrowed == ()


def test_an_evaluation_s_story_says_what_the_enforcement_point_was_told():
    story = tell([evaluated()], "r1")
    assert (story.outcome, story.token, story.narrowed) == ("permitted", None, ())
    assert (story.asked.client, story.asked.asked_as) == ("gate", "pep-7")
    assert story.answers[0].paths[0].policy == "small"
    assert tell([evaluated(permitted=False)], "r1").outcome == "denied"


def test_a_stranger_s_refusal_is_told_as_far_as_it_was_understood():
    story = tell([refused(txn=None)], "r1")
    assert story.outcome == "refused"
    assert story.error["error"] == "invalid_client"
    assert story.asked.client is None
    assert story.asked.operations == ()
    assert story.token is None


def test_uses_whose_request_is_forgotten_are_a_story_without_a_beginning():
    spent = chained(EntryKind.TOKEN_SPENT, {"guard": "api"}, jti="j1")
    story = tell([spent], "j1")
    assert story.outcome == "unknown"
    assert story.events == (spent,)


def test_events_are_told_oldest_first_in_whatever_order_they_come():
    entries = [issued(), chained(EntryKind.TOKEN_SPENT, {}, sequence=2, after=1)]
    assert tell(entries[::-1], "r1").events == tuple(entries)


def test_the_request_that_is_named_is_told_before_the_one_that_got_the_token():
    entries = [issued(), refused(request_id="r2", sequence=2, after=1)]
    assert tell(entries, "r2").outcome == "refused"
    assert tell(entries, "t1").outcome == "granted"
    assert tell(entries[::-1], "t1").asked.request_id == "r1"


def test_the_first_path_is_the_chosen_one():
    chosen, other = paths_of(SMALL, LARGE)
    assert (chosen.policy, chosen.chosen) == ("small", True)
    assert (other.policy, other.chosen) == ("large", False)
    assert "policy" not in chosen.limits


@pytest.mark.parametrize(
    ("chosen", "other", "why", "why_not"),
    [
        ({}, {"bound": "mtls"}, "least ceremony", "needs a token bound with mtls"),
        ({}, {"step_up": ["gold"]}, "least ceremony", "needs a stronger or fresher login"),
        ({}, {"max_age": "5m"}, "least ceremony", "needs a stronger or fresher login"),
        ({}, {"approval": "2 of leads"}, "least ceremony", "needs approval"),
        (
            {"approval": "1 of leads"},
            {"approval": "2 of leads"},
            "least ceremony",
            "needs more approvals",
        ),
        ({}, {"lifetime": "5m"}, "the narrower one", "is wider: lives 5m"),
        ({}, {"uses": 3}, "the narrower one", "is wider: 3 uses"),
        ({}, {"uses": None}, "the narrower one", "is wider: unlimited uses"),
        ({"uses": None}, {"uses": None}, "first by name among equals", "is no narrower, and later"),
        ({"lifetime": "5m"}, {}, "least ceremony", "is for emergencies, and would alarm people"),
        ({}, {}, "first by name among equals", "is no narrower, and later by name"),
    ],
)
def test_why_one_path_was_chosen_over_another(chosen, other, why, why_not):
    first, second = paths_of({**SMALL, **chosen}, {**SMALL, "policy": "z", **other})
    assert first.why == why
    assert second.why.startswith(why_not)


@pytest.mark.parametrize("cnf", [{}, {"x5t#S256": "thumb"}])
def test_a_path_s_bond_is_held_against_the_key_that_asked(cnf):
    wanted = {**SMALL, "policy": "z", "bound": "mtls"}
    _, other = paths_of({**SMALL, "bound": "none"}, wanted, cnf=cnf)
    assert other.why.startswith("needs a token bound" if cnf == {} else "is no narrower")


def test_the_only_path_is_said_to_be_the_only_one():
    (path,) = paths_of(SMALL)
    assert path.why == "the only permit that is satisfied"


def test_what_was_left_out_is_told_with_its_reason():
    left_out = answer(verdict="forbidden", operation=1, action="void", reasons=["not today"])
    story = tell([issued(answer(SMALL), left_out)], "r1")
    assert story.outcome == "partly granted"
    assert story.narrowed == ("void of operation 2 was left out: not today",)
    silent = answer(verdict="no_permit", operation=1, action="void")
    story = tell([issued(answer(SMALL), silent)], "r1")
    assert story.narrowed == ("void of operation 2 was left out: no_permit",)


def test_it_is_told_when_the_strictest_of_several_paths_holds():
    wider = answer({**SMALL, "lifetime": "5m"}, operation=1)
    (words,) = tell([issued(answer(SMALL), wider)], "r1").narrowed
    assert "strictest" in words


def test_it_is_told_when_the_subject_token_ends_first():
    (words,) = tell([issued(lives=20)], "r1").narrowed
    assert words == "it ends with the subject token, not after the 1m permitted"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": 1},
        {"token": {}, "answers": 5},
        {"answers": [answer({"policy": "p", "lifetime": "soon", "uses": 1, "bound": "dpop"})] * 2},
        {"answers": [answer(SMALL, {**SMALL, "bound": "glue"})]},
    ],
)
def test_an_entry_of_another_shape_is_refused_as_one(body):
    whole = {**issued().entry.body, **body} if "answers" in body else body
    with pytest.raises(ValueError, match=r".+"):
        tell([chained(EntryKind.TOKEN_ISSUED, whole)], "r1")


def test_what_people_narrowed_is_told_as_it_was_asked():
    asked = {"type": "payment_refund", "actions": ["refund"], "amount": 5}
    waits = answer(LARGE, verdict="needs_approval")
    body = {
        **issued().entry.body,
        "approval": "2 of leads",
        "policies": ["large"],
        "expires_at": NOW.isoformat(),
        "operations": [asked, {**asked, "amount": 900}],
        "policy_digest": "d0",
        "answers": [waits, answer(verdict="denied", operation=1, reasons=["too much"])],
    }
    approval = {"votes": [], "call": 1}
    token = issued(waits, after=9)
    collected = {**token.entry.body, "approval": approval}
    story = tell(
        [chained(EntryKind.REQUEST_PENDING, body), chained(EntryKind.TOKEN_ISSUED, collected)], "r1"
    )
    assert [each["amount"] for each in story.asked.operations] == [5, 900]
    assert [each["amount"] for each in story.token.operations] == [1]
    assert (story.asked.at, story.policy_digest) == (NOW, "d0")
    assert story.outcome == "partly granted"
    assert story.narrowed == ("refund of operation 2 was left out: too much",)
