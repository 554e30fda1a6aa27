"""Read the documentation's pages: their code blocks, what is said about them, their links.

A comment on the line before a block says how it is to be taken; readers do not see it:

``<!-- file: api.py -->``   the block is that file. ``<!-- exit: 1 -->``  how its last command ends.
``<!-- not run: why -->``   only read: commands must exist, and so must their options.
``<!-- roles -->``          the policies say what people may do, not what tokens are for.
``<!-- wrong -->``          a policy that is refused, with what the next block says.
``<!-- as: ada -->``        who types it is signed in as that person (setup: people).
``<!-- start: server -->``  the server is started before the block.
``<!-- setup: server -->``  on top of a page: what is there before its first block (see pages).
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "adr" not in p.parts))

_FENCE = re.compile(r"^( *)```(\w*)\s*$")
_COMMENT = re.compile(r"^\s*<!-- (.+) -->\s*$")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One code block: its language, its text, the remark before it, and where it stands."""

    language: str
    text: str
    remark: str
    page: Path
    line: int

    @property
    def place(self) -> str:
        """Where to look when it fails."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def remarked(self, name: str) -> str | None:
        """Return what the remark *name* says, "" where it only stands there, None without one."""
        key, _, value = self.remark.partition(":")
        return value.strip() if key.strip() == name else None


def name_of(page: Path) -> str:
    """Return what a test calls *page*."""
    return str(page.relative_to(ROOT))


def setup_of(page: Path) -> tuple[str, ...]:
    """Return what *page* wants to be there before its first block."""
    found = re.search(r"^<!-- setup: (.+) -->$", page.read_text(), re.MULTILINE)
    return tuple(found[1].split()) if found else ()


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of *page*, in their order."""
    blocks: list[Block] = []
    remark, started, indent, language = "", 0, "", ""
    inside: list[str] | None = None
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside is not None:
            if fence is not None and not fence[2]:
                text = "\n".join(each.removeprefix(indent) for each in inside) + "\n"
                blocks.append(Block(language, text, remark, page, started))
                inside, remark = None, ""
            else:
                inside.append(line)
        elif fence is not None:
            inside, indent, language, started = [], fence[1], fence[2], number
        elif line.strip():
            comment = _COMMENT.match(line)
            remark = comment[1] if comment else ""
    assert inside is None, f"{page}: a block is not closed"
    return blocks


def prose_of(page: Path) -> str:
    """Return *page* without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that the headings of *page* get, as GitHub makes them."""
    found: list[str] = []
    for heading in _HEADING.findall(prose_of(page)):
        text = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.append(f"{text}-{found.count(text)}" if text in found else text)
    return set(found)


def links_of(page: Path) -> list[str]:
    """Return where *page* links to."""
    return _LINK.findall(prose_of(page))
