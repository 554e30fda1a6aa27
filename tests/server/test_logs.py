import json
import subprocess
import sys

LINES = """
import logging
import structlog
from fleeting.server.logs import configure_logs
configure_logs("info", {format!r})
log = structlog.get_logger("x")
log.info("said", request_id="r", text="two\\nlines \\u20ac")
log.debug("unsaid")
logging.getLogger("library").warning("from a %s", "library")
logging.getLogger("library").info("unsaid")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("bug", odd=object)
    logging.getLogger("library").exception("also")
"""


def said(format_):
    code = LINES.format(format=format_)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b""
    return done.stderr.decode().splitlines()


def test_every_line_is_one_json_object():
    lines = [json.loads(line) for line in said("json")]
    assert [line["event"] for line in lines] == ["said", "from a library", "bug", "also"]
    assert lines[0]["text"] == "two\nlines \u20ac"
    assert lines[0]["level"] == "info"
    assert lines[1]["logger"] == "library"
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_people_can_read_the_other_format():
    text = "\n".join(said("console"))
    assert "unsaid" not in text
    for word in ("said", "from a library", "ZeroDivisionError"):
        assert word in text
