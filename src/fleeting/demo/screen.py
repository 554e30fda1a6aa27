"""What the demo shows in the terminal, whatever its width, colours and characters."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

_WIDEST = 100
_INDENT = (0, 0, 0, 2)

Direction = Literal["sent", "came", "more"]
_MARKS = {"sent": "→", "came": "←", "more": " ", "passed": "✓", "failed": "✗"}
_ASCII_MARKS = {"sent": "->", "came": "<-", "more": "  ", "passed": "ok:", "failed": "FAILED:"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an exchange: its direction, to whom or with which status, and what it said."""

    direction: Direction
    label: str
    text: Text
    style: str = ""


class Screen:
    """A terminal, a pipe or a file."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _console()
        ascii_only = self._console.options.ascii_only
        self._marks = _ASCII_MARKS if ascii_only else _MARKS

    @property
    def width(self) -> int:
        """How many columns are used."""
        return self._console.width

    def title(self, title: str, intro: str) -> None:
        """Open with a title and what this is about."""
        self._console.print()
        self._print(Text(title, "bold"))
        self._console.print()
        self.say(intro)
        self._console.print()

    def act(self, title: str, intro: str) -> None:
        """Open a further part, with its title and what it is about."""
        self._console.print()
        self._print(Text(title, "bold"))
        self._console.print()
        self.say(intro)

    def step(self, number: int, title: str, intro: str) -> None:
        """Start a step."""
        self.heading(f"{number}  {title}")
        self.say(intro)

    def heading(self, title: str) -> None:
        """Print a title across the screen."""
        self._console.print()
        self._console.print(Rule(f"[bold]{escape(title)}[/]", align="left", style="cyan"))

    def say(self, text: str, style: str = "") -> None:
        """Print a paragraph."""
        self._print(Text(text, style))

    def facts(self, facts: Iterable[tuple[str, str, str]]) -> None:
        """Print names, values and what they are."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(style="dim", overflow="fold")
        for name, value, meaning in facts:
            table.add_row(Text(name, "bold"), value, Text(meaning))
        self._print(table)

    def rows(self, rows: Iterable[Row]) -> None:
        """Print exchanges: what is sent to the right, what came back to the left."""
        self._console.print()
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True, min_width=6)
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(self._marks[row.direction], Text(row.label, row.style), row.text)
        self._print(table)
        self._console.print()

    def note(self, name: str, lines: Sequence[str]) -> None:
        """Print a name and what there is of it, each on its line."""
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        table.add_row(f"{name}:", "\n".join(lines) or "nothing")
        self._print(table)
        self._console.print()

    def passed(self, text: str) -> None:
        """Say that something went as it should."""
        self._verdict("passed", text, "green")

    def failed(self, text: str) -> None:
        """Say that something did not."""
        self._verdict("failed", text, "bold red")

    def _verdict(self, mark: str, text: str, style: str) -> None:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(Text(self._marks[mark], style), Text(text, style))
        self._print(table)

    def command(self, command: str, meaning: str = "") -> None:
        """Print a command line as it can be pasted: never wrapped."""
        if meaning:
            self._console.print(Text(f"\n# {meaning}", "dim"), soft_wrap=True)
        self._console.print(Text(command, "bold"), soft_wrap=True)

    def transcript(self, command: str, output: str) -> None:
        """Print a command line and what it printed."""
        self._console.print(Text(f"\n$ {command}\n", "bold"), soft_wrap=True)
        self._console.print(Text.from_ansi(output), soft_wrap=True)

    def plain(self, text: str = "") -> None:
        """Print *text* as it is."""
        self._console.print(Text(text), soft_wrap=True)

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Show on a terminal that something takes a moment."""
        return self._console.status(what)

    def _print(self, what: Text | Table) -> None:
        self._console.print(Padding(what, _INDENT))


def _console() -> Console:
    console = Console(file=sys.stdout, highlight=False)
    console.width = min(console.width, _WIDEST)
    return console
