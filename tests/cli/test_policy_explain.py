import json

import pytest

from fleeting.cli.words import would_allow_words
from tests.cli.processes import REFUND

ASK = ("--type", "payment_refund", "--field", "payment_id=42", "--field", "currency=EUR")


def lines(done):
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_a_request_that_nobody_sent_is_explained(fleeting, config):
    told = lines(fleeting("policy", "explain", "-c", config, *ASK, "--field", "amount=9000"))
    for line in (
        "client support-bot, in support",
        "payment_refund:refund payment_id=42 amount=9000 currency=EUR",
        "refund: needs approval",
        "chosen: the only permit that is satisfied",
        "“this needs approval by people”",
        "nearly permits it:",
        "· small-refunds (here/policies/refunds.cedar:10) lacks:",
        "context.operation.amount <= 5000 (operation.amount is 9000)",
        "what would allow it:",
        "• amount 5000: 1m, 1 use, bound (dpop), by small-refunds",
    ):
        assert (
            line in told or line.replace("payment_id=42 currency=EUR amount=9000", "x") in told
        ), told


def test_a_forbid_is_shown_with_what_makes_it_so(fleeting, config):
    told = lines(fleeting("policy", "explain", "-c", config, *ASK, "--field", "amount=600000"))
    assert "refund: forbidden" in told
    assert "✗ refunds-have-an-end (here/policies/caps.cedar:15) forbids it" in told
    assert "context.operation.amount > 500000 (operation.amount is 600000)" in told


def test_what_nothing_would_change_is_told_so(fleeting, config):
    done = fleeting(
        *("policy", "explain", "-c", config, *ASK, "--field", "amount=5"),
        *("--subject", "alice", "--group", "sales", "--acr", "gold", "--login-age", "5m"),
        *("--context", "ticket=INC-7", "--at", "2026-01-01T12:00Z", "--actor", "agent"),
    )
    told = lines(done)
    for line in (
        "client support-bot",
        "subject alice, in sales",
        "acr gold",
        "acting agent",
        "context ticket=INC-7",
        "refund: no permit",
        "· small-refunds (here/policies/refunds.cedar:10) is for others:",
        "nothing that was tried would allow it: other values, a login, another time",
    ):
        assert line in told, told


def test_a_program_reads_the_same(fleeting, config):
    done = fleeting("policy", "explain", "-c", config, *ASK, "--field", "amount=9000", "--json")
    report = json.loads(done.stdout)
    (answer,) = report["answers"]
    assert answer["verdict"] == "needs_approval"
    assert [near["policy"] for near in answer["near"]] == ["small-refunds"]
    first, second = answer["alternatives"]
    assert first["changes"] == [{"what": "field", "name": "amount", "value": 5000}]
    assert (second["changes"], second["approval"]) == ([], True)


def test_the_request_of_a_test_is_explained(fleeting, config):
    name = "no permit can grant a refund token for two uses"
    done = fleeting("policy", "explain", "-c", config, "--test", name)
    assert "refund: permitted" in done.stdout
    assert "left out" in done.stderr
    wrong = fleeting("policy", "explain", "-c", config, "--test", "support refund up to 50.00")
    assert "did you mean 'support refunds up to 50.00 at once'?" in wrong.stderr


def test_a_recorded_request_is_explained(fleeting, server):
    with pytest.raises(Exception, match="approval") as caught:
        server.tokens().obtain(authorization_details=[{**REFUND, "amount": 9000}], wait=0)
    assert [each["action"] for each in caught.value.would_allow] == ["refund"]
    id_ = caught.value.request_id
    told = lines(fleeting("policy", "explain", "-c", server.config, id_))
    assert "refund: needs approval" in told
    assert lines(fleeting("explain", "-c", server.config, id_))


def test_a_refused_request_shows_what_would_be_allowed(fleeting, server):
    ask = ("request", "-c", server.config, "--no-wait", *ASK)
    done = fleeting(*ask, "--field", "amount=9000")
    assert "it would be allowed with amount 5000" in done.stderr
    done = fleeting(*ask, "--field", "amount=900000", "--json")
    assert json.loads(done.stdout)["would_allow"][0]["fields"] == {"amount": 5000}


def test_what_never_reached_policy_cannot_be_explained(fleeting, server):
    with pytest.raises(Exception, match="amuont") as caught:
        server.tokens().obtain(authorization_details=[{**REFUND, "amuont": 9000}])
    done = fleeting("policy", "explain", "-c", server.config, caught.value.request_id)
    assert (done.exit_code, done.stderr) == (1, "error: it was refused before policy was asked\n")
    done = fleeting("policy", "explain", "-c", server.config, "5vAq0cVJ3T1Gm1r0w1o8Yg")
    assert "fleeting audit tail" in done.stderr


def test_other_policies_than_then_are_told(fleeting, server, tmp_path):
    import shutil

    token = server.token()
    copy = tmp_path / "copy"
    shutil.copytree(server.config.parent, copy)
    path = copy / "policies" / "caps.cedar"
    path.write_text(path.read_text().replace("500000", "400000"))
    done = fleeting("policy", "explain", "-c", copy / "fleeting.toml", token.txn)
    assert done.exit_code == 0
    assert "then, and explained by those of today" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "which request?"),
        (("--test", "x", "--acr", "y"), "which request?"),
        (("--field", "a=1"), "--field and --action go with --type"),
        (("--type", "pay"), "no type 'pay' is declared; declared are payment_refund"),
        (("--type", "payment_refnd"), "did you mean 'payment_refund'?"),
        (("--scope", "x"), "operation: no resource of this server has all these scopes"),
        (("--scope", "x", "--context", "x"), "write --context NAME=VALUE"),
        (("--scope", "x", "--at", "noon"), "neither a duration"),
        ((*ASK, "--field", "amount=5", "--client", "bot"), "no client 'bot' is declared"),
    ],
)
def test_what_is_wrong_is_told(fleeting, config, options, message):
    done = fleeting("policy", "explain", "-c", config, *options)
    assert done.exit_code != 0
    assert message in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"operation": 1, "action": "refund", "fields": {"amount": 5}}, "amount 5 (refund)"),
        (
            {
                "operation": 0,
                "needs_context": ["ticket"],
                "without_fields": ["force"],
                "login": {"acr": "gold", "fresh": True},
                "key": "dpop",
                "not_before": "08:00",
            },
            "no force, a ticket, a fresh login with acr gold, a key (dpop) and the same at 08:00",
        ),
        ({"login": {"acr": None}}, "a stronger login"),
        ({"fields": {"amount": 5}, "approval": True}, "amount 5 and approval by people"),
        ({"fields": 5}, "{'fields': 5}"),
        ({}, "{}"),
        ("x\x1b", "x?"),
    ],
)
def test_what_a_refusal_tells_is_said_in_words_whatever_it_is(told, words):
    assert would_allow_words(told) == words
