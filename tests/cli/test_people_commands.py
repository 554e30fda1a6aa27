"""What people do on their command lines, against a real server."""

import json
import os
import re
import subprocess

import pytest

from fleeting.client import ApprovalPending
from tests.cli.approving import answer_device, sign_in
from tests.cli.processes import PROGRAM, make_installation, run, serving

PEOPLE = {"bea": ["payments-leads"], "carl": ["payments-leads"], "dora": ["fleeting-operators"]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A server of our own, and a command line for each of three people."""
    base = tmp_path_factory.mktemp("desk")
    config = make_installation(base / "here")
    quiet = 'log_level = "warning"\n'  # what nobody reads would fill its pipe
    config.write_text(quiet + config.read_text("utf-8"), encoding="utf-8")
    with serving(config) as (server, _):
        for name, groups in PEOPLE.items():
            options = [each for group in groups for each in ("--group", group)]
            assert run("people", "add", name, *options, "-c", config).exit_code == 0
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("XDG_CONFIG_HOME", str(base / name))
                sign_in(config, name)
        yield base, server


@pytest.fixture
def as_(desk, monkeypatch):
    """Run a command as somebody."""
    base, server = desk

    def as_(name, *arguments, **more):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(base / name))
        return run(*arguments, "--issuer", server.issuer, **more)

    return as_


@pytest.fixture
def asked(desk, as_):
    """Ask for a refund that needs two approvals; return the request's id."""
    server = desk[1]

    def asked(payment_id, amount=20_000, **more) -> str:
        with pytest.raises(ApprovalPending):
            server.token(payment_id=payment_id, amount=amount, **more)
        listed = json.loads(as_("bea", "requests", "--open", "--json").stdout)
        (found,) = (
            each["id"] for each in listed if f'payment_id "{payment_id}"' in each["words"][0]
        )
        return found

    return asked


def test_who_am_i(as_):
    done = as_("bea", "whoami")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1:3] == [
        "groups     payments-leads",
        "may        view, approve, deny, narrow, ask, answer, delegate",
    ]
    assert json.loads(as_("dora", "whoami", "--json").stdout)["id"] == "dora"


def test_a_table_shows_what_waits_and_json_all_of_it(as_, asked):
    id_ = asked("t-1")
    table = as_("bea", "requests").stdout
    assert id_[:12] in table
    assert "pending, 2 more of" in table
    (found,) = (
        each for each in json.loads(as_("bea", "requests", "--json").stdout) if each["id"] == id_
    )
    assert found["waits_for"] == {"group": "payments-leads", "missing": 2}
    assert as_("dora", "requests").stdout == "nothing waits for you\n"
    assert as_("dora", "requests", "--mine").stdout == "you stand behind no request\n"
    assert id_[:12] in as_("dora", "requests", "--all").stdout


def test_a_request_is_shown_with_the_callers_words_marked(as_, asked):
    id_ = asked("t-2", note="trust me")
    shown = as_("bea", "show", id_[:14]).stdout
    facts, _, said = shown.partition("the caller's own words, not checked:")
    assert "amount at most 20000 cent" in facts
    assert "large-refunds" in facts
    assert "trust me" in said
    assert "INC-7" in said


def test_two_people_approve_what_is_shown(as_, asked):
    id_ = asked("t-3")
    done = as_("bea", "approve", id_, "--yes", "--comment", "as agreed")
    assert done.exit_code == 0, done.output
    assert "Refund one payment" in done.stdout
    assert "approved: " in done.stdout
    assert "1 more of" in done.stdout
    again = as_("bea", "approve", id_, "--yes")
    assert again.exit_code == 1
    assert "you voted already" in again.stderr
    digest = json.loads(as_("carl", "show", id_, "--json").stdout)["offer"]["digest"]
    told = as_("carl", "approve", id_, "--offer", digest, "--yes", "--json")
    assert json.loads(told.stdout)["status"] == "approved"


def test_without_a_terminal_approving_takes_a_yes(as_, asked):
    id_ = asked("t-4")
    done = as_("bea", "approve", id_)
    assert done.exit_code == 1
    assert "say --yes" in done.stderr
    assert json.loads(as_("bea", "show", id_, "--json").stdout)["missing"] == 2


def test_an_offer_that_changed_is_not_approved(as_, asked):
    id_ = asked("t-5")
    digest = json.loads(as_("carl", "show", id_, "--json").stdout)["offer"]["digest"]
    done = as_("bea", "narrow", id_, "amount=15000", "--lifetime", "1m")
    assert done.exit_code == 0, done.output
    late = as_("carl", "approve", id_, "--offer", digest, "--yes")
    assert late.exit_code == 1
    assert "it changed" in late.stderr
    shown = as_("carl", "show", id_).stdout
    assert "as asked: " in shown
    assert "lives 1m, not 5m" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["amount=20001"], 1, "20001 is more than 20000"),
        (["amuont=1"], 2, "did you mean 'amount'?"),
        (["amount=few"], 2, "whole number"),
        (["amount"], 2, "NAME=VALUE"),
        (["--lifetime", "soon"], 2, "not a duration"),
        (["--uses", "0"], 2, "greater than or equal to 1"),
        (["--only", "2"], 2, "there are 1 operations"),
        (["--calls", "2"], 1, "there is no plan"),
        (["--action", "pay"], 1, "action"),
        ([], 2, "say what is to be less"),
    ],
)
def test_narrowing_says_what_to_write_instead(as_, asked, arguments, code, said):
    id_ = _standing(as_, asked)
    done = as_("bea", "narrow", id_, *arguments)
    assert done.exit_code == code, done.output
    assert said in " ".join(re.sub(r"[│╭╰─╮╯]", " ", done.stderr).split())


def _standing(as_, asked) -> str:
    """Return a request that all these tests leave as it is."""
    listed = json.loads(as_("bea", "requests", "--open", "--json").stdout)
    found = [each["id"] for each in listed if '"t-narrow"' in each["words"][0]]
    return found[0] if found else asked("t-narrow")


def test_a_question_an_answer_and_a_no(as_, asked):
    id_ = asked("t-6")
    assert as_("bea", "ask", id_, "which invoice?").exit_code == 0
    assert as_("carl", "answer", id_, "2026-0042").exit_code == 0
    shown = as_("bea", "show", id_).stdout
    assert "bea asked: which invoice?" in shown
    assert "carl answered: 2026-0042" in shown
    done = as_("bea", "deny", id_, "--reason", "refunded yesterday")
    assert done.exit_code == 0
    assert done.stdout.endswith("is denied\n")
    late = as_("bea", "deny", id_, "--reason", "again")
    assert late.exit_code == 1
    assert "this request is denied" in late.stderr
    assert as_("bea", "deny", id_).exit_code == 2


def test_what_is_of_a_client_is_revoked_by_an_operator_alone(as_, asked):
    id_ = asked("t-7")
    assert as_("bea", "revoke", "--subject", "nobody", "--reason", "x").exit_code == 1
    done = as_("dora", "cancel", id_, "--reason", "not now")
    assert done.stdout.endswith("is cancelled\n")
    told = as_("dora", "revoke", "--subject", "nobody", "--reason", "gone", "--json")
    assert json.loads(told.stdout) == {"kind": "subject", "value": "nobody", "revoked": []}
    done = as_("dora", "revoke", "--subject", "nobody", "--reason", "gone")
    assert done.stdout == "revoked: everything of subject nobody\n"
    assert as_("dora", "revoke", "--reason", "x").exit_code == 2
    assert as_("dora", "revoke", id_, "--client", "a", "--reason", "x").exit_code == 2


def test_what_is_no_grant_cannot_be_given_back_or_extended(as_, asked):
    id_ = _standing(as_, asked)
    for arguments in (
        ("return", id_),
        ("extend", id_, "--by", "1m"),
        ("review", id_, "--note", "x"),
    ):
        done = as_("dora", *arguments)
        assert done.exit_code == 1
        assert done.stderr.startswith("error: ")
    assert as_("dora", "extend", id_, "--by", "soon").exit_code == 2


def test_being_away_and_back(as_):
    done = as_("carl", "away", "--to", "dora", "--until", "3d")
    assert done.stdout.startswith("dora votes in your place until 20")
    assert "away       until" in as_("carl", "whoami").stdout
    assert as_("carl", "away", "--back").stdout == "nobody votes in your place\n"
    told = as_("carl", "away", "--to", "dora", "--until", "2h", "--json")
    assert json.loads(told.stdout)["delegations"][0]["to"] == "dora"
    assert as_("carl", "away", "--back").exit_code == 0
    assert as_("carl", "away").exit_code == 2
    assert as_("carl", "away", "--to", "dora").exit_code == 2
    assert "write 2026-10-01T12:00" in as_("carl", "away", "--to", "x", "--until", "soon").stderr
    assert "another person" in as_("carl", "away", "--to", "x", "--until", "2h").stderr


@pytest.mark.parametrize(
    ("id_", "said"),
    [("zzz", "no request that you may see begins with 'zzz'"), ("0" * 32, "no")],
)
def test_an_id_that_is_none_says_where_to_find_one(as_, id_, said):
    done = as_("bea", "show", id_)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_beginning_that_several_share_names_them(as_, asked):
    ids = {asked("t-8"), asked("t-9")}
    done = as_("bea", "show", min(ids)[:3])
    assert done.exit_code == 1
    assert all(id_ in done.stderr for id_ in ids)


def test_only_one_list_at_a_time(as_):
    assert as_("bea", "requests", "--mine", "--open").exit_code == 2


def test_who_is_not_signed_in_is_told_how(desk, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    done = run("requests", "--issuer", desk[1].issuer)
    assert done.exit_code == 1
    assert f"fleeting login --issuer {desk[1].issuer}" in done.stderr
    done = run("requests")
    assert "nobody is signed in" in done.stderr
    assert run("login").exit_code == 1
    assert run("login", "--issuer", "http://as.example.com").exit_code == 1


def test_whose_session_is_over_is_told_once_what_to_do(desk, monkeypatch, tmp_path):
    base, server = desk
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run("people", "add", "guest", "-c", base / "here" / "fleeting.toml").exit_code == 0
    sign_in(base / "here" / "fleeting.toml", "guest")
    assert run("people", "disable", "guest", "-c", base / "here" / "fleeting.toml").exit_code == 0
    done = run("whoami", "--issuer", server.issuer)
    assert done.exit_code == 1
    assert done.stderr == "error: the session is over: sign in again with 'fleeting login'\n"


def test_an_issuer_that_cannot_be_reached_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    done = run("login", "--issuer", "http://127.0.0.1:1")
    assert done.exit_code == 1
    assert "http://127.0.0.1:1 cannot be reached" in done.stderr


def test_watching_prints_what_is_new_and_what_changes(desk, as_, asked):
    base, server = desk
    id_ = asked("t-10")
    command = [str(PROGRAM), "requests", "--watch", "--json", "--issuer", server.issuer]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(base / "bea")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        try:
            while json.loads(watching.stdout.readline())["id"] != id_:
                pass
            assert as_("carl", "deny", id_, "--reason", "no").exit_code == 0
            while True:
                line = json.loads(watching.stdout.readline())
                if line["id"] == id_:
                    assert line == {"id": id_, "gone": True}
                    break
        finally:
            watching.terminate()


@pytest.mark.parametrize(("answer", "code"), [("allow", 0), ("deny", 1)])
def test_signing_in_a_command_line_and_out_again(desk, monkeypatch, tmp_path, answer, code):
    _, server = desk
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    command = [str(PROGRAM), "login", "--issuer", server.issuer]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as signing_in:
        try:
            first = signing_in.stdout.readline()
            assert first == f"open {server.issuer}/device\n", signing_in.stderr.read()
            shown = signing_in.stdout.readline().split()[-1]
            link = run("people", "link", "dora", "--sign-in", "--json", "-c", server.config)
            answer_device(json.loads(link.stdout)["link"], shown, answer)
            said, told = signing_in.communicate(timeout=60)
        finally:
            signing_in.kill()
    assert signing_in.returncode == code, told
    if code:
        assert "it was denied in the browser" in told
        return
    assert said.splitlines()[-1] == f"signed in at {server.issuer} as dora"
    assert run("whoami").stdout.startswith(f"dora at {server.issuer}")
    assert run("logout").stdout == f"signed out of {server.issuer}\n"
    assert run("whoami").exit_code == 1


def test_people_can_be_added_before_the_server_has_ever_run(tmp_path):
    config = make_installation(tmp_path / "fresh")
    assert not (config.parent / "fleeting.db").exists()
    added = run("people", "add", "ada", "-g", "payments-leads", "-c", config)
    assert added.exit_code == 0, added.output
    listed = json.loads(run("people", "list", "--json", "-c", config).stdout)
    assert [(each["id"], each["groups"]) for each in listed] == [("ada", ["payments-leads"])]


def test_people_of_a_process_memory_are_out_of_reach(tmp_path, monkeypatch):
    config = make_installation(tmp_path / "fresh")
    monkeypatch.setenv("FLEETING_DATABASE", "memory://")
    done = run("people", "list", "-c", config)
    assert done.exit_code == 1
    assert "no command can reach into it" in done.output
