import json
import re

import pytest

from fleeting.cli.groups import TakesIds
from tests.cli.processes import REFUND

STORY = """\
Request ID: granted
  asked     TIME by client credentials
  txn       TXN
  client    support-bot, in support
  subject   support-bot (itself), in support
  resource  http://127.0.0.1:PORT
  key       jkt KEY
  context   ticket=INC-7

Asked for
  payment_refund:refund amount=5000 currency=EUR payment_id=42
    refund: permitted
      ✓ small-refunds permits it: 1m, 1 use, bound (dpop)
        chosen: least ceremony
      · large-refunds permits it: 5m, 1 use, bound (dpop), approval by 2 of
        payments-leads
        not chosen: needs approval
  decided by policies DIGEST

Token
  jti       JTI
  lives     1m, until TIME
  limits    1 use, bound (dpop)
  says      payment_refund:refund amount=5000 currency=EUR payment_id=42

What happened
  CLOCK  token.issued  support-bot may payment_refund:refund amount=5000
                 currency=EUR payment_id=42: 1 use, until CLOCK
  CLOCK  token.spent  payments-api serves payment_refund:refund
                 amount=5000 currency=EUR payment_id=42: use 1 of 1
  CLOCK  spend.refused  payments-api refuses payment_refund:refund
                 amount=5000 currency=EUR payment_id=42: the token is spent
  CLOCK  token.revoked  support-bot revokes the token
"""

_VARYING = {
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z": "TIME",
    r"\d\d:\d\d:\d\d(\.\d{3}Z)?": "CLOCK",
    r"(?<=Request )\S+(?=:)": "ID",
    r"(?<=txn       )\S+": "TXN",
    r"(?<=jti       )\S+": "JTI",
    r"(?<=jkt )\S+": "KEY",
    r"(?<=127.0.0.1:)\d+": "PORT",
    r"(?<=policies )[0-9a-f]{12}": "DIGEST",
}


def settled(text):
    for pattern, name in _VARYING.items():
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.fixture(scope="module")
def told(server):
    """A token that was issued, spent, tried again and revoked."""
    token = server.token()
    assert server.spend(token, "one") == {"active": True, "use": 1, "uses": 1}
    assert server.spend(token, "two") == {"active": False, "reason": "spent"}
    server.tokens().revoke(token)
    return token


def explain(fleeting, server, id_, *more):
    return fleeting("explain", "-c", server.config, id_, *more)


def test_a_story_is_told_from_the_first_byte_to_the_last_use(fleeting, server, told):
    done = explain(fleeting, server, told.txn)
    assert (done.exit_code, done.stderr) == (0, "")
    assert settled(done.stdout) == STORY


def test_request_id_txn_and_jti_lead_to_the_same_story(fleeting, server, told):
    story = json.loads(explain(fleeting, server, told.txn, "--json").stdout)
    ids = [story["asked"]["request_id"], story["token"]["jti"]]
    ids += [event["request_id"] for event in story["events"]]
    for id_ in ids:
        assert json.loads(explain(fleeting, server, id_, "--json").stdout) == story


def test_a_program_reads_verdict_paths_and_events(fleeting, server, told):
    story = json.loads(explain(fleeting, server, told.txn, "--json").stdout)
    assert story["outcome"] == "granted"
    (answer,) = story["answers"]
    assert [(p["policy"], p["chosen"]) for p in answer["paths"]] == [
        ("small-refunds", True),
        ("large-refunds", False),
    ]
    kinds = [event["kind"] for event in story["events"]]
    assert kinds == ["token.issued", "token.spent", "spend.refused", "token.revoked"]


def test_nothing_of_a_story_shows_the_token(fleeting, server, told):
    shown = explain(fleeting, server, told.txn).output
    shown += explain(fleeting, server, told.txn, "--json").output
    assert told.value not in shown
    assert told.value.rpartition(".")[2] not in shown


def test_a_refusal_is_told_with_what_forbade_it_and_what_was_said(fleeting, server):
    ask = {**REFUND, "amount": 500_001}
    with pytest.raises(Exception, match="ask finance") as caught:
        server.tokens().obtain(authorization_details=[ask])
    shown = explain(fleeting, server, caught.value.request_id).stdout
    assert "refund: forbidden" in shown
    assert "✗ refunds-have-an-end forbids it" in shown
    assert "“refunds of more than 5000.00 are never made this way: ask finance”" in shown
    assert "Token\n" not in shown


def test_an_unknown_id_is_told_with_where_ids_come_from(fleeting, server):
    done = explain(fleeting, server, "5vAq0cVJ3T1Gm1r0w1o8Yg")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "fleeting audit tail" in done.stderr


@pytest.mark.parametrize(
    "id_", ["-c0cVJ3T1Gm1r0w1o8Yg4", "--5vAq0cVJ3T1Gm1r0w1o8", "-hAq0cVJ3T1Gm1r0w1o8Y"]
)
def test_an_id_may_begin_like_an_option(fleeting, server, id_):
    done = explain(fleeting, server, id_)
    assert done.exit_code == 1
    assert id_ in done.stderr
    assert TakesIds.__doc__


def test_an_entry_that_was_altered_beyond_reading_is_told_so(fleeting, config):
    import sqlite3

    from tests.cli.processes import serving

    with serving(config) as (server, _):
        token = server.token()
    with sqlite3.connect(config.parent / "fleeting.db") as connection:
        connection.execute("UPDATE ledger SET body = '{' WHERE kind = 'token.issued'")
    connection.close()
    done = fleeting("explain", "-c", config, token.txn)
    assert done.exit_code == 1
    assert "fleeting audit verify" in done.stderr
