from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from fleeting.cli.story_text import story_json, story_text
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.story import tell
from tests.people import office
from tests.simulator import REFUND

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BODY = {
    "asked_by": "access_evaluation",
    "asked_as": "pep-7",
    "client": "todo-app",
    "permitted": True,
    "subject": {"kind": "User", "id": "alice", "groups": ["editors"]},
    "client_groups": [],
    "resource": "https://todo.example.com",
    "operations": [{"type": "todo", "actions": ["update"], "id": "7"}],
    "context": {},
    "cnf": None,
    "policy_digest": "0123456789abcdef",
    "answers": [
        {
            "operation": 0,
            "action": "update",
            "verdict": "permitted",
            "paths": [{"policy": "own-todos", "lifetime": "1m", "uses": 1, "bound": "none"}],
            "forbids": [],
            "reasons": [],
            "errors": [],
        }
    ],
}


def told(body):
    entry = Entry(EntryKind.ACCESS_EVALUATED, NOW, "r1", body, "r1")
    story = tell([ChainedEntry("w", 1, entry, bytes(32), bytes(32))], "r1")
    shown = StringIO()
    Console(width=100, file=shown, no_color=True).print(story_text(story))
    return story_json(story), [line.rstrip() for line in shown.getvalue().splitlines()]


@pytest.fixture
def denied():
    error = {"error": "invalid_request", "description": "no type 'tod'"}
    written = {"resource": {"type": "tod", "id": "7"}}
    kept = {name: BODY[name] for name in ("asked_by", "client")}
    return told({**kept, "permitted": False, "written": written, "error": error})


def test_a_decision_for_an_enforcement_point_is_told_like_any_other():
    story, lines = told(BODY)
    assert story["outcome"] == "permitted"
    assert lines[0] == "Request r1: permitted"
    assert "  asked     2026-01-02 03:04:05.000Z as an enforcement point, for a decision" in lines
    assert "  as        pep-7" in lines
    assert "  key       none: no token is asked for" in lines
    assert "      ✓ own-todos permits it: 1m, 1 use, no key needed" in lines
    assert not any(line.startswith("Token") for line in lines)


def test_what_could_not_be_evaluated_is_told_as_it_was_written(denied):
    story, lines = denied
    assert story["outcome"] == "denied"
    assert lines[0] == "Request r1: denied"
    assert '  wrote     resource {"type": "tod", "id": "7"}' in lines
    assert "  reason    no type 'tod'" in lines


LARGE = {**REFUND, "amount": 50_000}


def lines_of(story):
    shown = StringIO()
    Console(width=160, file=shown, no_color=True).print(story_text(story))
    return [line.strip() for line in shown.getvalue().splitlines()]


async def test_a_request_that_people_decided_is_told_with_every_step(sim):
    people = await office(sim)
    caller = sim.caller()
    id_ = (await caller.ask(LARGE)).json()["access_request_id"]
    who = people.who("lena")
    await people.deeds.ask(who, id_, "which customer?")
    await people.deeds.answer(people.who("luis"), id_, "<b>Bob</b>")
    await people.approve(id_)
    await caller.ask(LARGE, access_request_id=id_)
    await people.deeds.revoke(who, id_, "a mistake")
    story = tell(await sim.worker.store.story(id_), id_)
    lines = lines_of(story)
    assert lines[0] == f"Request {id_}: revoked"
    assert "People" in lines
    assert "yes       Lena (lena), of payments-leads" in lines
    assert "outcome   revoked, by Lena (lena): “a mistake”" in lines
    text = "\n".join(lines)
    for words in (
        "request.pending  support-bot asks, and waits for 2 of payments-leads (large-refunds)",
        "request.asked  Lena (lena) asks: “which customer?”",
        "request.answered  Luis (luis) answers: “<b>Bob</b>”",
        "request.voted  Luis (luis) approves as one of payments-leads (the last one needed)",
        "request.approved  approved by lena, luis",
        "request.revoked  Lena (lena) revokes it, and its token: “a mistake”",
    ):
        assert words in text
    json = story_json(story)
    assert json["deciding"]["outcome"] == "revoked"
    assert [vote["by"] for vote in json["deciding"]["votes"]] == ["lena", "luis"]


def test_nothing_that_people_wrote_steers_a_terminal():
    opened = {"break_glass": "\x1b[2J", "group": "on\x9bcall", "due_at": NOW.isoformat()}
    closed = {"by": "l\x1bena", "name": "\u202e", "note": "\x07", "overdue": False}
    pending = {"approval": "1 of \x1b[31m", "policies": ["\x1b"], "expires_at": NOW.isoformat()}
    vote = {"by": "\x1b", "name": "\x1b", "group": "\x1b", "comment": "\x1b", "instead_of": "\x1b"}
    vote |= {"missing": 1, "words": ["\x1b"]}
    kinds = {
        EntryKind.REQUEST_PENDING: BODY | pending,
        EntryKind.REQUEST_VOTED: vote,
        EntryKind.REQUEST_NARROWED: {"by": "\x1b", "words": ["\x1b"]},
        EntryKind.REVIEW_OPENED: opened,
        EntryKind.REVIEW_CLOSED: closed,
    }
    entries = [
        ChainedEntry("w", number, Entry(kind, NOW, "r1", body, "r1"), bytes(32), bytes(32))
        for number, (kind, body) in enumerate(kinds.items())
    ]
    assert not set("\n".join(lines_of(tell(entries, "r1")))) & set("\x1b\x9b\u202e\x07")
