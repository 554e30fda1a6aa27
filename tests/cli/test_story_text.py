from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from fleeting.cli.story_text import story_json, story_text
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.story import tell

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
