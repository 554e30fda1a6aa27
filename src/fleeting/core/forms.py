"""Form bodies: strict, each parameter once, and cheap (RFC 6749 §3.2, Appendix B)."""

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleeting.core.errors import InvalidRequest

MAX_PARAMETERS = 32
_REPEATABLE = frozenset({"resource", "audience"})  # RFC 8707 §2, RFC 8693 §2.1
_WRITTEN = bytes(range(ord("!"), ord("~") + 1))
"""What an encoded form is written in: anything else stands in it percent-encoded."""
_HALF_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_QUOTED_PRINTABLE = bytes.maketrans(b"%+", b"= ")


@dataclass(frozen=True, slots=True)
class Form:
    """A form body: each parameter once, but for those that an RFC lets repeat."""

    fields: Mapping[str, str]
    repeated: Mapping[str, tuple[str, ...]]

    def get(self, name: str) -> str | None:
        """Return a parameter; one without a value was not sent (RFC 6749 §3.2)."""
        return self.fields.get(name)

    def require(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self.fields.get(name)
        if value is None:
            raise InvalidRequest(f"parameter '{name}' is missing")
        return value


def parse_form(body: bytes) -> Form:
    """Read an ``application/x-www-form-urlencoded`` body (RFC 6749 §3.2, Appendix B).

    Raises:
        InvalidRequest: not form-encoded UTF-8, too many parameters, or one of them twice.
    """
    fields: dict[str, str] = {}
    repeated: dict[str, tuple[str, ...]] = {}
    for name, value in _pairs(body):
        if name in _REPEATABLE:
            repeated[name] = (*repeated.get(name, ()), value)
        elif name in fields:
            raise InvalidRequest(f"parameter '{name[:50]}' was sent more than once")
        else:
            fields[name] = value
    return Form(fields, repeated)


def _pairs(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the parameters that have a value: as ``urllib.parse.parse_qsl``, but for bad escapes.

    A percent sign that begins no escape is refused: what stands for nothing hides something.
    """
    parts = body.split(b"&")
    if len(parts) > MAX_PARAMETERS or body.translate(None, _WRITTEN) or _HALF_ENCODED.search(body):
        raise InvalidRequest(_MALFORMED)
    try:
        for part in parts:
            name, _, value = part.partition(b"=")
            if value:
                yield _decoded(name), _decoded(value)
    except UnicodeDecodeError:
        raise InvalidRequest(_MALFORMED) from None


_MALFORMED = f"the body is not form-encoded UTF-8 of at most {MAX_PARAMETERS} parameters"


def _decoded(text: bytes) -> str:
    """Decode escapes and ``+``.

    With another sign before its digits, percent-encoding is quoted-printable, which the standard
    library reads in C, five times as fast as its own ``unquote``: that was 5 % of a token.
    """
    if b"%" not in text:
        return text.replace(b"+", b" ").decode()
    signs = text.replace(b"=", b"%3D").translate(_QUOTED_PRINTABLE)
    return binascii.a2b_qp(signs).decode()
