from datetime import UTC, datetime

from fleeting.core.evidence import EntryKind, extend
from fleeting.core.model import (
    ActionDecision,
    Decision,
    Verdict,
)
from fleeting.core.policy_deeds import (
    LONGEST_PROBLEM,
    Origin,
    PoliciesChanged,
    deed_entry,
    differed_entry,
    refused_set_entry,
)
from fleeting.stores.pruning import new_chain
from tests.core.asking import plain_request

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WHO = Origin("alice@here", "fleeting policy load", 42, "/etc/policies")


def test_a_deed_says_which_set_by_whom_how_and_from_where():
    change = PoliciesChanged("new", "old", "new", None, "candidate")
    entry = deed_entry(EntryKind.POLICY_LOADED, NOW, change, WHO)
    assert (entry.kind, entry.at, entry.request_id) == (EntryKind.POLICY_LOADED, NOW, "")
    assert entry.body == {
        "digest": "new",
        "live_before": "old",
        "live": "new",
        "candidate_before": None,
        "candidate": "candidate",
        "by": "alice@here",
        "how": "fleeting policy load",
        "process": 42,
        "from": "/etc/policies",
    }


def test_before_the_first_set_nothing_was_live():
    change = PoliciesChanged("new", "", "new", None, None)
    assert deed_entry(EntryKind.POLICY_LOADED, NOW, change, WHO).body["live_before"] is None


def test_a_refused_set_is_recorded_with_what_is_wrong_however_much_that_is():
    entry = refused_set_entry(NOW, None, "live", "x" * 9999, WHO)
    assert entry.body["problem"] == "x" * LONGEST_PROBLEM
    assert (entry.body["digest"], entry.body["live"]) == (None, "live")
    assert extend(new_chain(), [entry])


def test_a_difference_has_both_decisions_and_belongs_to_its_request():
    request = plain_request(id="r", txn="t")
    answers = (ActionDecision(0, "refund", Verdict.NO_PERMIT),)
    entry = differed_entry(
        request, Decision("live", answers), Decision("other", ()), "newly_permitted", NOW
    )
    assert (entry.kind, entry.request_id, entry.txn) == (EntryKind.POLICY_DIFFERED, "r", "t")
    assert entry.body["difference"] == "newly_permitted"
    assert entry.body["live"]["policy_digest"] == "live"
    assert entry.body["live"]["answers"][0]["verdict"] == "no_permit"
    assert entry.body["candidate"] == {"policy_digest": "other", "answers": []}
