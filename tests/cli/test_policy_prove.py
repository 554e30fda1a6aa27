import json
import shutil
import sys

import pytest

KEPT = """[[properties]]
name = "no refund token lives longer than five minutes"
types = ["payment_refund"]
never = { lifetime_over = "5m" }
"""
BROKEN = """[[properties]]
name = "no refund without a ticket"
types = ["payment_refund"]
when = '!(context.request has ticket)'
never = { permitted = true }
"""
ODD = """
@id("local") @lifetime("60s") @uses("1")
permit (principal, action == Action::"payment_refund:refund", resource)
when { ip("10.0.0.1").isLoopback() };
"""


@pytest.fixture
def properties(config):
    def properties(text):
        directory = config.parent / "policies" / "properties"
        directory.mkdir(exist_ok=True)
        (directory / "refunds.toml").write_text(text)

    return properties


def test_what_holds_is_proved(fleeting, config, properties):
    properties(KEPT)
    done = fleeting("policy", "prove", "-c", config)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "proved          no refund token lives longer than five minutes\n"


def test_a_counterexample_is_a_request_with_what_decided_it(fleeting, config, properties):
    properties(KEPT + BROKEN)
    done = fleeting("policy", "prove", "-c", config)
    assert done.exit_code == 1
    assert (
        "counterexample  no refund without a ticket  here/policies/properties/refunds.toml:5"
        in done.stdout
    )
    assert "    client                 support-bot, for itself\n" in done.stdout
    assert '{"type": "payment_refund", "actions": ["refund"]' in done.stdout
    assert "permitted by 'small-refunds' (here/policies/refunds.cedar:10)" in done.stdout


def test_a_program_reads_what_was_found(fleeting, config, properties):
    properties(KEPT + BROKEN)
    done = fleeting("policy", "prove", "-c", config, "--json")
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert report["ok"] is False
    kept, broken = report["properties"]
    assert (kept["status"], kept["counterexample"]) == ("proved", None)
    found = broken["counterexample"]
    assert (found["verdict"], found["policy"]) == ("permitted", "small-refunds")
    assert found["request"]["authorization_details"][0]["type"] == "payment_refund"


def test_what_is_not_proved_has_an_exit_code_of_its_own(fleeting, config, properties):
    (config.parent / "policies" / "odd.cedar").write_text(ODD)
    (config.parent / "policies" / "refunds.cedar").unlink()
    properties(BROKEN)
    done = fleeting("policy", "prove", "-c", config)
    assert done.exit_code == 3
    assert done.stdout.startswith("not proved      no refund without a ticket\n")
    assert "policy 'local' uses isLoopback, which is not modelled" in done.stdout
    assert "requests at boundary values did not break it: this is no proof" in done.stdout
    assert fleeting("policy", "prove", "-c", config, "--allow-unproved").exit_code == 0


def test_a_user_and_a_login_are_shown_as_such(fleeting, config, properties):
    provider = (
        '\n[[identity_providers]]\nissuer = "https://idp.example.com"\naudience = "fleeting"\n'
        'jwks_file = "keys/support-bot.jwks.json"\n[identity_providers.claims]\n'
        'groups = "groups"\ndept = "department"\n'
    )
    config.write_text(config.read_text() + provider)
    text = ODD.replace("principal,", "principal is User,").replace(
        'ip("10.0.0.1").isLoopback()',
        'principal has department && principal.department == "x" && context has acr && '
        'context.acr == "gold" && context has auth_age && context.auth_age == 5 && '
        "context.delegation_depth == 2 && context.request has ticket",
    )
    for path in config.parent.glob("policies/*.cedar"):
        path.unlink()
    (config.parent / "policies" / "odd.cedar").write_text(text)
    properties(BROKEN.replace("when", "# when"))
    done = fleeting("policy", "prove", "-c", config)
    assert (
        "user-1 of https://idp.example.com, department x, acr gold, logged in 5s ago" in done.stdout
    )
    assert '{"ticket": "' in done.stdout
    assert "support-bot, earlier-actor-1" in done.stdout


def test_a_mistake_in_a_property_is_shown_with_its_line_and_a_caret(fleeting, config, properties):
    properties(KEPT.replace("payment_refund", "payment_refnd"))
    done = fleeting("policy", "prove", "-c", config)
    assert done.exit_code == 1
    assert "refunds.toml:3:11: no operation type is called 'payment_refnd'" in done.stderr
    assert "did you mean 'payment_refund'?" in done.stderr
    report = json.loads(fleeting("policy", "prove", "-c", config, "--json").stdout)
    assert report["problems"][0]["line"] == 3


def test_without_properties_one_learns_how_to_write_them(fleeting, config, tmp_path):
    shutil.rmtree(config.parent / "policies" / "properties")
    done = fleeting("policy", "prove", "-c", config)
    assert done.exit_code == 1
    assert "[[properties]]" in done.stderr
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    done = fleeting("policy", "prove", "-c", config, tmp_path / "bad.toml")
    assert "is not UTF-8" in done.stderr


def test_without_the_solver_one_learns_how_to_get_it(fleeting, config, monkeypatch):
    monkeypatch.setitem(sys.modules, "z3", None)
    done = fleeting("policy", "prove", "-c", config)
    assert done.exit_code == 1
    assert "pip install 'fleeting[prove]'" in done.stderr


def test_a_property_about_no_request_at_all_is_no_proof(fleeting, config):
    file = config.parent / "policies" / "properties" / "refunds.toml"
    text = 'name = "x"\ntypes = ["payment_refund"]\nnever = { permitted = true }\n'
    when = "when = 'principal in Group::\"suport\"'\n"
    file.write_text(f"[[properties]]\n{text}{when}")
    done = fleeting("policy", "prove", "-c", config)
    assert done.exit_code == 3
    assert done.stdout.startswith("vacuous         x (no request is one that it speaks of)")
    assert fleeting("policy", "prove", "-c", config, "--allow-unproved").exit_code == 0
