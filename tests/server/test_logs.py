import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


WENT_ON = (
    LINES
    + """
import os
log.info("x" * 100_000)
os.write(1, b"went on")
os._exit(0)
"""
)


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_log_that_cannot_be_written_fails_nothing(format_):
    code = WENT_ON.format(format=format_)
    reading, writing = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY) if Path("/dev/full").exists() else writing
    for stderr in {writing, full}:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr, check=False
        )
        assert (done.returncode, done.stdout) == (0, b"went on")
        os.close(stderr)


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_log_that_was_closed_fails_nothing(format_):
    code = "import sys\n" + WENT_ON.replace("log.info", "sys.stderr.close()\nlog.info", 1)
    command = [sys.executable, "-c", code.format(format=format_)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"went on"
