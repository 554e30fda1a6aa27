"""Read what people send: bounded forms and strict JSON objects, nothing twice, nothing unknown."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from urllib.parse import parse_qsl

from starlette.requests import Request

from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Json
from fleeting.core.strict_json import JsonError, loads
from fleeting.server.endpoints import read_body

MAX_BODY_BYTES = 262_144
_MAX_FIELDS = 1_000
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_LONGEST_TEXT = 2_000


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form; a line ends in a line feed alone.

    Raises:
        InvalidRequest: it is none, is too large, or has a field twice.
    """
    _check_media_type(request, _FORM)
    body = await read_body(request.receive, MAX_BODY_BYTES)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("the body is not a form") from None
    fields = {name: value.replace("\r\n", "\n") for name, value in pairs}
    if len(fields) != len(pairs):
        raise InvalidRequest("a field was sent more than once")
    return fields


async def read_object(request: Request) -> dict[str, Json]:
    """Return the JSON object that was posted.

    Raises:
        InvalidRequest: it is none, or is too large.
    """
    _check_media_type(request, _JSON)
    body = await read_body(request.receive, MAX_BODY_BYTES)
    try:
        value = loads(body)
    except JsonError as error:
        raise InvalidRequest(f"the body is not acceptable JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("send a JSON object")
    return cast("dict[str, Json]", value)


def _check_media_type(request: Request, wanted: str) -> None:
    sent = request.headers.getlist("content-type")
    if [each.partition(";")[0].strip().lower() for each in sent] != [wanted]:
        raise InvalidRequest(f"send a body of type {wanted}")


@dataclass(frozen=True, slots=True)
class Members:
    """What a deed was sent, member by member, each of the type that it must have."""

    values: Mapping[str, Json]

    def allow_only(self, known: Collection[str]) -> None:
        """Refuse every member that means nothing: it is a mistake, never to be ignored."""
        for name in self.values:
            if name not in known:
                which = f"; known are {', '.join(sorted(known))}" if known else ": it takes none"
                raise InvalidRequest(f"unknown member '{name[:50]}'{which}")

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text without blanks around it, *default* where there is none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"'{name}' must be a string")
        found = (value or "").strip()
        if len(found) > _LONGEST_TEXT:
            raise InvalidRequest(f"'{name}' is longer than {_LONGEST_TEXT} characters")
        if found:
            return found
        if default is None:
            raise InvalidRequest(f"'{name}' is missing: say it in a few words")
        return default

    def instant(self, name: str) -> datetime:
        """Return an instant, in UTC where it does not say."""
        try:
            at = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise InvalidRequest(f"'{name}' must be a time, such as 2026-10-01T12:00Z") from None
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
