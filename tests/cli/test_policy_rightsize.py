import json
import re
import sqlite3
import subprocess
from datetime import timedelta

import pytest

from fleeting.cli.policy_rightsize import _write
from fleeting.cli.terminal import CommandError
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.recording import decision_json, request_json
from fleeting.policy import PolicySource
from tests.cli.recorded_days import SINCE, START, Asked, Recorder, record_days

DAYS = [*[Asked(1000, (3.0,))] * 30, *[Asked(3400, (14.8,), served=900)] * 30]


@pytest.fixture
def used(config):
    """An installation of which for some days no more was used than this."""
    record_days(config, [*DAYS, Asked(4900, ())])
    return config


@pytest.fixture
def rightsize(fleeting, used):
    def rightsize(*options):
        return fleeting("policy", "rightsize", "-c", used, "--since", SINCE, *options)

    return rightsize


def plain(text):
    text = re.sub(r", [0-9a-f]{12}\)", ", DIGEST)", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z", "TIME", text)


PATCH = """\
--- a/here/policies/refunds.cedar
+++ b/here/policies/refunds.cedar
@@ -8,14 +8,14 @@
_
 // Up to 50.00, at once: a token for this one refund, good for a minute and for one use.
 @id("small-refunds")
-@lifetime("60s")
+@lifetime("20s")
 @uses("1")
 permit (
   principal in Group::"support",
   action == Action::"payment_refund:refund",
   resource
 )
-when { context.operation.amount <= 5000 };
+when { context.operation.amount <= 4100 };
_
 // Up to 5000.00, once two people of payments-leads have approved it.
 // Until they have, who asked waits: with a token of what was approved, and no more, at the end.
""".replace("_\n", " \n")
PROPOSED = """\
61 requests, 61 tokens and 60 uses since TIME, decided anew by here/policies (4 policies, DIGEST)

small-refunds (here/policies/refunds.cedar:10)
  @lifetime("60s") → @lifetime("20s")
    61 tokens, 60 uses: the last use came at most 14.8s after issuance (99 of 100 within 14.8s)
  context.operation.amount <= 5000 → context.operation.amount <= 4100
    61 tokens, 60 uses: what was used asked for at most 3400 (99 of 100: 3400), and at most 1000 \
was served

large-refunds (here/policies/refunds.cedar:22)
  remove it
    none of 61 requests needed it; 61 times it stood beside a better path

Tried on the ledger: none of 60 uses of 60 tokens would have been refused,
and none of 61 requests would have been given more.
1 token that nobody used would not be given any more.

"""


def test_proposals_come_with_their_evidence_and_a_patch(rightsize):
    done = rightsize()
    assert done.exit_code == 0, done.output
    text = plain(done.stdout)
    assert text.startswith(PROPOSED)
    assert "-when { context.operation.amount <= 5000 };" in text
    assert done.stderr == ""


@pytest.mark.parametrize("tool", [["patch", "-p1"], ["git", "apply"]])
def test_the_patch_applies(rightsize, used, tmp_path, fleeting, tool):
    done = rightsize("--diff")
    subprocess.run(tool, input=done.stdout, text=True, check=True, cwd=tmp_path)
    text = (used.parent / "policies" / "refunds.cedar").read_text()
    assert '@lifetime("20s")' in text
    assert "large-refunds" not in text
    assert fleeting("policy", "check", "-c", used).exit_code == 0
    assert rightsize("--diff").stdout == ""


def test_a_policy_that_still_has_users_is_only_narrowed(fleeting, config):
    record_days(config, [*DAYS, *[Asked(6000)] * 3])
    done = fleeting("policy", "rightsize", "-c", config, "--since", SINCE, "--diff")
    assert done.stdout == PATCH


def test_nothing_is_written_unless_it_is_asked_for(rightsize, used, fleeting):
    path = used.parent / "policies" / "refunds.cedar"
    before = path.read_text()
    rightsize()
    assert path.read_text() == before
    done = rightsize("--write", "--json")
    assert "changed here/policies/refunds.cedar" in done.stderr
    assert "20s" in path.read_text()
    replayed = fleeting("policy", "replay", "-c", used, "--since", SINCE, "--json")
    assert json.loads(replayed.stdout)["decisions"]["newly-permitted"] == 0


def test_a_program_reads_the_proposals_as_json(rightsize):
    report = json.loads(rightsize("--json").stdout)
    assert (report["requests"], report["tokens"], report["uses"]) == (61, 61, 60)
    assert report["tried"] == {"requests": 61, "tokens": 60, "uses": 60, "unused": 1}
    assert [(each["policy"], each["what"]) for each in report["proposals"]] == [
        ("small-refunds", "lifetime"),
        ("small-refunds", "bound"),
        ("large-refunds", "policy"),
    ]
    assert report["proposals"][2]["after"] is None
    assert report["patch"].startswith("--- a/here/policies/refunds.cedar\n")


def test_more_headroom_leaves_more(rightsize):
    assert "amount <= 5000 →" not in rightsize("--headroom", "50%").stdout
    assert "amount <= 3400" in rightsize("--headroom", "0").stdout
    for wrong in ("many", "-5%", "2000%", "nan"):
        assert rightsize("--headroom", wrong).exit_code == 2


def test_too_little_evidence_is_said(rightsize):
    done = rightsize("--min-uses", "1000")
    assert "nothing to propose" in done.stdout
    assert "small-refunds: 60 uses of its tokens; at least 1000 are needed" in done.stdout


def test_what_does_not_stand_the_trial_is_not_proposed_and_said(fleeting, config):
    policies = config.parent / "policies"
    (policies / "caps.cedar").write_text(
        '@id("no-short-ones") forbid (principal, action, resource)\n'
        "unless { context.limits.lifetime >= 60 };\n"
    )
    record_days(config, DAYS)
    done = fleeting("policy", "rightsize", "-c", config, "--since", SINCE)
    assert done.exit_code == 0, done.output
    assert "2 proposals would have refused something" in done.stderr
    assert "small-refunds" not in done.stdout
    assert "large-refunds" in done.stdout


def test_a_decision_that_was_asked_for_counts_as_used(fleeting, config):
    recorder = Recorder(config)
    request = recorder.request(0, Asked(5000))
    after = START + timedelta(hours=30)
    decision = recorder.policies.decide(request, now=after)
    body = {**request_json(request), **decision_json(decision)}
    evaluated = Entry(EntryKind.ACCESS_EVALUATED, after, "evaluation", body)
    record_days(config, DAYS, evaluated)
    done = fleeting("policy", "rightsize", "-c", config, "--since", SINCE)
    assert "61 requests, 60 tokens and 61 uses" in done.stdout
    assert "small-refunds: its lifetime and uses: enforcement points ask" in done.stdout
    assert "amount <= 5000 →" not in done.stdout


def test_what_cannot_be_read_is_left_out_and_said(rightsize, used):
    use = Entry(EntryKind.TOKEN_SPENT, START, "broken", {}, None, "jti-0")
    record_days(used, [], use)
    with sqlite3.connect(used.parent / "fleeting.db") as database:
        database.execute("UPDATE ledger SET body = '[]' WHERE request_id = 'broken'")
    done = rightsize("--json")
    assert json.loads(done.stdout)["left_out"]["unreadable"] == 1
    assert "cannot be read" in done.stderr


def test_a_file_without_a_last_newline_makes_a_patch_too(rightsize, used, tmp_path):
    path = used.parent / "policies" / "refunds.cedar"
    path.write_text(path.read_text()[: path.read_text().index("// Up to 5000.00")].rstrip())
    done = rightsize("--diff")
    assert "\\ No newline at end of file" in done.stdout
    subprocess.run(["patch", "-p1"], input=done.stdout, text=True, check=True, cwd=tmp_path)
    assert path.read_text().endswith("<= 4100 };")


def test_what_was_changed_meanwhile_is_not_overwritten(tmp_path):
    file = tmp_path / "a.cedar"
    before, after = PolicySource(str(file), "// a\n"), PolicySource(str(file), "// b\n")
    file.write_text("// somebody's forbid\n")
    with pytest.raises(CommandError, match="changed meanwhile"):
        _write([before], [after])
    assert file.read_text() == "// somebody's forbid\n"


def test_a_link_stays_a_link_and_none_is_followed_beside_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "set").mkdir()
    target, file = tmp_path / "real" / "a.cedar", tmp_path / "set" / "a.cedar"
    target.write_text("// a\n")
    target.chmod(0o600)
    file.symlink_to(target)
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "set" / "a.cedar.new").symlink_to(other)
    _write([PolicySource(str(file), "// a\n")], [PolicySource(str(file), "// b\n")])
    assert (file.is_symlink(), target.read_text(), other.read_text()) == (True, "// b\n", "mine")
    assert target.stat().st_mode & 0o777 == 0o600
