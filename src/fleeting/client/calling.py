"""Make one call as a flow: present, be challenged, validate, ask, present again.

Three kinds of steps leave this flow: an ``httpx.Request`` is the call itself, which the caller's
own httpx client sends; a ``Fetch`` goes to the issuer, or fetches a public document; a ``Rest`` is
a while to wait.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx

from fleeting.client.asking import PATIENT, Wish, answer_challenge
from fleeting.client.authenticate_header import AuthChallenge, auth_challenges
from fleeting.client.calling_issuer import Asker
from fleeting.client.discovery import resource_keys
from fleeting.client.errors import (
    ChallengeRefusedError,
    InsecureUrlError,
    IssuerMismatchError,
    TokenRefusedError,
    readable,
)
from fleeting.client.origins import covers, is_secure, origin, parse_plain_url
from fleeting.client.pending import Patience
from fleeting.client.remembering import HeldTokens
from fleeting.client.tokens import DPOP, Token
from fleeting.client.wire import Fetched, Flow, Step
from fleeting.core.challenge import ACCEPT_HEADER, Challenge, challenge_resource, read_challenge
from fleeting.core.errors import OAuthError
from fleeting.core.jose import JoseError, KeySet, UnknownKeyError, UnverifiedJwt

CallFlow: TypeAlias = Generator[httpx.Request | Step, httpx.Response | Fetched, None]
Presenting: TypeAlias = Generator[httpx.Request, httpx.Response, httpx.Response]

RESOURCE = "resource"
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_KEYED_HEADERS = ("authorization", "cookie", "content-type")


@dataclass(frozen=True, slots=True)
class Caller:
    """One ``JustInTime``: who asks, and which tokens may be presented again.

    resource: the only resource whose challenges are accepted; None: the one the call goes to.
    patience: how long to wait for people.
    """

    asker: Asker
    resource: str | None = None
    patience: Patience = PATIENT
    held: HeldTokens = field(default_factory=HeldTokens, repr=False)


def call(caller: Caller, request: httpx.Request, wish: Wish) -> CallFlow:
    """Make the call *request*, obtaining a token for it when the resource asks for one.

    wish: for whom and why; what is needed is the resource's to say.

    Raises:
        FleetingError: a refusal of the issuer, of the resource, or of this flow itself.
    """
    key = call_key(request, wish.get("subject_token"))
    request.headers[ACCEPT_HEADER] = "?1"
    response = yield from _call_with_held(caller, request, key)
    text = _transaction_challenge(response)
    if text is None:
        return
    challenged = _challenged_call(request, response)
    challenge = yield from _validated(caller, text, challenged.url)
    token = yield from answer_challenge(caller.asker, text, challenge, wish, caller.patience)
    # No second challenge would be followed: without it, a refusal says what is wrong.
    challenged.headers.pop(ACCEPT_HEADER, None)
    response = yield from present(caller.asker, challenged, token)
    raise_if_refused(response, token)
    if challenged is request:
        caller.held.hold(key, token)


def call_key(request: httpx.Request, subject_token: str | None) -> bytes:
    """Return what must be equal for a token to be presented again: the simplest safe rule.

    Method, URL, body, content type, whose authority is used, and the credentials that the call
    has of its own. Anything else is another operation, and asks again.
    """
    headers = [request.headers.get(name, "") for name in _KEYED_HEADERS]
    parts = [request.method, str(request.url), *headers, subject_token or ""]
    digest = hashlib.sha256()
    for part in (*(part.encode() for part in parts), request.content):
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def _call_with_held(caller: Caller, request: httpx.Request, key: bytes) -> Presenting:
    """Send the call: with a token held for it; without one if there is none, or it is refused."""
    token = caller.held.take(key, caller.asker.now())
    if token is None:
        return (yield from _send(caller.asker, request))
    response = yield from present(caller.asker, request, token)
    if _refusal(response) is None:
        return response
    caller.held.drop(key, token)
    if _transaction_challenge(response) is not None:
        return response
    return (yield from _send(caller.asker, request))


def present(asker: Asker, request: httpx.Request, token: Token) -> Presenting:
    """Send *request* with *token* and a proof of its key, once more if a nonce is wanted.

    The token does not stay in *request*, which the caller may keep, log or send again.

    Raises:
        InsecureUrlError: the call is neither https nor http on loopback.
    """
    if not is_secure(request.url):
        raise InsecureUrlError("a token is sent to https, or to http on loopback, only")
    own = request.headers.get("authorization")
    try:
        _add_token(asker, request, token)
        response = yield from _send(asker, request)
        if not _wants_nonce(response):
            return response
        _add_token(asker, request, token)
        return (yield from _send(asker, request))
    finally:
        _withdraw(request, own)


def _send(asker: Asker, request: httpx.Request) -> Presenting:
    response = yield request
    asker.nonces.notice(RESOURCE, response.url, response.headers)
    return response


def _add_token(asker: Asker, request: httpx.Request, token: Token) -> None:
    request.headers["authorization"] = f"{token.type} {token.value}"
    if token.type != DPOP:
        return
    nonce = asker.nonces.latest(RESOURCE, request.url)
    proof = asker.identity.proof(request, nonce=nonce, token=token.value, now=asker.now())
    if proof is not None:
        request.headers["dpop"] = proof


def _withdraw(request: httpx.Request, own: str | None) -> None:
    request.headers.pop("authorization", None)
    request.headers.pop("dpop", None)
    if own is not None:
        request.headers["authorization"] = own


def _wants_nonce(response: httpx.Response) -> bool:
    refusal = _refusal(response)
    return refusal is not None and refusal.parameters.get("error") == "use_dpop_nonce"


def raise_if_refused(response: httpx.Response, token: Token) -> None:
    """Raise if the resource does not accept *token* (RFC 6750 §3.1, RFC 9449 §7.1).

    Raises:
        TokenRefusedError: with the reason that the resource gives.
    """
    refusal = _refusal(response)
    if refusal is None:
        return
    texts = (refusal.parameters.get(name, "") for name in ("error", "error_description"))
    error, description = (readable(text, (token.value,)) for text in texts)
    raise TokenRefusedError(
        description or error or "the resource does not say why",
        error=error,
        description=description,
        txn=token.txn,
        status=response.status_code,
    )


def _refusal(response: httpx.Response) -> AuthChallenge | None:
    """Return what *response* has against the access token, if it refuses one."""
    if response.status_code not in (_UNAUTHORIZED, _FORBIDDEN):
        return None
    asked = [challenge for challenge in auth_challenges(response) if challenge.is_oauth]
    with_error = [challenge for challenge in asked if "error" in challenge.parameters]
    if with_error:
        return with_error[0]
    return asked[0] if asked and response.status_code == _UNAUTHORIZED else None


def _transaction_challenge(response: httpx.Response) -> str | None:
    if response.status_code != _UNAUTHORIZED:
        return None
    texts = {
        challenge.parameters["transaction_challenge"]
        for challenge in auth_challenges(response)
        if challenge.is_oauth and "transaction_challenge" in challenge.parameters
    }
    if len(texts) > 1:
        raise ChallengeRefusedError("the resource sent several different ones at once")
    return texts.pop() if texts else None


def _challenged_call(request: httpx.Request, response: httpx.Response) -> httpx.Request:
    """Return the call to repeat: where a redirect led to, if it is still the same origin."""
    asked = response.request
    if asked is request or asked.url == request.url:
        return request
    if origin(asked.url) != origin(request.url):
        raise ChallengeRefusedError(
            "the call was redirected to another origin: if that is meant, call it by its own URL"
        )
    asked.read()
    return asked


def _validated(caller: Caller, text: str, url: httpx.URL) -> Flow[Challenge]:
    """Validate a challenge as its client must (draft-rosomakho-oauth-txn-challenge §3.5).

    First what it claims, which decides whose keys count; then its signature; then all claims.
    """
    _check_issuer(text, caller.asker.identity.issuer)
    resource = _claimed_resource(caller, text, url)
    seen = yield from resource_keys(caller.asker.known, resource, caller.asker.now())
    try:
        return _read(caller, text, resource, seen.value)
    except UnknownKeyError:
        now = caller.asker.now()
        seen = yield from resource_keys(caller.asker.known, resource, now, other_than=seen)
    except (JoseError, OAuthError) as error:
        raise ChallengeRefusedError(readable(str(error))) from None
    try:
        return _read(caller, text, resource, seen.value)
    except (JoseError, OAuthError) as error:
        raise ChallengeRefusedError(readable(str(error))) from None


def _read(caller: Caller, text: str, resource: str, keys: KeySet) -> Challenge:
    issuer, now = caller.asker.identity.issuer, caller.asker.now()
    return read_challenge(text, keys, resource=resource, authorization_server=issuer, now=now)


def _check_issuer(text: str, issuer: str) -> None:
    """Refuse a challenge for another issuer, before anything is sent anywhere (ATTACKS 36)."""
    try:
        named = UnverifiedJwt.parse(text).claimed("aud")
    except JoseError as error:
        raise ChallengeRefusedError(str(error)) from None
    if named != issuer:
        other = readable(named) if isinstance(named, str) else ""
        raise IssuerMismatchError(
            f"the resource wants a token of {other or 'nobody'}, the credentials are for {issuer}",
            expected=issuer,
            named=other,
        )


def _claimed_resource(caller: Caller, text: str, url: httpx.URL) -> str:
    """Return the resource that a challenge claims to be of, if it can be the one called."""
    claimed = challenge_resource(text)
    resource = parse_plain_url(claimed)
    if claimed is None or resource is None or not covers(resource, url):
        raise ChallengeRefusedError("it is of another resource than the one that was called")
    if caller.resource not in (None, claimed):
        raise ChallengeRefusedError(f"it is not of {caller.resource}")
    if not is_secure(resource):
        raise ChallengeRefusedError("the resource is neither https nor http on loopback")
    return claimed
