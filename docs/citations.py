"""Find which functions cite which section of which standard, and which tests exercise them."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fleeting"
TESTS = ROOT / "tests"

DRAFT = "txn-challenge draft"
FAPI = "FAPI 2.0 Security Profile"
AUTHZEN = "AuthZEN"
ARAP = "ARAP"
_STANDARD = re.compile(
    r"(?P<rfc>RFC \d+)|(?P<draft>\bdraft-rosomakho[a-z0-9-]*|\bdraft\b)|(?P<fapi>FAPI 2\.0)"
    r"|(?P<authzen>AuthZEN|ARAP)(?= §)"
)
_SECTION = re.compile(r"(?: Security Profile)?[^\S\n]*\(?§(\d+(?:\.\d+)*)")
_MORE = re.compile(r",? (?:and )?§(\d+(?:\.\d+)*)")


@dataclass(frozen=True, order=True)
class Section:
    """A section of a standard; number is "" where the whole of it is meant."""

    standard: str
    number: str


@dataclass(frozen=True, order=True)
class Citer:
    """A function, class or module that cites: where it is, and its name in there ("": itself)."""

    path: Path
    name: str

    @property
    def module(self) -> str:
        """The dotted name of its module."""
        parts = self.path.relative_to(SOURCE.parent).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__")


def cited() -> dict[Section, list[Citer]]:
    """Return who cites each section, in docstrings and comments of the whole package."""
    found: defaultdict[Section, set[Citer]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        owners = list(_owners(ast.parse(text)))
        for line, words in _words(text):
            for section in sections(words):
                found[section].add(Citer(path, _owner(owners, line)))
    return {section: sorted(citers) for section, citers in found.items()}


def sections(text: str) -> Iterator[Section]:
    """Return every section that *text* cites; a standard alone where it names none."""
    for found in _STANDARD.finditer(text):
        name = DRAFT if found["draft"] else found["rfc"] or found["authzen"] or FAPI
        first = _SECTION.match(text, found.end())
        if first is None:
            if name != DRAFT:  # "draft" alone is a word like any other
                yield Section(name, "")
            continue
        yield Section(name, first[1])
        end = first.end()
        while (more := _MORE.match(text, end)) is not None:
            yield Section(name, more[1])
            end = more.end()


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Return docstrings and runs of comments, each with its first line."""
    comment, started, last = "", 0, 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line = token.start[0]
        if token.type == tokenize.STRING and token.string.lstrip("rf").startswith('"""'):
            yield line, " ".join(token.string.split())
        elif token.type == tokenize.COMMENT and line == last + 1 and comment:
            comment, last = f"{comment} {token.string.lstrip('# ')}", line
        elif token.type == tokenize.COMMENT:
            if comment:
                yield started, comment
            comment, started, last = token.string.lstrip("# "), line, line
    if comment:
        yield started, comment


def _owners(tree: ast.AST, prefix: str = "") -> Iterator[tuple[int, int, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            yield node.lineno, node.end_lineno or node.lineno, name
            if isinstance(node, ast.ClassDef):
                yield from _owners(node, f"{name}.")


def _owner(owners: Iterable[tuple[int, int, str]], line: int) -> str:
    """Return the innermost definition around *line*."""
    around = [(end - start, name) for start, end, name in owners if start <= line <= end]
    return min(around)[1] if around else ""


class Exercised:
    """Which test files exercise which module: the one that mirrors it, or those that import it."""

    def __init__(self) -> None:
        self._imports = {path: _imported(path) for path in sorted(TESTS.rglob("test_*.py"))}

    def tests_of(self, citer: Citer) -> list[Path]:
        """Return the test files for *citer*: mirror first, else importers, else its room's."""
        inside = citer.path.relative_to(SOURCE)
        mirror = TESTS / inside.parent / f"test_{inside.stem}.py"
        if mirror in self._imports:
            return [mirror]
        module, name = citer.module, citer.name.partition(".")[0]
        named = [path for path, names in self._imports.items() if f"{module}.{name}" in names]
        importing = [path for path, names in self._imports.items() if module in names]
        room = [path for path in self._imports if path.parent == TESTS / inside.parent]
        return named or importing or room


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fleeting"):
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def order(section: Section) -> tuple[int, str, list[int]]:
    """Return by what the table is sorted: RFCs by number, then the rest; then the sections."""
    number = re.search(r"\d+$", section.standard)
    rfc = int(number[0]) if number and section.standard.startswith("RFC") else 10**6
    return rfc, section.standard, [int(part) for part in section.number.split(".") if part]


TITLES: Mapping[str, str] = {
    "RFC 3986": "URI: generic syntax",
    "RFC 4648": "Base64url",
    "RFC 5869": "HKDF",
    "RFC 6749": "OAuth 2.0",
    "RFC 6750": "Bearer token usage",
    "RFC 7009": "Token revocation",
    "RFC 7515": "JWS",
    "RFC 7517": "JWK",
    "RFC 7518": "JWA",
    "RFC 7519": "JWT",
    "RFC 7521": "Assertions",
    "RFC 7523": "JWT client authentication",
    "RFC 7617": "Basic authentication",
    "RFC 7638": "JWK thumbprint",
    "RFC 7662": "Token introspection",
    "RFC 7800": "Proof of possession (cnf)",
    "RFC 8259": "JSON",
    "RFC 8414": "Authorization server metadata",
    "RFC 8628": "Device grant (error codes)",
    "RFC 8693": "Token exchange",
    "RFC 8705": "mTLS-bound tokens",
    "RFC 8707": "Resource indicators",
    "RFC 8725": "JWT best practice",
    "RFC 9068": "JWT access tokens",
    "RFC 9110": "HTTP semantics",
    "RFC 9396": "Rich authorization requests",
    "RFC 9449": "DPoP",
    "RFC 9470": "Step-up authentication",
    "RFC 9651": "Structured fields",
    "RFC 9700": "OAuth security best practice",
    "RFC 9728": "Protected resource metadata",
    "RFC 9864": "Fully-specified algorithms",
    "RFC 10070": "Audience of client assertions",
    DRAFT: "OAuth transaction authorization challenge",
    FAPI: "FAPI 2.0 Security Profile",
    AUTHZEN: "Authorization API 1.0",
    ARAP: "AuthZEN Access Request and Approval Profile, draft 1",
}
"""What the standards are about, in a few words."""
