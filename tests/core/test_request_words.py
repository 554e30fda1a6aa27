"""What people did is said in one plain sentence each."""

import pytest

from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.request_words import UNREADABLE, WORDS, request_words
from tests.approving import NOW

BY = {"by": "lena", "name": "Lena"}
ENDED = {**BY, "reason": "done", "was": "granted", "tokens": ["j1"], "calls": 1}
AT = NOW.isoformat()
BODIES = {
    EntryKind.REQUEST_PENDING: (
        {
            "client": "bot",
            "subject": {"id": "alice"},
            "approval": "2 of leads",
            "escalation": "after 5m to heads",
            "policies": ["large"],
            "expires_at": AT,
        },
        "bot, for alice, asks, and waits for 2 of leads, after 5m to heads (large) until 12:00:00",
    ),
    EntryKind.REQUEST_VOTED: (
        {
            **BY,
            "instead_of": "luis",
            "comment": "fine",
            "group": "leads",
            "missing": 1,
            "words": ["Refund", "1 use"],
        },
        (
            "Lena (lena), in the place of luis, approves as one of leads (1 still missing): "
            "Refund; 1 use: “fine”"
        ),
    ),
    EntryKind.REQUEST_NARROWED: (
        {**BY, "words": ["amount at most 1, not amount at most 2"]},
        "Lena (lena) narrows it: amount at most 1, not amount at most 2",
    ),
    EntryKind.REQUEST_ASKED: ({**BY, "text": "why?"}, "Lena (lena) asks: “why?”"),
    EntryKind.REQUEST_ANSWERED: ({"by": "bot", "text": "so"}, "bot answers: “so”"),
    EntryKind.REQUEST_APPROVED: (
        {"votes": [{"by": "lena"}, {"by": "luis"}], "collect_by": AT},
        "approved by lena, luis; to be collected until 12:00:00",
    ),
    EntryKind.REQUEST_DENIED: ({**BY, "reason": "no"}, "Lena (lena) says no: “no”"),
    EntryKind.REQUEST_EXPIRED: (
        {"by": None, "was": "pending"},
        "it expires: not enough people decided",
    ),
    EntryKind.REQUEST_CANCELLED: (
        {**BY, "reason": "", "tokens": []},
        "Lena (lena) takes it back",
    ),
    EntryKind.REQUEST_RETURNED: (ENDED, "Lena (lena) gives it back, and its token: “done”"),
    EntryKind.REQUEST_REVOKED: (
        {**ENDED, "tokens": ["a", "b"]},
        "Lena (lena) revokes it, and 2 tokens: “done”",
    ),
    EntryKind.REQUEST_ENDED: ({**ENDED, "by": None}, "the grant is over: 1 token came of it"),
    EntryKind.REQUEST_EXTENDED: (
        {"extension": "r2", "not_after": AT, "votes": [{"by": "lena"}]},
        "extended until 12:00:00 by lena (r2)",
    ),
    EntryKind.REVIEW_OPENED: (
        {"break_glass": "fire", "group": "oncall", "due_at": AT},
        (
            "it went ahead at once: “fire”; oncall is alarmed, "
            "and somebody reviews it until 2026-01-01 12:00"
        ),
    ),
    EntryKind.REVIEW_CLOSED: (
        {**BY, "note": "it burned", "overdue": True},
        "Lena (lena) closes the review, too late: “it burned”",
    ),
    EntryKind.ACCESS_REVOKED: (
        {**BY, "kind": "client", "value": "bot", "reason": "lost", "requests": ["a"]},
        "Lena (lena) revokes all access of client bot (1 request): “lost”",
    ),
    EntryKind.PERSON_CHANGED: (
        {"deed": "passkey_added", "by": "admin", "person": "lena", "name": "Lena"},
        "lena: passkey added, by admin",
    ),
    EntryKind.PERSON_SIGNED_IN: (
        {"person": "lena", "name": "Lena", "method": "passkey"},
        "Lena (lena) signs in by passkey",
    ),
    EntryKind.PERSON_SIGNED_OUT: ({"person": "lena"}, "lena signs out"),
    EntryKind.SIGN_IN_REFUSED: (
        {
            "person": None,
            "method": "provider",
            "error": {"error": "access_denied", "description": "no group"},
        },
        "somebody is not signed in by provider: access_denied: no group",
    ),
    EntryKind.ACTION_REFUSED: (
        {
            "person": "lena",
            "action": "approve",
            "error": {"error": "conflict", "description": "it changed"},
        },
        "lena may not approve: conflict: it changed",
    ),
}
MORE = [
    (EntryKind.REQUEST_PENDING, {"client": "bot", "subject": {"id": "bot"}}, "bot asks, and waits"),
    (EntryKind.REQUEST_PENDING, {"extends": "r1"}, "bot, for alice, asks to extend r1, and"),
    (EntryKind.REQUEST_VOTED, {"missing": 0}, "(the last one needed)"),
    (EntryKind.REQUEST_VOTED, {"withdrawn": ["luis"], "reason": "x"}, "takes back the approval of"),
    (EntryKind.REQUEST_APPROVED, {"votes": []}, "approved by policy alone"),
    (EntryKind.REQUEST_APPROVED, {"not_after": AT}, "luis, until 12:00:00"),
    (EntryKind.REQUEST_DENIED, {"by": None}, "policy permits it no longer: “no”"),
    (EntryKind.REQUEST_EXPIRED, {"was": "approved"}, "nobody collected it"),
    (EntryKind.REQUEST_RETURNED, {"by": None}, "fleeting gives it back"),
    (EntryKind.REQUEST_ENDED, {"calls": 3}, "3 tokens came of it"),
    (EntryKind.REQUEST_ENDED, {"calls": 1, "decides": True}, "1 permit came of it"),
    (EntryKind.REVIEW_CLOSED, {"overdue": False}, "closes the review: "),
    (
        EntryKind.ACCESS_REVOKED,
        {"kind": "approver", "value": "luis", "requests": []},
        "revokes all approvals by luis (0 requests)",
    ),
    (EntryKind.PERSON_CHANGED, {"away": None}, "Lena is back"),
    (
        EntryKind.PERSON_CHANGED,
        {"away": {"to": "dora", "until": AT}},
        "dora may vote in their place until 2026-01-01 12:00",
    ),
]


@pytest.mark.parametrize("kind", WORDS)
def test_each_kind_has_its_sentence(kind):
    body, words = BODIES[kind]
    assert request_words(Entry(kind, NOW, "r1", body)) == words


@pytest.mark.parametrize(("kind", "changes", "words"), MORE)
def test_what_is_otherwise_is_said_otherwise(kind, changes, words):
    assert words in request_words(Entry(kind, NOW, "r1", {**BODIES[kind][0], **changes}))


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("body", [{}, {"by": 1, "error": 2, "words": 3}])
def test_what_no_version_writes_is_unreadable(kind, body):
    assert request_words(Entry(kind, NOW, "r1", body)) == UNREADABLE
