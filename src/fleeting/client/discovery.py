"""Find the endpoints of the one issuer, and the challenge keys of a resource (RFC 8414, RFC 9728).

Each document is asked for at the place that its name prescribes, must bear that name, and may only
point into its own origin. What a resource says about authorization servers is not read at all: it
has no say in where credentials go (CVE-2026-104850, CVE-2026-115563).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from fleeting.client.answers import read_object
from fleeting.client.errors import (
    ChallengeRefusedError,
    IssuerMismatchError,
    IssuerUnavailableError,
    UnexpectedAnswerError,
    readable,
)
from fleeting.client.identity import document_request
from fleeting.client.origins import is_secure, origin, parse_plain_url
from fleeting.client.remembering import Documents, Seen
from fleeting.client.wire import Answer, Fetch, Flow, Unreachable
from fleeting.core.jose import JoseError, KeySet
from fleeting.core.metadata import AS_METADATA, RESOURCE_METADATA, well_known

METADATA_LIFE = timedelta(minutes=10)
KEYS_LIFE = timedelta(minutes=10)
KEYS_REFRESH_AFTER = timedelta(seconds=5)
"""An unknown key may make us look again, but not more often than this."""

ENDPOINTS = (
    "token_endpoint",
    "transaction_authorization_endpoint",
    "revocation_endpoint",
    "access_request_endpoint",
)
_OK = 200
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Known:
    """What discovery found out, remembered for a while."""

    issuers: Documents[Mapping[str, httpx.URL]]
    resources: Documents[str]
    keys: Documents[KeySet]

    @classmethod
    def nothing(cls) -> "Known":
        """Begin with nothing known."""
        return cls(Documents(METADATA_LIFE), Documents(METADATA_LIFE), Documents(KEYS_LIFE))


def issuer_endpoint(known: Known, issuer: str, name: str, now: datetime) -> Flow[httpx.URL]:
    """Return the issuer's endpoint that its metadata calls *name* (RFC 8414 §3).

    Raises:
        IssuerUnavailableError: the metadata cannot be had.
        IssuerMismatchError: it is another issuer's, or points to another origin.
        UnexpectedAnswerError: it is malformed, or lacks the endpoint.
    """
    seen = known.issuers.get(issuer, now)
    if seen is None:
        answer = yield Fetch(document_request(well_known(issuer, AS_METADATA)))
        endpoints = read_issuer_metadata(_issuer_document(answer), issuer)
        seen = known.issuers.put(issuer, endpoints, now)
    url = seen.value.get(name)
    if url is None:
        raise UnexpectedAnswerError(f"the issuer's metadata has no '{name}'")
    return url


def _issuer_document(answer: Answer | Unreachable) -> dict[str, Any]:
    if isinstance(answer, Unreachable):
        raise IssuerUnavailableError(f"its metadata cannot be fetched: {readable(answer.why)}")
    if answer.status >= _SERVER_FAULT:
        raise IssuerUnavailableError("its metadata cannot be had now", status=answer.status)
    body = read_object(answer) if answer.status == _OK else None
    if body is None:
        raise UnexpectedAnswerError(
            f"there is no authorization server metadata: HTTP status {answer.status}",
            status=answer.status,
        )
    return body


def read_issuer_metadata(body: Mapping[str, Any], issuer: str) -> dict[str, httpx.URL]:
    """Return the endpoints in the metadata of *issuer* (RFC 8414 §3.3: MUST be identical).

    Raises:
        IssuerMismatchError: it is another issuer's, or points to another origin.
    """
    named = body.get("issuer")
    if named != issuer:
        text = readable(named) if isinstance(named, str) else ""
        raise IssuerMismatchError(
            f"its metadata is that of {text or 'nobody'}", expected=issuer, named=text
        )
    return {
        name: _own_endpoint(body[name], name, issuer)
        for name in ENDPOINTS
        if body.get(name) is not None
    }


def _own_endpoint(value: object, name: str, issuer: str) -> httpx.URL:
    url, home = parse_plain_url(value), parse_plain_url(issuer)
    if url is None or home is None or origin(url) != origin(home):
        text = readable(value) if isinstance(value, str) else ""
        raise IssuerMismatchError(
            f"the '{name}' in its metadata is not a URL at its own origin",
            expected=issuer,
            named=text,
        )
    return url


def resource_keys(
    known: Known, resource: str, now: datetime, *, other_than: Seen[KeySet] | None = None
) -> Flow[Seen[KeySet]]:
    """Return the keys that *resource* signs challenges with (draft-rosomakho §3.3).

    other_than: keys that did not fit: younger ones are fetched, unless these are young already.

    Raises:
        ChallengeRefusedError: there are none, or not where they must be.
    """
    if other_than is not None and now - other_than.at < KEYS_REFRESH_AFTER:
        return other_than
    place = known.resources.get(resource, now)
    if place is None or other_than is not None:
        answer = yield Fetch(document_request(well_known(resource, RESOURCE_METADATA)))
        uri = read_resource_metadata(_resource_document(answer, "metadata"), resource)
        place = known.resources.put(resource, uri, now)
    keys = known.keys.get(place.value, now)
    if keys is None or other_than is not None:
        answer = yield Fetch(document_request(place.value))
        keys = known.keys.put(place.value, _key_set(_resource_document(answer, "keys")), now)
    return keys


def _resource_document(answer: Answer | Unreachable, what: str) -> dict[str, Any]:
    if isinstance(answer, Unreachable):
        why = readable(answer.why)
        raise ChallengeRefusedError(f"the resource's {what} cannot be fetched: {why}")
    body = read_object(answer) if answer.status == _OK else None
    if body is None:
        raise ChallengeRefusedError(
            f"the resource publishes no {what}: HTTP status {answer.status}", status=answer.status
        )
    return body


def read_resource_metadata(body: Mapping[str, Any], resource: str) -> str:
    """Return where *resource* publishes its challenge keys (RFC 9728 §3.3: MUST be identical).

    Raises:
        ChallengeRefusedError: it is another resource's metadata, or points to another origin.
    """
    if body.get("resource") != resource:
        raise ChallengeRefusedError("the resource's metadata is that of another resource")
    uri = body.get("txn_challenge_jwks_uri")
    url, home = parse_plain_url(uri), parse_plain_url(resource)
    if url is None or home is None or origin(url) != origin(home) or not is_secure(url):
        raise ChallengeRefusedError(
            "the 'txn_challenge_jwks_uri' of the resource is not a URL at its own origin"
        )
    return str(uri)


def _key_set(body: Mapping[str, Any]) -> KeySet:
    try:
        return KeySet.from_jwks(body)
    except JoseError as error:
        raise ChallengeRefusedError(f"the resource's keys are {error}") from None
