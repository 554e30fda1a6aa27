import sys

import pytest
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleeting.cli.terminal import err, say, say_file

EVIL = "\x1b]0;pwned\x07\x9b2J\u202e"
SPELT = "\\u001b]0;pwned\\u0007\\u009b2J\\u202e"


in_both = pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])


@pytest.fixture
def output(monkeypatch, capsys):
    """Have the standard streams be a terminal, or none: in the test, where they are its own."""

    def output(*, terminal):
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: terminal)

    monkeypatch.setenv("TERM", "xterm")
    return output


def table(*cells):
    grid = Table.grid(padding=(0, 2))
    for cell in cells:
        grid.add_row("·", Text(cell))
    return Padding(grid, (0, 0, 0, 2), expand=False)


@in_both
@pytest.mark.parametrize("what", [EVIL, Text(EVIL), table(EVIL)])
def test_nothing_that_is_shown_steers_the_terminal(output, capsys, what, terminal):
    output(terminal=terminal)
    say(what)
    err().print(what)
    said = capsys.readouterr()
    for shown in (said.out, said.err):
        assert not set("\x1b\x07\x9b\u202e") & set(shown)
        assert "\\u001b]0;p" in shown


def test_colours_are_the_consoles_own(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    say(Text("a\x1b[2J", "red"))
    assert capsys.readouterr().out == "\x1b[31ma\\u001b[2J\x1b[0m\n"


@in_both
def test_lines_of_a_table_end_where_their_words_do_in_a_pipe(output, capsys, terminal):
    output(terminal=terminal)
    say(table("long enough", "short"))
    say("own  ")
    lines = capsys.readouterr().out.splitlines()
    blanks = [len(line) - len(line.rstrip()) for line in lines]
    assert [line.strip() for line in lines] == ["·  long enough", "·  short", "own"]
    assert blanks == [0, 0, 0] if not terminal else blanks[1] > 0


@in_both
def test_a_file_goes_to_the_letter_through_a_pipe_and_harmless_to_a_terminal(
    output, capsys, terminal
):
    output(terminal=terminal)
    say_file(f"+ {EVIL}  \n \n")
    assert capsys.readouterr().out == f"+ {SPELT if terminal else EVIL}  \n \n"
