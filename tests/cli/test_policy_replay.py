import json
import re
import shutil

import pytest

from fleeting.core.evidence import Entry, EntryKind
from tests.cli.recorded_days import SINCE, START, Asked, Recorder, record_days

DAY = [*[Asked(1000)] * 5, *[Asked(4000)] * 3, Asked(6000), Asked(600000)]
OLD = {"client": "support-bot", "answers": [], "policy_digest": "d"}

CHANGED = """\
10 requests since TIME, decided again with candidate (4 policies, DIGEST)
      1  same
      1  newly permitted
      3  newly denied
      5  limits changed
      0  same outcome, decided otherwise

newly permitted
      1  refunds-have-an-end (candidate/caps.cedar:15) forbids it no more, large-refunds permits it
         TIME  support-bot: payment_refund:refund amount=600000 currency=EUR payment_id=9  [request-9]
           forbidden by refunds-have-an-end → needs approval by large-refunds (5m, 1 use, \
2 of payments-leads)

newly denied
      3  large-refunds (candidate/refunds.cedar:22) asks for approval
         TIME  support-bot: payment_refund:refund amount=4000 currency=EUR payment_id=5  [request-5]
           permitted by small-refunds (1m, 1 use) → needs approval by large-refunds (5m, 1 use, \
2 of payments-leads)
         TIME  support-bot: payment_refund:refund amount=4000 currency=EUR payment_id=6  [request-6]
         TIME  support-bot: payment_refund:refund amount=4000 currency=EUR payment_id=7  [request-7]
"""  # noqa: E501 -- lines of the output


@pytest.fixture
def day(config):
    record_days(config, DAY)
    return config


@pytest.fixture
def candidate(day, tmp_path):
    """Return the installation's policies with some of their text replaced."""

    def candidate(*replacements):
        directory = shutil.copytree(day.parent / "policies", tmp_path / "candidate")
        for path in directory.glob("*.cedar"):
            text = path.read_text()
            for old, new in replacements:
                text = text.replace(old, new)
            path.write_text(text)
        return directory

    return candidate


def plain(text):
    text = re.sub(r", [0-9a-f]{12}\)", ", DIGEST)", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z", "TIME", text)


def test_the_same_policies_decide_the_same_again(fleeting, day):
    done = fleeting("policy", "replay", "-c", day, "--since", SINCE, "--fail-on", "any")
    assert done.exit_code == 0, done.output
    assert (
        plain(done.stdout)
        == """\
10 requests since TIME, decided again with here/policies (4 policies, DIGEST)
     10  same
      0  newly permitted
      0  newly denied
      0  limits changed
      0  same outcome, decided otherwise

10 requests had been decided by these very policies: the same again, exactly
"""
    )
    assert done.stderr == ""


def test_what_other_policies_would_change_is_shown_by_policy_with_examples(
    fleeting, day, candidate
):
    directory = candidate(
        ("amount <= 5000 ", "amount <= 2500 "),
        ('@lifetime("60s")', '@lifetime("30s")'),
        ("amount > 500000", "amount > 900000"),
        ("amount <= 500000", "amount <= 900000"),
    )
    done = fleeting("policy", "replay", "-c", day, "--candidate", directory, "--since", SINCE)
    assert done.exit_code == 0, done.output
    text = plain(done.stdout)
    assert text.startswith(CHANGED)
    assert "      5  small-refunds (candidate/refunds.cedar:10) lifetime 1m → 30s\n" in text


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("newly-denied", 1),
        ("any", 1),
        ("newly-permitted", 0),
        ("limits-changed", 0),
        ("faults", 0),
    ],
)
def test_a_pipeline_fails_on_what_it_is_told_to(fleeting, day, candidate, wanted, code):
    directory = candidate(("amount <= 5000 ", "amount <= 2500 "))
    done = fleeting(
        "policy", "replay", "-c", day, "--candidate", directory, "--since", SINCE,
        "--fail-on", wanted,
    )  # fmt: skip
    assert done.exit_code == code


def test_a_program_reads_the_differences_as_json(fleeting, day, candidate):
    directory = candidate(("amount <= 5000 ", "amount <= 2500 "))
    done = fleeting(
        "policy", "replay", "-c", day, "--candidate", directory, "--since", SINCE, "--json"
    )
    report = json.loads(done.stdout)
    assert report["requests"] == 10
    assert report["decided_by_the_same_policies"] == 0
    assert report["decisions"]["newly-denied"] == 3
    (difference,) = report["differences"]
    assert difference["policy"] == "large-refunds"
    assert difference["line"] == 22
    assert difference["count"] == 3
    assert difference["examples"][0]["request_id"] == "request-5"
    assert difference["examples"][0]["after"]["verdict"] == "needs_approval"


def test_only_what_was_asked_for_is_replayed(fleeting, day):
    def requests(*options):
        done = fleeting("policy", "replay", "-c", day, "--json", *options)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["requests"]

    assert requests("--since", SINCE, "--until", "2026-01-01T01:00Z") == 2
    assert requests("--since", "2026-01-01T01:00Z", "--until", "2026-01-01T02:00Z") == 2
    assert requests("--since", SINCE, "--client", "support-bot") == 10
    assert requests("--since", SINCE, "--client", "payments-api") == 0
    assert requests("--since", SINCE, "--type", "scope") == 0
    assert requests("--since", SINCE, "--type", "payment_refund") == 10


def test_nothing_to_replay_is_remarked(fleeting, day):
    done = fleeting("policy", "replay", "-c", day, "--since", "1s")
    assert done.exit_code == 0
    assert "no request was replayed" in done.stderr


def test_an_option_that_cannot_be_is_told_with_what_can(fleeting, day):
    done = fleeting("policy", "replay", "-c", day, "--type", "payment_refnd")
    assert done.exit_code == 2
    assert "you mean 'payment_refund'?" in done.output
    done = fleeting("policy", "replay", "-c", day, "--type", "xyz")
    assert "payment_refund, scope" in " ".join(done.output.split())
    done = fleeting("policy", "replay", "-c", day, "--until", "8d")
    assert done.exit_code == 2


def test_what_cannot_be_replayed_is_counted_and_said(fleeting, config):
    broken = Entry(EntryKind.TOKEN_ISSUED, START, "broken", OLD | {"hard_cap": "1h"})
    old = Entry(EntryKind.TOKEN_ISSUED, START, "old", OLD)
    unasked = Entry(EntryKind.REQUEST_REFUSED, START, "refused", {"client": None})
    listed = Entry(EntryKind.REQUEST_REFUSED, START, "odd", {"client": None, "x": "\ud800"})
    record_days(config, [Asked()], broken, old, unasked, listed)
    done = fleeting("policy", "replay", "-c", config, "--since", SINCE, "--json")
    assert done.exit_code == 0
    left_out = json.loads(done.stdout)["left_out"]
    assert left_out == {
        "refused_before_policy": 2,
        "recorded_by_an_older_version": 1,
        "unreadable": 1,
    }
    assert "1 request recorded by a version" in done.stderr
    assert "1 entry cannot be read: entry" in done.stderr


def test_the_same_policies_that_decide_otherwise_are_a_fault(fleeting, day):
    recorder = Recorder(day)
    (entry, *_) = recorder.entries(0, Asked())
    body = json.loads(json.dumps(entry.body))
    body["answers"][0]["paths"][0]["lifetime"] = "59s"
    record_days(day, [], Entry(entry.kind, START, "fault", body))
    done = fleeting("policy", "replay", "-c", day, "--since", SINCE, "--fail-on", "faults")
    assert done.exit_code == 1
    assert "11 requests had been decided by these very policies; 1 decision came out" in done.stdout
    assert "      1  the same policies decided otherwise\n" in done.stdout
    assert "this must not be" in done.stderr


def test_a_recorded_set_is_the_very_same_whatever_types_are_declared_since(fleeting, day):
    assert fleeting("policy", "load", "-c", day).exit_code == 0
    (kept,) = json.loads(fleeting("policy", "sets", "-c", day, "--json").stdout)
    text = day.read_text()
    later = '[types.later]\nactions = ["do"]\n[types.later.fields]\nid = { kind = "exact" }\n'
    day.write_text(text.replace("[[resources]]", f"{later}\n[[resources]]", 1))
    replay = ("policy", "replay", "-c", day, "--since", SINCE, "--candidate")
    again = fleeting(*replay, kept["digest"])
    assert "10 requests had been decided by these very policies: the same again" in again.stdout
    assert "these very policies" not in fleeting(*replay, "policies").stdout


def test_a_body_that_is_no_object_cannot_be_read(fleeting, day):
    import sqlite3

    with sqlite3.connect(day.parent / "fleeting.db") as database:
        database.execute("UPDATE ledger SET body = '[]' WHERE sequence = 1")
        database.execute("UPDATE ledger SET body = '{' WHERE sequence = 3")
    done = fleeting("policy", "replay", "-c", day, "--since", SINCE, "--json")
    assert json.loads(done.stdout)["left_out"]["unreadable"] == 2
