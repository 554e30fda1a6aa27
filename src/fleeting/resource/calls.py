"""One call as the guard sees it: strictly read, so that no two readers can differ about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from fleeting.core import strict_json
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Json

Headers = Sequence[tuple[bytes, bytes]]

_MAX_QUERY_FIELDS = 100


@dataclass(slots=True, eq=False)
class Call:
    """One HTTP call to a guarded resource.

    raw_path: the path as it was sent, percent-encoding and all: what a DPoP proof speaks of.
    path_params: what the router, or the rule that matched, took out of the path.
    body: None until someone needs it; then what the application will read, too.
    """

    method: str
    raw_path: str
    query_string: bytes = b""
    headers: Headers = ()
    path_params: Mapping[str, object] = field(default_factory=dict)
    body: bytes | None = None
    _fields: dict[bytes, list[str]] | None = None
    _json: dict[str, Json] | None = None
    _query: dict[str, list[str]] | None = None

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any], path_params: Mapping[str, object]) -> "Call":
        """Return the call that an ASGI ``http`` scope describes."""
        raw_path: bytes | None = scope.get("raw_path")
        return cls(
            scope["method"],
            quote(scope["path"]) if raw_path is None else raw_path.decode("latin-1"),
            scope.get("query_string", b""),
            scope["headers"],
            path_params,
        )

    def header_values(self, name: bytes) -> list[str]:
        """Return the value of every header field called *name* (lower-case)."""
        if self._fields is None:
            self._fields = {}
            for key, value in self.headers:
                self._fields.setdefault(key, []).append(value.decode("latin-1"))
        return self._fields.get(name, [])

    def header_value(self, name: bytes) -> str | None:
        """Return the value of a header field that may come once, or None.

        Raises:
            InvalidRequest: it came more than once.
        """
        values = self.header_values(name)
        if len(values) > 1:
            raise InvalidRequest(f"send the header field {name.decode('latin-1')} once")
        return values[0] if values else None

    def path_param(self, name: str) -> str | None:
        """Return a path parameter as text, or None."""
        value = self.path_params.get(name)
        return None if value is None else str(value)

    def query_value(self, name: str) -> str | None:
        """Return the query parameter *name*, or None.

        Raises:
            InvalidRequest: it came more than once, or the query is not form-encoded UTF-8.
        """
        if self._query is None:
            self._query = _read_query(self.query_string)
        values = self._query.get(name, [])
        if len(values) > 1:
            raise InvalidRequest(f"query parameter '{name}' was sent more than once")
        return values[0] if values else None

    def json(self) -> dict[str, Json]:
        """Return the body, a JSON object, read strictly (RFC 8259).

        Raises:
            InvalidRequest: not declared as JSON, compressed, not UTF-8, not an object, or JSON
                that two parsers could read differently.
        """
        if self._json is None:
            _check_content(self)
            self._json = _read_object(self.body or b"")
        return self._json


def _read_query(query_string: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("the query is not form-encoded UTF-8 of a sane size") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _check_content(call: Call) -> None:
    """Refuse what another reader might decode otherwise, or not take for JSON at all."""
    media_type, _, parameters = (call.header_value(b"content-type") or "").partition(";")
    essence = media_type.strip().lower()
    json_suffix = essence.startswith("application/") and essence.endswith("+json")
    if essence != "application/json" and not json_suffix:
        raise InvalidRequest("send the body as application/json")
    charset = parameters.strip().lower().replace('"', "")
    if charset not in ("", "charset=utf-8"):
        raise InvalidRequest("JSON is UTF-8: send no other charset")
    if (call.header_value(b"content-encoding") or "identity").lower() != "identity":
        raise InvalidRequest("send the body without Content-Encoding")


def _read_object(body: bytes) -> dict[str, Json]:
    try:
        # Decoded here: from bytes, the parser would also guess UTF-16 and UTF-32.
        value = strict_json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8") from None
    except strict_json.JsonError as error:
        raise InvalidRequest(f"the body is not acceptable JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value
