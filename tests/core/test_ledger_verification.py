import json
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.evidence import (
    CHECKPOINT_TYP,
    GENESIS,
    PRUNING_TYP,
    ChainHead,
    Entry,
    EntryKind,
    checkpoint_body,
    extend,
    head_after,
    instant,
)
from fleeting.core.ledger_verification import FindingKind, LedgerSnapshot, verify_ledger

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
A, B = ChainHead("a", 0, GENESIS), ChainHead("b", 0, GENESIS)
MARKS = (EntryKind.CHECKPOINT, EntryKind.LEDGER_PRUNED)


def served(count):
    return [Entry(EntryKind.CALL_SERVED, NOW, "r", {"n": number}) for number in range(count)]


def heads_of(rows):
    return list({row.writer: head_after(row) for row in rows}.values())


def findings(rows, heads=None, *, verify=None, unrecorded=()):
    rows = list(rows)
    marks = [row for row in rows if row.kind in MARKS]
    heads = heads_of(rows) if heads is None else heads
    verification = verify_ledger(
        LedgerSnapshot(marks, heads, iter(rows), unrecorded), verify=verify
    )
    assert verification.entries == len(rows)
    return [(it.kind, it.writer, it.sequence) for it in verification.findings]


@pytest.fixture
def rows():
    """Two chains; b ends with a checkpoint that names both."""
    first = extend(A, served(5))
    second = extend(B, served(3))
    mark = checkpoint_body(heads_of(first + second), now=NOW)
    checkpoint = extend(head_after(second[-1]), [Entry(EntryKind.CHECKPOINT, NOW, "", mark)])
    return first + second + checkpoint


def checkpoint_after(rows, at=B, **options):
    body = checkpoint_body(heads_of(rows), now=NOW, **options)
    return extend(at, [Entry(EntryKind.CHECKPOINT, NOW, "", body)])


def pruned(at, before=NOW, sign=None, typ=PRUNING_TYP, **bases):
    places = [
        {"writer": writer, "sequence": row.sequence, "hash": row.hash.hex()}
        for writer, row in bases.items()
    ]
    body = {"before": before.isoformat(), "chains": places}
    if sign is not None:
        body["signature"] = sign(typ, dict(body))
    return extend(at, [Entry(EntryKind.LEDGER_PRUNED, NOW, "", body)])


def test_an_untouched_ledger_has_no_findings(rows):
    verification = verify_ledger(LedgerSnapshot([rows[-1]], heads_of(rows), iter(rows)))
    assert verification.findings == ()
    totals = (verification.entries, verification.chains, verification.checkpoints)
    assert totals == (9, 2, 1)


def test_an_empty_ledger_has_no_findings():
    assert findings([]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"body": '{"n":9}'},
        {"body": '{"n": 2}'},
        {"at_us": 1},
        {"kind": "call.refused"},
        {"request_id": "s"},
        {"txn": ""},
        {"jti": "j"},
    ],
    ids=str,
)
def test_an_edit_of_any_column_is_found_where_it_is(rows, change):
    heads = heads_of(rows)
    rows[2] = rows[2]._replace(**change)
    assert findings(rows, heads) == [(FindingKind.ALTERED, "a", 3)]


@pytest.mark.parametrize(
    "change", [{"at_us": b"x"}, {"body": 7}, {"body": "\ud800"}, {"previous": "x"}], ids=str
)
def test_what_cannot_be_read_at_all_is_found_where_it_is(rows, change):
    heads = heads_of(rows)
    rows[0] = rows[0]._replace(**change)
    assert (FindingKind.UNREADABLE, "a", 1) in findings(rows, heads)


def test_a_first_entry_must_follow_nothing(rows):
    forged = extend(ChainHead("c", 0, b"\1" * 32), served(1))
    assert findings(rows + forged) == [(FindingKind.ALTERED, "c", 1)]


def test_an_edit_with_its_hash_made_anew_is_found_at_the_next_entry(rows):
    heads = heads_of(rows)
    rows[2] = extend(head_after(rows[1]), [Entry(EntryKind.CALL_SERVED, NOW, "r", {"n": 9})])[0]
    assert findings(rows, heads) == [(FindingKind.MOVED, "a", 4)]


def test_removed_entries_leave_a_gap(rows):
    heads = heads_of(rows)
    assert findings(rows[:1] + rows[3:], heads) == [(FindingKind.REMOVED, "a", 2)]


def test_a_removed_beginning_is_found(rows):
    heads = heads_of(rows)
    assert findings(rows[2:], heads) == [(FindingKind.REMOVED, "a", 2)]


def test_entries_that_changed_places_are_found(rows):
    heads = heads_of(rows)
    one, two = rows[1], rows[2]
    rows[1], rows[2] = two._replace(sequence=2), one._replace(sequence=3)
    found = findings(rows, heads)
    assert {(FindingKind.ALTERED, "a", 2), (FindingKind.ALTERED, "a", 3)} <= set(found)


def test_entries_out_of_order_are_found(rows):
    heads = heads_of(rows)
    rows[1], rows[2] = rows[2], rows[1]
    assert (FindingKind.MOVED, "a", 2) in findings(rows, heads)


def test_a_chain_shorter_than_its_head_was_truncated(rows):
    heads = heads_of(rows)
    found = findings(rows[:4] + rows[5:], heads)
    assert found == [(FindingKind.TRUNCATED, "a", 4), (FindingKind.TRUNCATED, "a", 4)][:1]


def test_a_chain_cut_off_together_with_its_head_is_found_by_a_checkpoint(rows):
    assert findings(rows[:3] + rows[5:]) == [(FindingKind.TRUNCATED, "a", 3)]


def test_a_chain_that_is_gone_with_all_its_entries_is_found_by_its_head(rows):
    heads = heads_of(rows)
    assert findings(rows[5:], heads) == [(FindingKind.TRUNCATED, "a", None)]


def test_a_chain_that_is_gone_with_its_head_is_found_by_a_checkpoint(rows):
    assert findings(rows[5:]) == [(FindingKind.TRUNCATED, "a", None)]


def test_a_chain_rewritten_from_the_start_is_found_by_a_checkpoint(rows):
    rewritten = extend(A, served(4)) + extend(
        head_after(extend(A, served(4))[-1]), [Entry(EntryKind.CALL_REFUSED, NOW, "r", {})]
    )
    assert findings(rewritten + rows[5:]) == [(FindingKind.ALTERED, "a", 5)]


def test_a_chain_that_no_head_knows_was_inserted(rows):
    heads = heads_of(rows)
    assert findings(rows + extend(ChainHead("c", 0, GENESIS), served(1)), heads) == [
        (FindingKind.INSERTED, "c", None)
    ]


def test_an_entry_beyond_the_head_was_inserted(rows):
    heads = heads_of(rows[:4] + rows[5:])
    assert findings(rows, heads) == [(FindingKind.INSERTED, "a", 5)]


def test_a_head_that_was_altered_is_found(rows):
    heads = heads_of(rows)
    heads[0] = ChainHead("a", 5, b"\1" * 32, NOW)
    assert findings(rows, heads) == [(FindingKind.INSERTED, "a", 5)]


def test_a_pruning_accounts_for_a_missing_beginning(rows):
    record = pruned(ChainHead("p", 0, GENESIS), a=rows[1])
    assert findings(rows[2:] + record) == []


def test_a_pruning_of_another_entry_accounts_for_nothing(rows):
    record = pruned(ChainHead("p", 0, GENESIS), a=rows[0])
    assert findings(rows[2:] + record) == [(FindingKind.REMOVED, "a", 2)]


def test_a_pruning_accounts_for_a_chain_that_is_gone_whole(rows):
    record = pruned(ChainHead("p", 0, GENESIS), a=rows[4])
    assert findings(rows[5:] + record) == []


def test_a_pruning_that_stopped_earlier_does_not_account_for_the_rest(rows):
    record = pruned(ChainHead("p", 0, GENESIS), a=rows[3])
    assert findings(rows[5:] + record) == [(FindingKind.TRUNCATED, "a", None)]


@pytest.mark.parametrize("body", [{}, {"chains": 7}, {"chains": [{}]}, {"chains": [], "before": 7}])
def test_a_mark_that_cannot_be_read_is_a_finding(body):
    [row] = extend(A, [Entry(EntryKind.LEDGER_PRUNED, NOW, "", body)])
    assert findings([row]) == [(FindingKind.UNREADABLE, "a", 1)]


def test_a_mark_that_is_no_json_is_a_finding(rows):
    heads = heads_of(rows)
    rows[-1] = rows[-1]._replace(body="[")
    assert (FindingKind.UNREADABLE, "b", 4) in findings(rows, heads)


class Signed:
    """A signer that remembers, and believes only what it signed."""

    def __init__(self):
        self.claims = {}

    def sign(self, typ, claims):
        text = f"signature-{len(self.claims)}"
        self.claims[typ, text] = claims
        return text

    def verify(self, typ, text):
        return self.claims.get((typ, text))


def test_a_genuine_signature_is_accepted(rows):
    signer = Signed()
    checkpoint = checkpoint_after(rows[:5], sign=signer.sign)
    assert findings(rows[:5] + checkpoint, verify=signer.verify) == []


@pytest.mark.parametrize("signature", [{}, {"signature": "forged"}, {"signature": 7}], ids=str)
def test_a_checkpoint_without_a_genuine_signature_is_found(signature):
    body = checkpoint_body([], now=NOW) | signature
    rows = extend(A, [Entry(EntryKind.CHECKPOINT, NOW, "", body)])
    assert findings(rows, verify=Signed().verify) == [(FindingKind.UNSIGNED, "a", 1)]
    assert findings(rows) == []


def test_a_checkpoint_that_says_other_than_what_was_signed_is_found(rows):
    signer = Signed()
    body = checkpoint_body(heads_of(rows[:5]), now=NOW, sign=signer.sign) | {"chains": []}
    checkpoint = extend(B, [Entry(EntryKind.CHECKPOINT, NOW, "", body)])
    found = findings(rows[:5] + checkpoint, verify=signer.verify)
    assert found == [(FindingKind.ALTERED, "b", 1)]


P = ChainHead("p", 0, GENESIS)


def test_a_pruning_that_was_signed_accounts_for_a_missing_beginning():
    signer, first = Signed(), extend(A, served(5))
    record = pruned(P, sign=signer.sign, a=first[1])
    assert findings(first[2:] + record, verify=signer.verify) == []


def test_a_pruning_that_was_not_signed_accounts_for_nothing():
    first = extend(A, served(5))
    found = findings(
        first[2:] + pruned(P, a=first[1]), verify=Signed().verify, unrecorded=[("j", instant(0))]
    )
    assert found == [
        (FindingKind.REMOVED, "a", 2),
        (FindingKind.UNSIGNED, "p", 1),
        (FindingKind.UNRECORDED, "", None),
    ]


def test_a_pruning_signed_as_something_else_accounts_for_nothing():
    signer, first = Signed(), extend(A, served(5))
    record = pruned(P, sign=signer.sign, typ=CHECKPOINT_TYP, a=first[1])
    found = findings(first[2:] + record, verify=signer.verify)
    assert found == [(FindingKind.REMOVED, "a", 2), (FindingKind.UNSIGNED, "p", 1)]


@pytest.mark.parametrize("change", [{"chains": None}, {"before": None}, {"extra": 1}], ids=str)
def test_a_pruning_that_says_other_than_what_was_signed_accounts_for_nothing(change):
    signer, first = Signed(), extend(A, served(5))
    [row] = pruned(P, sign=signer.sign, a=first[1])
    body = json.loads(row.body)
    signed = {name: value for name, value in body.items() if name != "signature"} | change
    body["signature"] = signer.sign(PRUNING_TYP, {k: v for k, v in signed.items() if v})
    record = extend(P, [Entry(EntryKind.LEDGER_PRUNED, NOW, "", body)])
    found = findings(first[2:] + record, verify=signer.verify)
    assert found == [(FindingKind.REMOVED, "a", 2), (FindingKind.ALTERED, "p", 1)]


def test_a_token_that_no_entry_tells_of_is_found(rows):
    assert findings(rows, unrecorded=[("j", NOW)]) == [(FindingKind.UNRECORDED, "", None)]


def test_a_token_whose_entry_was_pruned_is_no_finding(rows):
    record = pruned(ChainHead("p", 0, GENESIS), NOW, a=rows[1])
    tokens = [("old", NOW - timedelta(seconds=1)), ("new", NOW)]
    assert findings(rows[2:] + record, unrecorded=tokens) == [(FindingKind.UNRECORDED, "", None)]


def test_no_record_of_pruning_can_reach_back_further_than_another(rows):
    first = pruned(ChainHead("p", 0, GENESIS), NOW, a=rows[1])
    second = pruned(head_after(first[0]), NOW - timedelta(days=1), a=rows[1])
    tokens = [("old", NOW - timedelta(hours=1))]
    assert findings(rows[2:] + first + second, unrecorded=tokens) == []
