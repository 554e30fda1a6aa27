"""What was submitted is read back as it was written, or not at all."""

import json
from datetime import UTC, datetime

import pytest

from fleeting.core.access_requests import Callback, Submitted
from fleeting.core.submission_text import read_submitted, submitted_json

PLAIN = Submitted("task", "eval", "digest", {"type": "t", "id": "1"}, {"name": "read"})
WHOLE = Submitted(
    "task",
    "eval.2",
    "digest",
    {"type": "t", "id": "1", "properties": {"amount": 3}},
    {"name": "read"},
    items=2,
    says={"business_justification": "why", "emergency": True},
    until=datetime(2026, 1, 1, tzinfo=UTC),
    callback=Callback("https://pep.example.com/told", ("approved",), "s", told=True),
)


@pytest.mark.parametrize("submitted", [PLAIN, WHOLE])
def test_it_comes_back(submitted):
    assert read_submitted(json.loads(json.dumps(submitted_json(submitted)))) == submitted


@pytest.mark.parametrize("name", ["task", "evaluation_id", "digest"])
def test_what_is_no_text_is_refused(name):
    with pytest.raises(TypeError, match="is no text"):
        read_submitted({**submitted_json(PLAIN), name: 7})


@pytest.mark.parametrize("name", ["task", "until", "callback", "says"])
def test_nothing_may_be_missing(name):
    written = submitted_json(WHOLE)
    del written[name]
    with pytest.raises(LookupError):
        read_submitted(written)
