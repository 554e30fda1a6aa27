"""Read ``WWW-Authenticate``: several challenges, each with parameters (RFC 9110 §11.6.1)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 -- the grammar's word
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*(?=,|$)')
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+|(?=,|$))")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)")
_BETWEEN = re.compile(r"[ \t,]*")
_ESCAPED = re.compile(r"\\(.)")
_MAX_LENGTH = 65_536


@dataclass(frozen=True, slots=True)
class AuthChallenge:
    """One challenge: its scheme in lower case, its parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def is_oauth(self) -> bool:
        """Whether it asks for an access token."""
        return self.scheme in ("bearer", "dpop")


def auth_challenges(response: httpx.Response) -> list[AuthChallenge]:
    """Return the challenges of *response*; what follows a mistake in a field counts no more."""
    fields = response.headers.get_list("www-authenticate")
    return [challenge for field in fields for challenge in _read_field(field)]


def _read_field(field: str) -> Iterable[AuthChallenge]:
    found: list[tuple[str, dict[str, str]]] = []
    place = _skip(field, 0) if len(field) <= _MAX_LENGTH else len(field)
    while place < len(field):
        parameter = _PARAMETER.match(field, place) if found else None
        end = _add_parameter(found, parameter) if parameter else _add_scheme(found, field, place)
        if end is None:
            break
        place = _skip(field, end)
    return [AuthChallenge(scheme, parameters) for scheme, parameters in found]


def _add_parameter(found: list[tuple[str, dict[str, str]]], match: re.Match[str]) -> int | None:
    name, word, quoted = match.groups()
    parameters = found[-1][1]
    if name.lower() in parameters:  # RFC 9110 §11.2: must occur once; which one to believe?
        found.pop()
        return None
    parameters[name.lower()] = word if word is not None else _ESCAPED.sub(r"\1", quoted)
    return match.end()


def _add_scheme(found: list[tuple[str, dict[str, str]]], field: str, place: int) -> int | None:
    match = _SCHEME.match(field, place)
    if match is None:
        return None
    found.append((match[1].lower(), {}))
    if _PARAMETER.match(field, match.end()):
        return match.end()
    token68 = _TOKEN68.match(field, match.end())
    return match.end() if token68 is None else token68.end()


def _skip(field: str, place: int) -> int:
    between = _BETWEEN.match(field, place)
    return place if between is None else between.end()
