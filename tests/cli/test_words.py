from datetime import UTC, datetime

import pytest

from fleeting.cli.entry_line import entry_line
from fleeting.cli.words import clean, entry_words, shown_operation, shown_value
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from tests.core.test_request_words import BODIES as PEOPLE

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
OPERATION = {"type": "payment_refund", "actions": ["refund"], "amount": 5000, "ok": True}
SAID = "payment_refund:refund amount=5000 ok=true"

DEED = {
    "digest": "0123456789abcdef",
    "live_before": "fedcba9876543210",
    "live": "0123456789abcdef",
    "candidate_before": None,
    "candidate": None,
    "by": "alice@here",
    "how": "fleeting policy load",
    "process": 1,
    "from": "/etc/policies",
}
WHO = "by alice@here, fleeting policy load"
BY = f"from /etc/policies, {WHO}"
SHADOWED = {**DEED, "live": DEED["live_before"], "candidate": DEED["digest"]}

SMALL = {
    "action": "refund",
    "verdict": "permitted",
    "paths": [{"policy": "a", "lifetime": "1m", "uses": 1, "bound": "dpop"}],
}
LARGE = {
    **SMALL,
    "paths": [
        {"policy": "b", "lifetime": "30s", "uses": None, "bound": "dpop", "approval": "2 of leads"}
    ],
}
DENIED = {**SMALL, "verdict": "no_permit", "paths": []}

BODIES = PEOPLE | {
    EntryKind.TOKEN_ISSUED: (
        {
            "client": "bot",
            "subject": {"id": "alice"},
            "token": {"operations": [OPERATION], "uses": None, "expires_at": NOW.isoformat()},
        },
        f"bot, for alice, may {SAID}: unlimited uses, until 03:04:05",
    ),
    EntryKind.REQUEST_REFUSED: (
        {
            "client": None,
            "error": {"error": "invalid_client", "description": "who?", "detail": "no kid"},
        },
        "a stranger is refused: invalid_client: who? (no kid)",
    ),
    EntryKind.ACCESS_EVALUATED: (
        {
            "client": "gate",
            "subject": {"id": "alice"},
            "operations": [OPERATION],
            "permitted": True,
        },
        f"gate is told that alice may {SAID}",
    ),
    EntryKind.TOKEN_SPENT: (
        {"guard": "api", "operation": OPERATION, "use": 2, "uses": 3, "repeated": True},
        f"api serves {SAID}: use 2 of 3, asked again",
    ),
    EntryKind.SPEND_REFUSED: (
        {"guard": "api", "operation": None, "uses": 1, "reason": "audience"},
        "api refuses a call: the token is for another resource",
    ),
    EntryKind.CALL_SERVED: (
        {"guard": "api", "operation": {"type": "scope", "actions": ["payments:read"]}},
        "api serves scope payments:read",
    ),
    EntryKind.CALL_REFUSED: (
        {"guard": "api", "operation": OPERATION, "reason": "too much"},
        f"api refuses {SAID}: too much",
    ),
    EntryKind.TOKEN_REVOKED: (
        {"client": "bot", "ended": False},
        "bot revokes the token, which was over already",
    ),
    EntryKind.SERVER_STARTED: (
        {"version": "1.0", "policy_digest": "0123456789abcdef"},
        "a worker of version 1.0 starts, with policies 0123456789ab",
    ),
    EntryKind.SERVER_STOPPED: (
        {"version": "1.0", "policy_digest": "0123456789abcdef"},
        "a worker of version 1.0 stops, with policies 0123456789ab",
    ),
    EntryKind.CHECKPOINT: ({"chains": [{}, {}]}, "where 2 chains stand, not signed"),
    EntryKind.LEDGER_PRUNED: (
        {"before": "2026-01-01"},
        "entries from before 2026-01-01 are deleted",
    ),
    EntryKind.POLICY_LOADED: (
        {**DEED, "live_before": None},
        f"policies 0123456789ab are loaded, {BY}",
    ),
    EntryKind.POLICY_REFUSED: (
        {**DEED, "problem": "a.cedar:1:1: bad\nb.cedar:1:1: worse"},
        f"policies from /etc/policies are wrong, 0123456789ab stays live: a.cedar:1:1: bad ({WHO})",
    ),
    EntryKind.POLICY_SHADOWED: (SHADOWED, f"policies 0123456789ab are shadowed, {BY}"),
    EntryKind.POLICY_UNSHADOWED: (
        {**SHADOWED, "candidate": None},
        f"policies 0123456789ab are no longer shadowed, {BY}",
    ),
    EntryKind.POLICY_PROMOTED: (
        DEED,
        f"policies 0123456789ab are promoted, instead of fedcba987654, {BY}",
    ),
    EntryKind.POLICY_ROLLED_BACK: (
        DEED,
        f"policies 0123456789ab are live again, instead of fedcba987654, {BY}",
    ),
    EntryKind.POLICY_DIFFERED: (
        {
            "difference": "newly_denied",
            "live": {"policy_digest": "f", "answers": [SMALL, SMALL, SMALL]},
            "candidate": {"policy_digest": "0123456789abcdef", "answers": [DENIED, LARGE, SMALL]},
        },
        (
            "the candidate 0123456789ab would not permit this: refund permitted → no permit; "
            "refund lifetime 1m → 30s; refund uses 1 → unlimited; refund approval none → 2 of leads"
        ),
    ),
}


def entry(kind, body):
    return Entry(kind, NOW, "r1", body, "t1", "j1")


@pytest.mark.parametrize("kind", EntryKind)
def test_every_kind_of_entry_has_words_of_its_own(kind):
    body, words = BODIES[kind]
    assert entry_words(entry(kind, body)) == words


def test_a_refusal_says_what_was_asked_if_that_was_understood():
    error = {"error": "access_denied", "description": "no"}
    body = {"client": "bot", "operations": [OPERATION], "error": error}
    told = entry_words(entry(EntryKind.REQUEST_REFUSED, body))
    assert told == f"bot may not {SAID}: access_denied: no"


def test_a_bug_of_ours_is_no_word_about_what_the_client_may():
    error = {"error": "server_error", "description": "a fault of ours", "detail": "KeyError"}
    for more, about in (({}, ""), ({"operations": [OPERATION]}, f" about {SAID}")):
        told = entry_words(
            entry(EntryKind.REQUEST_REFUSED, {"client": "bot", "error": error, **more})
        )
        assert told == f"bot is told nothing{about}: a fault of ours (KeyError)"


def test_a_candidate_that_refuses_otherwise_is_told_though_no_limit_differs():
    forbidden = {**DENIED, "verdict": "forbidden"}
    body = {
        "difference": "refused_otherwise",
        "live": {"policy_digest": "f", "answers": [DENIED, DENIED]},
        "candidate": {"policy_digest": "0123", "answers": [forbidden, DENIED]},
    }
    assert entry_words(entry(EntryKind.POLICY_DIFFERED, body)) == (
        "the candidate 0123 would refuse this for another reason: refund no permit → forbidden"
    )


def test_a_denial_says_who_may_not_or_why_nobody_knows():
    body, _ = BODIES[EntryKind.ACCESS_EVALUATED]
    denied = entry(EntryKind.ACCESS_EVALUATED, {**body, "permitted": False})
    assert entry_words(denied) == f"gate is told that alice may not {SAID}"
    error = {"error": "invalid_request", "description": "'action' is missing"}
    unread = entry(EntryKind.ACCESS_EVALUATED, {"client": "gate", "error": error})
    assert entry_words(unread) == "gate is told that it may not be done: 'action' is missing"


@pytest.mark.parametrize("kind", EntryKind)
@pytest.mark.parametrize("body", [{}, {"token": 1, "error": "x", "chains": None}])
def test_an_entry_of_another_shape_is_said_to_be_unreadable(kind, body):
    assert entry_words(entry(kind, body)).startswith("(an entry that this version cannot read")


def test_a_line_has_the_time_the_kind_and_the_id():
    body, words = BODIES[EntryKind.CALL_SERVED]
    chained = ChainedEntry("w", 1, entry(EntryKind.CALL_SERVED, body), bytes(32), bytes(32))
    assert entry_line(chained).plain == (
        f"2026-01-02 03:04:05.678Z  call.served       {words}  [r1]"
    )


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\nb", "\u202egnp.exe", "\x00"])
def test_nothing_in_the_ledger_can_steer_a_terminal(text):
    assert not set(clean(text)) & set("\x1b\x9b\n\u202e\x00")
    assert "?" in shown_operation({"type": text, "actions": [text], text: text})
    assert "?" in shown_value([text])


def test_an_operation_of_another_shape_is_shown_as_it_is():
    assert shown_operation("x") == "x"
    assert shown_operation({"type": "t", "actions": "a"}) == "t:a"
