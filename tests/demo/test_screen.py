"""What the demo shows, on terminals of any width and alphabet."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from fleeting.demo.screen import Row, Screen

ROWS = [
    Row("sent", "API", Text("POST /payments/42/refunds " + "x" * 60)),
    Row("came", "401", Text("invalid_token"), "yellow"),
]


def show(console: Console) -> None:
    screen = Screen(console)
    screen.title("Title", "An introduction of some length that must be wrapped somewhere.")
    screen.step(1, "A [bracketed] step", "What it is about.")
    screen.rows(ROWS)
    screen.note("refunds", ["50.00 of payment 42"])
    screen.passed("as it should be")
    screen.failed("not as it should be")


@pytest.mark.parametrize("width", [20, 40, 80, 100])
def test_no_line_is_wider_than_the_terminal(width):
    written = io.StringIO()
    show(Console(file=written, width=width, highlight=False))
    assert max(map(len, written.getvalue().splitlines())) <= width
    assert "x" * 60 in written.getvalue().replace("\n", "").replace(" ", "")


def test_a_terminal_without_unicode_gets_ascii():
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as written:
        show(Console(file=written, width=80, highlight=False))
        written.flush()
        assert b"-> API" in raw.getvalue()
        assert b"FAILED: not as it should be" in raw.getvalue()


def test_without_colours_there_are_no_escape_sequences():
    written = io.StringIO()
    show(Console(file=written, width=80, highlight=False))
    assert "\x1b" not in written.getvalue()


def test_brackets_are_shown_as_they_are():
    written = io.StringIO()
    show(Console(file=written, width=80, highlight=False))
    assert "1  A [bracketed] step" in written.getvalue()


def test_a_command_is_never_wrapped():
    written = io.StringIO()
    Screen(Console(file=written, width=20)).command("curl " + "x" * 100, "why")
    assert "curl " + "x" * 100 in written.getvalue().splitlines()
