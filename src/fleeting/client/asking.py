"""Ask the issuer: prove who asks and which key asks, mind its nonce, and read the token.

Everything here is a flow (``client.wire``): it does no I/O, so that threads and tasks share it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

import httpx

from fleeting.client.answers import private_values, success, wants_nonce
from fleeting.client.discovery import Known, issuer_endpoint
from fleeting.client.errors import IssuerUnavailableError, UnexpectedAnswerError, readable
from fleeting.client.identity import Identity, clock, form_request
from fleeting.client.remembering import Nonces
from fleeting.client.tokens import Token, read_token
from fleeting.client.wire import Answer, Fetch, Flow, Unreachable
from fleeting.core.challenge import Challenge
from fleeting.core.model import Json
from fleeting.core.requests import CLIENT_CREDENTIALS, TOKEN_EXCHANGE

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
ISSUER = "issuer"
"""Whose nonces: an issuer and a resource at one origin need not share them."""


@dataclass(frozen=True, slots=True)
class Asker:
    """One client at one issuer, with what it remembers."""

    identity: Identity
    known: Known = field(default_factory=Known.nothing, repr=False)
    nonces: Nonces = field(default_factory=Nonces, repr=False)
    now: Callable[[], datetime] = field(default=clock, repr=False)


class Wish(TypedDict, total=False):
    """What to ask the token endpoint for; each is optional, but something must be asked for.

    authorization_details: operations (RFC 9396). scope: OAuth scopes, as text or one by one.
    resource: whose operations these are (RFC 8707). context: the ``request_context``.
    subject_token: whose authority to use (RFC 8693); left out, the client's own. An empty one is
    an error, never the client's own authority in its place.
    actor_token: who acts for that subject.
    """

    authorization_details: Sequence[Mapping[str, Json]]
    scope: str | Iterable[str]
    resource: str
    context: Mapping[str, Json]
    subject_token: str
    subject_token_type: str
    actor_token: str
    actor_token_type: str


def obtain(asker: Asker, wish: Wish) -> Flow[Token]:
    """Obtain a token for *wish* at the token endpoint (RFC 6749 §4.4, RFC 8693 §2.1)."""
    return (yield from _token(asker, "token_endpoint", wish_form(wish)))


def wish_form(wish: Wish) -> dict[str, str]:
    """Return *wish* as the form of a token request (RFC 6749 §4.4.2, RFC 8693 §2.1)."""
    grant_type = TOKEN_EXCHANGE if "subject_token" in wish else CLIENT_CREDENTIALS
    return _optional(
        grant_type=grant_type,
        scope=_scope_text(wish.get("scope")),
        resource=wish.get("resource"),
        authorization_details=_json_text(wish.get("authorization_details")),
        **_circumstances(wish),
    )


def _circumstances(wish: Wish) -> dict[str, str]:
    """Return for whom and why, which goes with a challenge as with a token request."""
    form = _optional(request_context=_json_text(wish.get("context")))
    if "subject_token" in wish:
        form["subject_token"] = _present(wish["subject_token"], "subject_token")
        form["subject_token_type"] = wish.get("subject_token_type", JWT_TYPE)
    if "actor_token" in wish:
        form["actor_token"] = _present(wish["actor_token"], "actor_token")
        form["actor_token_type"] = wish.get("actor_token_type", JWT_TYPE)
    return form


def _present(token: object, name: str) -> str:
    """Return *token* if there is one: without it, the client's own authority would be used."""
    if isinstance(token, str) and token:
        return token
    raise ValueError(f"{name} is empty: leave it out to ask for the client itself")


def answer_challenge(asker: Asker, text: str, challenge: Challenge, wish: Wish) -> Flow[Token]:
    """Trade a validated challenge for a token (draft-rosomakho-oauth-txn-challenge §4.1).

    wish: for whom and why; what is asked for is the challenge itself. The token must be for the
    same transaction: one with another ``txn`` would be good for another.
    """
    form = {"transaction_challenge": text, **_circumstances(wish)}
    token = yield from _token(asker, "transaction_authorization_endpoint", form)
    if token.txn not in (None, challenge.txn):
        raise UnexpectedAnswerError("the token is for another transaction than the challenge")
    return token


def revoke(asker: Asker, token: Token) -> Flow[None]:
    """End *token* (RFC 7009 §2.1)."""
    form = {"token": token.value, "token_type_hint": "access_token"}
    answer, private = yield from _post(asker, "revocation_endpoint", form)
    if answer.status != 200:  # noqa: PLR2004 -- RFC 7009 §2.2: the body says nothing then
        success(answer, private)


def _token(asker: Asker, endpoint: str, form: Mapping[str, str]) -> Flow[Token]:
    asked_at = asker.now()
    answer, private = yield from _post(asker, endpoint, form)
    body = success(answer, private)
    return read_token(body, asked_at=asked_at, bound=asker.identity.proof_key is not None)


def _post(
    asker: Asker, endpoint: str, form: Mapping[str, str]
) -> Flow[tuple[Answer, tuple[str, ...]]]:
    """Post *form*, once more if the issuer wants its nonce (RFC 9449 §8).

    Return the answer, and the credentials that no message may repeat.
    """
    identity, now = asker.identity, asker.now()
    url = yield from issuer_endpoint(asker.known, identity.issuer, endpoint, now)
    answer, private = yield from _attempt(asker, url, form)
    if wants_nonce(answer):
        answer, private = yield from _attempt(asker, url, form)
    return answer, private


def _attempt(
    asker: Asker, url: httpx.URL, form: Mapping[str, str]
) -> Flow[tuple[Answer, tuple[str, ...]]]:
    request = _authenticated(asker, url, form)
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


def _optional(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None}


def _scope_text(scope: str | Iterable[str] | None) -> str | None:
    return scope if scope is None or isinstance(scope, str) else " ".join(scope)


def _json_text(value: Any) -> str | None:  # noqa: ANN401 -- it is JSON
    return None if value is None else json.dumps(value, ensure_ascii=False)
