"""What was submitted is read back as it was written; the property is in ``test_request_text``."""

import pytest

from fleeting.core.access_requests import Callback, Submitted
from fleeting.core.submission_text import read_submitted, submitted_json

SUBMITTED = Submitted(
    "task",
    "eval",
    "digest",
    {"type": "report", "id": "7"},
    {"name": "read"},
    callback=Callback("https://pep.example.com", ("denied",), "mine", told=True),
)


def test_it_is_read_back():
    assert read_submitted(submitted_json(SUBMITTED)) == SUBMITTED


@pytest.mark.parametrize("changes", [{"task": 7}, {"digest": None}, {"callback": {"uri": 7}}])
def test_what_was_altered_is_not_read(changes):
    with pytest.raises((TypeError, LookupError)):
        read_submitted({**submitted_json(SUBMITTED), **changes})
