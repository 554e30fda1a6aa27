"""What was measured, as Markdown: printed on the terminal and kept in bench/results.md.

A run of one part replaces its own section of the file and leaves the others.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results.md"
ORDER = (
    *("Issue", "Enforce", "Spend", "Decide", "Replay", "Prove", "Reload", "Approvals", "Memory"),
    "Where the microseconds go",
)
_HEAD = """# Results

Written by `python -m bench` (`make bench`); each section says when. One server process is pinned
to core 0, the load generator to core 1; figures are medians over rounds. Loopback only.
"""


@dataclass(slots=True)
class Table:
    """A table with a header row; the first column is text, the others are figures."""

    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def render(self) -> str:
        """Render as aligned Markdown."""
        cells = [list(self.header), *[list(row) for row in self.rows]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.header))]
        head, *body = [_row(row, widths) for row in cells]
        rule = ["-" * widths[0], *["-" * (width - 1) + ":" for width in widths[1:]]]
        return "\n".join([head, _row(rule, widths), *body])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *[cell.rjust(width) for cell, width in rest]]
    return f"| {' | '.join(padded)} |"


@dataclass(slots=True)
class Section:
    """One part of the results: a title and what stands under it."""

    title: str
    blocks: list[Table | str] = field(default_factory=list)

    def render(self) -> str:
        """Render as Markdown."""
        parts = [block if isinstance(block, str) else block.render() for block in self.blocks]
        return "\n\n".join([f"## {self.title}", _provenance(), *parts]) + "\n"


def _provenance() -> str:
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{cpu_model()} ({os.cpu_count()} cores), Python {platform.python_version()}"
    return f"{stamp}, {machine}, load average {os.getloadavg()[0]:.1f}, nice {os.nice(0)}."


def cpu_model() -> str:
    """Return the processor's name."""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.machine()


def show(section: Section, *, keep: bool) -> None:
    """Print a section, and `keep` it in the results file."""
    text = section.render()
    print(f"\n{text}", flush=True)
    if keep:
        _replace(section.title, text)


def say(message: str) -> None:
    """Print one line of progress."""
    print(f"  … {message}", flush=True)


def _replace(title: str, text: str) -> None:
    sections = _sections()
    sections[title] = text
    known = [name for name in ORDER if name in sections]
    RESULTS.write_text("\n".join([_HEAD, *[sections[name] for name in known]]))


def _sections() -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    parts = re.split(r"(?m)^(?=## )", RESULTS.read_text())[1:]
    return {part.partition("\n")[0].removeprefix("## "): part.rstrip() + "\n" for part in parts}
