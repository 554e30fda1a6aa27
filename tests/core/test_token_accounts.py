from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.evidence import GENESIS, ChainHead, Entry, EntryKind, extend, storable
from fleeting.core.token_accounts import TokenAccounts, TokenState

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
ISSUED = (EntryKind.TOKEN_ISSUED, {"token": {"uses": 2}})
SPENT = (EntryKind.TOKEN_SPENT, {"repeated": False})
AGAIN = (EntryKind.TOKEN_SPENT, {"repeated": True})
REFUSED = (EntryKind.SPEND_REFUSED, {"reason": "spent"})
REVOKED = (EntryKind.TOKEN_REVOKED, {"ended": True})
REVOKED_IN_VAIN = (EntryKind.TOKEN_REVOKED, {"ended": False})


def contradictions(*told, jti="j", uses=2, used=0, revoked=False, pruned_before=EVER):
    accounts = TokenAccounts([TokenState(storable(jti), uses, used, revoked)], pruned_before)
    entries = [Entry(kind, NOW, "r", body, "t", jti) for kind, body in told]
    for row in extend(ChainHead("a", 0, GENESIS), entries):
        accounts.see(row)
    return list(accounts.contradictions())


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ((ISSUED,), {}),
        ((ISSUED, SPENT, REFUSED), {"used": 1}),
        ((SPENT, AGAIN, SPENT, ISSUED, AGAIN), {"used": 2}),
        ((ISSUED, REVOKED, REVOKED_IN_VAIN), {"revoked": True}),
        ((ISSUED, REVOKED_IN_VAIN), {}),
        (((EntryKind.TOKEN_ISSUED, {}), SPENT), {"used": 1}),
        ((ISSUED, SPENT), {"used": 1, "jti": "\0\\"}),
    ],
)
def test_what_agrees_is_no_contradiction(told, state):
    assert contradictions(*told, **state) == []


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        ((ISSUED, SPENT), {}, "was used 1 times; the store counts 0"),
        ((ISSUED, SPENT, AGAIN), {"used": 2}, "was used 1 times; the store counts 2"),
        ((ISSUED,), {"uses": 9}, "was issued for 2 uses; the store allows 9"),
        ((ISSUED,), {"uses": None}, "was issued for 2 uses; the store allows None"),
        ((ISSUED, REVOKED), {}, "was revoked; the store has it alive"),
        ((ISSUED, REVOKED_IN_VAIN), {"revoked": True}, "was not revoked"),
    ],
)
def test_whatever_the_store_says_otherwise_is_one(told, state, words):
    assert contradictions(*told, **state) == [f"the token j {words}"]


def test_without_the_entry_of_its_issue_nothing_is_known_of_a_token():
    assert contradictions(SPENT) == []


def test_of_a_token_from_before_a_pruning_uses_may_be_gone():
    assert contradictions(ISSUED, used=1, pruned_before=NOW + timedelta(seconds=1)) == []
    assert contradictions(ISSUED, used=1, pruned_before=NOW) != []


@pytest.mark.parametrize("body", ["[", "7", "null", '{"token":{}}', b"\xff"])
def test_what_cannot_be_read_says_nothing(body):
    accounts = TokenAccounts([TokenState("j", 1, 1, False)], EVER)
    [row] = extend(
        ChainHead("a", 0, GENESIS), [Entry(EntryKind.TOKEN_ISSUED, NOW, "r", {}, "t", "j")]
    )
    accounts.see(row._replace(body=body))
    accounts.see(row._replace(jti="other"))
    assert list(accounts.contradictions()) == []
