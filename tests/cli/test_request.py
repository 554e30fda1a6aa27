import json

import pytest

FIELDS = ("--field", "payment_id=42", "--field", "currency=EUR", "--context", "ticket=INC-7")


def ask(fleeting, server, *more):
    return fleeting("request", "-c", server.config, "--type", "payment_refund", *FIELDS, *more)


def test_it_prints_what_was_granted_and_not_the_token(fleeting, server):
    done = ask(fleeting, server, "--field", "amount=5000")
    assert done.exit_code == 0
    assert "payment_refund:refund payment_id=42 amount=5000 currency=EUR" in done.stdout
    assert "1 use" in done.stdout
    assert "eyJ" not in done.output


@pytest.mark.parametrize("option", ["--show-token", "--json"])
def test_the_token_itself_is_printed_when_asked_for(fleeting, server, option):
    assert "eyJ" in ask(fleeting, server, "--field", "amount=5000", option).stdout


def test_a_refusal_has_its_reason_and_says_where_its_story_is(fleeting, server):
    done = ask(fleeting, server, "--field", "amount=500001")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "refunds of more than 5000.00 are never made this way: ask finance" in done.stderr
    command = done.stderr.rpartition(": fleeting ")[2].split()
    story = fleeting(*command)
    assert story.exit_code == 0
    assert "refunds-have-an-end forbids it" in story.stdout


def test_a_program_reads_the_refusal(fleeting, server):
    refusal = json.loads(ask(fleeting, server, "--field", "amount=500001", "--json").stdout)
    assert refusal["error"] == "access_denied"
    assert "ask finance" in refusal["reason"]


def test_what_waits_for_people_says_where_and_how_to_go_on(fleeting, server):
    done = ask(fleeting, server, "--field", "amount=50000", "--no-wait")
    assert done.exit_code == 3
    assert f"{server.issuer}/requests/" in done.stderr.replace("\n", "")
    assert "--resume" in done.stderr
    done = ask(fleeting, server, "--field", "amount=50000", "--no-wait", "--json")
    told = json.loads(done.stdout)
    assert told["error"] == "authorization_pending"
    assert told["authorization_uri"] == f"{server.issuer}/requests/{told['access_request_id']}"
    assert told["pending"]["form"]["access_request_id"] == told["access_request_id"]
    again = ("--field", "amount=50000", "--no-wait", "--resume", told["access_request_id"])
    assert ask(fleeting, server, *again).exit_code == 3
    changed = ("--field", "amount=50001", "--no-wait", "--resume", told["access_request_id"])
    assert "another request" in ask(fleeting, server, *changed).stderr


def test_no_plan_and_no_glass_where_policy_has_none(fleeting, server):
    plan = ("--plan", '{"calls": 2, "duration": "1h"}')
    assert "no plan" in ask(fleeting, server, "--field", "amount=50000", *plan).stderr
    assert "not JSON" in ask(fleeting, server, "--field", "amount=50000", "--plan", "x").stderr
    reason = ("--break-glass", "customers are waiting for this", "--no-wait")
    assert ask(fleeting, server, "--field", "amount=50000", *reason).exit_code == 3


def test_elsewhere_issuer_client_and_key_are_named_and_fields_are_json(fleeting, server):
    who = ("--issuer", server.issuer, "--client", "support-bot", "--key", server.key("support-bot"))
    fields = ("--field", 'payment_id="42"', "--field", "amount=1", "--field", "currency=EUR")
    what = ("--type", "payment_refund", "--action", "refund", *fields, "--json")
    done = fleeting("request", *who, *what)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["authorization_details"][0]["payment_id"] == "42"


def test_elsewhere_with_nothing_named_it_says_what_to_name(fleeting):
    done = fleeting("request", "--scope", "payments:read")
    assert done.exit_code == 1
    assert "--issuer, --client and --key" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what to ask for"),
        (("--type", "payment_refnd"), "did you mean 'payment_refund'"),
        (("--type", "payment_refund", "--field", "amont=1"), "did you mean 'amount'"),
        (("--type", "payment_refund", "--field", "amount=x"), "whole number"),
        (("--type", "payment_refund", "--field", "amount"), "NAME=VALUE"),
        (("--scope", "a", "--context", "ticket"), "NAME=VALUE"),
        (("POST",), "METHOD and URL"),
        (("POST", "http://127.0.0.1:1/", "--json-body", "{"), "not JSON"),
        (("POST", "http://127.0.0.1:1/", "--scope", "a"), "the API says what to ask for"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error_that_says_why(fleeting, config, arguments, says):
    done = fleeting("request", "-c", config, *arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_client_that_is_not_declared_is_told_with_the_nearest(fleeting, config):
    done = fleeting("request", "-c", config, "--scope", "a", "--client", "support-bott")
    assert done.exit_code == 1
    assert "did you mean 'support-bot'" in done.stderr


def test_an_issuer_that_is_not_there_is_told_without_a_traceback(fleeting, config):
    done = fleeting("request", "-c", config, "--scope", "a")
    assert done.exit_code == 1
    assert "issuer unavailable" in done.stderr
    assert "Traceback" not in done.output


def test_a_call_to_an_api_that_is_not_there_is_told_so(fleeting, config):
    done = fleeting("request", "GET", "http://127.0.0.1:1/", "-c", config)
    assert done.exit_code == 1
    assert "http://127.0.0.1:1/" in done.stderr


def test_a_call_without_a_guard_prints_status_and_body(fleeting, server):
    done = fleeting("request", "GET", f"{server.issuer}/healthz", "-c", server.config)
    assert done.exit_code == 0
    assert done.stderr == "200 OK\n"
    assert json.loads(done.stdout) == {"status": "ok"}


def test_a_refused_call_exits_with_one(fleeting, server):
    done = fleeting("request", "GET", f"{server.issuer}/nowhere", "-c", server.config, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["status"] == 404
