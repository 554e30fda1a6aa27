"""Paths that every router reads alike, and the templates that rules name them by.

A path that a guard and an application could read differently is refused before it is matched:
empty and dot segments, encoded separators, backslashes, control characters, bad UTF-8. What is
left is matched exactly: case, trailing slash and all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleeting.core.errors import InvalidRequest

_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\\\ufffd\ud800-\udfff]|//|/\.\.?(?:/|\Z)")
_ENCODED_SEPARATOR = re.compile(rb"%2f|%5c", re.IGNORECASE)
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}")
_CONVERTERS = {"str": "[^/]+", "int": "[0-9]+", "path": ".*"}
_SAMPLES = {"str": "x", "int": "0", "path": "x/x"}


def route_path(scope: Mapping[str, Any]) -> str:
    """Return the path that an application routes by: decoded, below its ``root_path``.

    Raises:
        InvalidRequest: two routers could read the path differently.
    """
    path: str = scope["path"]
    if not path.startswith("/") or _AMBIGUOUS.search(path):
        raise InvalidRequest("the path must be plain: no empty or dot segments, no control codes")
    if _ENCODED_SEPARATOR.search(scope.get("raw_path") or b""):
        raise InvalidRequest("the path must not hide a separator in percent-encoding")
    return below_root(path, scope.get("root_path", ""))


def below_root(path: str, root_path: str) -> str:
    """Return *path* without *root_path*, where it is below it, to the letter as Starlette does."""
    if root_path and path.startswith(root_path) and path[len(root_path) :][:1] in ("", "/"):
        return path[len(root_path) :]
    return path


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with parameters: ``/payments/{payment_id}/refunds``, ``/files/{name:path}``."""

    text: str
    names: tuple[str, ...]
    pattern: re.Pattern[str]
    loose: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "PathTemplate":
        """Read a template as Starlette and FastAPI write it; kinds are str, int and path.

        Raises:
            ValueError: with what to write instead.
        """
        if not text.startswith("/"):
            raise ValueError(f"path {text!r} must start with '/'")
        names = tuple(found[1] for found in _PARAMETER.finditer(text))
        if len(set(names)) < len(names):
            raise ValueError(f"path {text!r} names a parameter twice")
        source = _pattern(text)
        slashless = _pattern(text.rstrip("/"))
        loose = re.compile(f"{slashless}/?", re.IGNORECASE | re.DOTALL)
        return cls(text, names, re.compile(source, re.DOTALL), loose)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters of *path*, or None if it is another path."""
        found = self.pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    def sample(self) -> str:
        """Return a path that matches, and few others would."""
        return _PARAMETER.sub(lambda found: _SAMPLES[found[2] or "str"], self.text)


def _pattern(text: str) -> str:
    parts: list[str] = []
    end = 0
    for found in _PARAMETER.finditer(text):
        converter = _CONVERTERS.get(found[2] or "str")
        if converter is None:
            raise ValueError(f"path {text!r}: kind '{found[2]}' is not str, int or path")
        parts += [_literal(text, text[end : found.start()]), f"(?P<{found[1]}>{converter})"]
        end = found.end()
    return "".join([*parts, _literal(text, text[end:])])


def _literal(text: str, part: str) -> str:
    if "{" in part or "}" in part:
        raise ValueError(f"path {text!r}: write a parameter as {{name}} or {{name:path}}")
    return re.escape(part)
