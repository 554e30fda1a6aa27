"""Post to the issuer: prove who asks and which key asks, and mind its nonce.

Everything here is a flow (``client.wire``): it does no I/O, so that threads and tasks share it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from fleeting.client.answers import private_values, wants_nonce
from fleeting.client.discovery import Known, issuer_endpoint
from fleeting.client.errors import IssuerUnavailableError, readable
from fleeting.client.identity import Identity, clock, form_request
from fleeting.client.remembering import Nonces
from fleeting.client.wire import Answer, Fetch, Flow, Unreachable

ISSUER = "issuer"
"""Whose nonces: an issuer and a resource at one origin need not share them."""

NO_HOLD = timedelta(0)
_ANSWER_IN_SECONDS = 10.0
"""What an answer may take beyond the time that it is held back."""


@dataclass(frozen=True, slots=True)
class Asker:
    """One client at one issuer, with what it remembers."""

    identity: Identity
    known: Known = field(default_factory=Known.nothing, repr=False)
    nonces: Nonces = field(default_factory=Nonces, repr=False)
    now: Callable[[], datetime] = field(default=clock, repr=False)


def post(
    asker: Asker, endpoint: str, form: Mapping[str, str], *, hold: timedelta = NO_HOLD
) -> Flow[tuple[Answer, tuple[str, ...]]]:
    """Post *form*, once more if the issuer wants its nonce (RFC 9449 §8).

    hold: how long the issuer may hold its answer back for people to decide.
    Return the answer, and the credentials that no message may repeat.
    """
    identity, now = asker.identity, asker.now()
    url = yield from issuer_endpoint(asker.known, identity.issuer, endpoint, now)
    answer, private = yield from _attempt(asker, url, form, hold)
    if wants_nonce(answer):
        answer, private = yield from _attempt(asker, url, form, hold)
    return answer, private


def _attempt(
    asker: Asker, url: httpx.URL, form: Mapping[str, str], hold: timedelta
) -> Flow[tuple[Answer, tuple[str, ...]]]:
    request = _authenticated(asker, url, form)
    if hold:
        _hold_back(request, hold)
    credential = asker.identity.credential
    secret = (credential,) if isinstance(credential, str) else ()
    private = (*private_values(request), *secret)
    answer = yield Fetch(request)
    if isinstance(answer, Unreachable):
        raise IssuerUnavailableError(readable(answer.why, private))
    asker.nonces.notice(ISSUER, url, answer.headers)
    return answer, private


def _authenticated(asker: Asker, url: httpx.URL, form: Mapping[str, str]) -> httpx.Request:
    now = asker.now()
    headers, fields = asker.identity.authentication(now)
    request = form_request(url, {**form, **fields}, headers)
    nonce = asker.nonces.latest(ISSUER, url)
    proof = asker.identity.proof(request, nonce=nonce, token=None, now=now)
    if proof is not None:
        request.headers["DPoP"] = proof
    return request


def _hold_back(request: httpx.Request, hold: timedelta) -> None:
    """Ask that the answer be held back so long (RFC 7240 §4.3), and allow for it."""
    seconds = max(1, int(hold.total_seconds()))
    request.headers["Prefer"] = f"wait={seconds}"
    usual = httpx.Timeout(_ANSWER_IN_SECONDS)
    request.extensions["timeout"] = {
        **usual.as_dict(),
        "read": seconds + _ANSWER_IN_SECONDS,
    }
