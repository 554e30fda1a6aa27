"""The demo as a whole: ``fleeting demo`` as a process, and its steps against wrong policies."""

import os
import re
import signal
import socket
import subprocess

import httpx
import pytest

from fleeting.demo.endings import Endings
from fleeting.demo.installing import install
from fleeting.demo.performing import perform
from fleeting.demo.watching import Audience
from tests.demo.conftest import demo, demo_at_a_terminal, neighbouring_ports, paper

TITLES = (
    "1  A refund without a token",
    "2  The same token again",
    "3  The amount changed",
    "4  The token without its key",
    "5  More than any policy permits",
    "6  A revoked token",
    "7  What happened, and why",
)
SECOND = (
    "Second act: people decide",
    "8  A larger refund waits",
    "9  No way around them",
    "10  Two people approve the token",
    "11  Denied, with a reason",
    "12  Break-glass, and taken back",
    "13  Who decided, and on what",
    "14  The end reaches what never asks",
)
AUTO = Audience(watches=False)


def in_order(text: str, parts) -> bool:
    """Whether *parts* are in *text*, one after the other."""
    return re.search(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A whole demo, at its end."""
    with demo(tmp_path_factory.mktemp("shown")) as running:
        running.code = running.wait()
        yield running


def test_it_exits_0_after_every_step_went_as_it_says(shown):
    assert shown.code == 0, shown.said()
    end = "All 14 steps went as they should: 2 refunds, each made once"
    assert in_order(shown.said(), [*TITLES, *SECOND, end])


def test_the_first_refund_is_challenged_granted_and_made(shown):
    assert in_order(
        shown.said(),
        [
            "with no token",
            "401    transaction_authorization_required",
            "payment_refund:refund payment_id=42 amount=5000 currency=EUR",
            "200    an access token that says exactly this",
            "uses 1, lives 60 s, bound to the bot's key",
            "201    id=1 payment_id=42 amount=5000",
            "50.00 of payment 42, txn",
        ],
    )


@pytest.mark.parametrize(
    ("title", "refusal"),
    [
        (TITLES[1], "401    invalid_token: the access token is spent"),
        (TITLES[2], "amount 6000 is more than 5000"),
        (TITLES[3], "the access token is bound to a key"),
        (TITLES[3], "not made with the key of the access token"),
        (TITLES[4], "access_denied: refunds of more than 5000.00 are never made this way"),
        (TITLES[5], "401    invalid_token: the access token was revoked"),
        (SECOND[2], "403    access_denied: you stand behind this request: somebody else"),
        (SECOND[2], "400    invalid_grant: this is another request than the one that was asked"),
        (SECOND[3], "amount 60000 is more than 45000"),
        (SECOND[4], "400    access_denied: this customer was refunded yesterday"),
        (SECOND[5], "401    invalid_token: the access token was revoked"),
        (SECOND[7], "401    invalid_token: nobody was asked"),
    ],
)
def test_each_abuse_is_refused_with_its_reason(shown, title, refusal):
    said = " ".join(shown.said().partition(title)[2].split())
    step = re.split(r" \d+  ?(?=[A-Z])", said)[0]
    assert " ".join(refusal.split()) in step


def test_the_first_refund_and_a_refusal_are_explained(shown):
    stories = shown.said().partition(TITLES[6])[2]
    assert in_order(stories, ["fleeting explain", "small-refunds", "token.spent", "spend.refused"])
    assert in_order(stories, ["fleeting explain", "refunds-have-an-end", "request.refused"])


def test_where_nobody_sits_at_a_terminal_its_own_people_approve_what_becomes_the_token(shown):
    assert in_order(
        shown.said(),
        [
            "400    authorization_pending",
            "/narrow",
            "2 more must approve; amount at most 45000 cent, not amount at most 60000 cent",
            "→ Ada    POST /api/requests/",
            "1 more must approve",
            "→ Ben    POST /api/requests/",
            "approved",
            "200    an access token that says what they approved",
            "payment_refund:refund amount=45000 currency=EUR payment_id=44",
            "uses 1, lives 60 s",
            "600.00 is refused, 450.00 is refunded",
        ],
    )
    assert "/enrol/" not in shown.said()


def test_the_approved_refund_is_explained(shown):
    story = shown.said().partition(SECOND[6])[2]
    parts = ["narrowed  by ada", "yes       Ada (ada)", "yes       Ben (ben)", "token.spent"]
    assert in_order(story, parts)


def test_it_shows_no_token_no_assertion_and_no_proof(shown):
    assert "eyJ" not in shown.said()


def test_it_leaves_nothing_behind(shown):
    assert shown.left_behind() == []
    ports = re.findall(r"http://127\.0\.0\.1:(\d+)", shown.said())
    assert not any(listens(int(port)) for port in ports)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def edit(directory, file, before, after):
    path = directory / "policies" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("edits", "failure"),
    [
        (
            [("refunds.cedar", '@lifetime("60s")', '@lifetime("30s")')],
            ["step 1 went otherwise: the token's lifetime", "expected: 60", "came:     30"],
        ),
        (
            [("refunds.cedar", "<= 5000 ", "<= 600000 "), ("caps.cedar", "> 500000", "> 900000")],
            ["step 5 went otherwise: status of POST", "expected: 400", "came:     201"],
        ),
        (
            [("caps.cedar", "more than 5000.00", "this kind")],
            ["step 5 went otherwise", "expected: more than 5000.00", "came:     refunds of this"],
        ),
        (
            [("refunds.cedar", "2 of payments-leads", "1 of payments-leads")],
            ["step 10 went otherwise: who approved it", "expected: {'", "came:     {'ada'}"],
        ),
    ],
)
def test_a_policy_that_makes_a_step_go_otherwise_makes_it_fail(tmp_path, edits, failure):
    addresses, (screen, written) = neighbouring_ports(), paper()
    install(tmp_path, addresses)
    for each in edits:
        edit(tmp_path, *each)
    with Endings() as endings:
        assert perform(tmp_path, addresses, screen, endings, AUTO, keep=False) == 1
    assert in_order(written.getvalue(), failure)
    assert "All 14 steps" not in written.getvalue()


def test_a_server_that_cannot_start_is_told_with_the_end_of_its_log(tmp_path):
    addresses, (screen, _) = neighbouring_ports(), paper()
    install(tmp_path, addresses)
    (tmp_path / "policies" / "caps.cedar").write_text("permit (principal")
    with (
        Endings() as endings,
        pytest.raises(Exception, match=r"authorization server ended") as told,
    ):
        perform(tmp_path, addresses, screen, endings, AUTO, keep=False)
    assert "caps.cedar" in str(told.value)


@pytest.mark.parametrize("offset", [0, 1])
def test_a_port_that_is_taken_is_named(tmp_path, offset):
    addresses = neighbouring_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", addresses.port + offset))
        other.listen()
        with demo(tmp_path, "--port", str(addresses.port)) as running:
            assert running.wait() == 1
    assert f"port {addresses.port + offset} cannot be used" in running.said()
    assert running.left_behind() == []


def test_it_is_ended_in_order_by_sigterm(tmp_path):
    addresses = neighbouring_ports()
    with demo(tmp_path, "--port", str(addresses.port)) as running:
        running.await_saying(TITLES[0])
        assert running.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert not listens(addresses.port)
    assert not listens(addresses.port + 1)
    assert running.left_behind() == []


def test_kept_servers_answer_the_printed_commands_until_ctrl_c(tmp_path):
    """At a terminal, where Enter lets the demo's own people decide."""
    addresses = neighbouring_ports()
    with demo_at_a_terminal(tmp_path, "--keep", "--port", str(addresses.port)) as running:
        running.await_saying("Enter lets Ada and Ben decide")
        invited = running.said()
        running.type("\n")
        running.await_saying("Ctrl-C ends them")
        assert in_order(running.said(), ["Ada and Ben step in", "450.00 is refunded", "All 14"])
        assert links(invited) == ["303"] * 3
        export, *others = commands(running.said().partition("Try it by hand")[2])
        for command in others:
            code, said = paste(export, command)
            assert code == expected(command), f"{command}\n{said}"
        assert links(running.said().partition("Try it by hand")[2]) == ["303"] * 3
        assert httpx.get(f"{addresses.resource}/health").status_code == 200
        assert running.end(signal.SIGINT) == 0
    assert not listens(addresses.port)
    assert [str(path) in running.said() for path in running.left_behind()] == [True]


def commands(said: str) -> list[str]:
    """Return the command lines that can be pasted; who signs in needs a browser."""
    lines = [line for line in said.splitlines() if re.match(r"export |curl |fleeting ", line)]
    return [line for line in lines if line not in ("fleeting login", "fleeting requests")]


def expected(command: str) -> int:
    """Return the exit code of a command that is printed: 1 where it is refused."""
    return 1 if "600000" in command else 0


def links(said: str) -> list[str]:
    """Use every one-time link, as its reader does; return what each answers."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return [
        str(httpx.post(link, headers={"Origin": link.partition("/enrol")[0], **form}).status_code)
        for link in re.findall(r"^http://\S+/enrol/\S+$", said, re.MULTILINE)
    ]


def paste(export: str, command: str) -> tuple[int, str]:
    """Do what someone does who pastes a command into a shell; one that follows is cut short."""
    follows = command.endswith("--follow") or '"amount":60000,' in command  # or waits for people
    script = f"{export}\n" + (f"timeout 5 {command}; test $? = 124" if follows else command)
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "100"},
    )
    return done.returncode, done.stdout + done.stderr
