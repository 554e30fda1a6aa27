"""Client authentication: ``private_key_jwt`` and ``client_secret_basic``.

RFC 7523 as updated by RFC 10070 (the assertion's audience is the issuer, as its sole value), and
RFC 6749 §2.3.1. One method per request; a client has the one method it was declared with.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote_plus

from fleeting.core.declaring import shown
from fleeting.core.errors import InvalidClient, InvalidRequest, UnauthorizedClient
from fleeting.core.jose import CLIENT_ALGS, JoseError, KeySet, UnverifiedJwt, VerifiedClaims
from fleeting.core.model import AccessToken, Claim, Client, Resource

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_TYP = "client-authentication+jwt"
"""How RFC 10070 asks assertions to be typed; plain ``JWT`` or no type is still accepted."""
MAX_ASSERTION_LIFE = timedelta(minutes=10)
_SKEW = timedelta(seconds=10)
_ABSENT = hashlib.sha256(b"no client").digest()


@dataclass(frozen=True, slots=True)
class Registration:
    """A declared client and how it proves itself: by its keys or by the hash of its secret."""

    client: Client
    keys: KeySet | None = None
    secret_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What a request says about who sent it; nothing of it is verified.

    authorization: the values of every ``Authorization`` header field.
    """

    authorization: Sequence[str] = ()
    client_id: str | None = None
    assertion: str | None = None
    assertion_type: str | None = None


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """A client that proved itself. claim: its assertion's id, still to be claimed: good once."""

    client: Client
    claim: Claim | None = None


def authenticate_client(
    sent: ClientCredentials,
    registrations: Mapping[str, Registration],
    *,
    issuer: str,
    now: datetime,
) -> AuthenticatedClient:
    """Say which client sent the request (RFC 6749 §2.3).

    This does NOT check that an assertion is new: the store claims ``claim`` at commit.

    Raises:
        InvalidRequest: more than one method, or half of one (RFC 6749 §2.3).
        InvalidClient: none, an unknown client, a wrong secret, or an unacceptable assertion.
    """
    asserted = sent.assertion is not None or sent.assertion_type is not None
    if len(sent.authorization) > 1 or (sent.authorization and asserted):
        raise InvalidRequest("use one method of client authentication, once")
    if sent.authorization:
        authenticated = _by_secret(sent.authorization[0], registrations)
    elif asserted:
        authenticated = _by_assertion(sent, registrations, issuer=issuer, now=now)
    else:
        raise InvalidClient("authenticate with private_key_jwt or client_secret_basic")
    if sent.client_id not in (None, authenticated.client.client_id):
        raise InvalidClient("'client_id' names another client than the one that authenticated")
    return authenticated


def _by_secret(
    authorization: str, registrations: Mapping[str, Registration]
) -> AuthenticatedClient:
    client_id, secret = _basic_credentials(authorization)
    registration = registrations.get(client_id)
    expected = None if registration is None else registration.secret_sha256
    # Compared even for an unknown client, so that time does not tell which ids exist.
    matches = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), expected or _ABSENT)
    if registration is None or expected is None or not matches:
        named = f"basic, client {shown(client_id)}"  # short: strangers fill the ledger with it
        raise InvalidClient("client authentication failed", detail=named)
    return AuthenticatedClient(registration.client)


def _basic_credentials(authorization: str) -> tuple[str, str]:
    """Take client id and secret out of a Basic header (RFC 6749 §2.3.1, RFC 7617 §2)."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("this endpoint knows the Authorization scheme Basic only")
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidClient("the Basic credentials are not base64 of UTF-8 text") from None
    client_id, separator, secret = decoded.partition(":")
    if not separator:
        raise InvalidClient("the Basic credentials lack a colon")
    return unquote_plus(client_id), unquote_plus(secret)


def _by_assertion(
    sent: ClientCredentials,
    registrations: Mapping[str, Registration],
    *,
    issuer: str,
    now: datetime,
) -> AuthenticatedClient:
    if sent.assertion is None or sent.assertion_type != ASSERTION_TYPE:
        raise InvalidRequest(
            f"send 'client_assertion' with 'client_assertion_type' {ASSERTION_TYPE}"
        )
    try:
        jwt = UnverifiedJwt.parse(sent.assertion)
        registration = _claimed_client(jwt, registrations)
        keys = registration.keys or KeySet(())
        claims = jwt.verify(keys, algs=CLIENT_ALGS, typ=(ASSERTION_TYP, "jwt", None))
        claim = _check_assertion(claims, registration.client.client_id, issuer, now)
    except JoseError as error:
        raise InvalidClient(f"the client assertion is not acceptable: {error}") from None
    return AuthenticatedClient(registration.client, claim)


def _claimed_client(jwt: UnverifiedJwt, registrations: Mapping[str, Registration]) -> Registration:
    claimed = jwt.claimed("sub")
    registration = registrations.get(claimed) if isinstance(claimed, str) else None
    if registration is None or registration.keys is None:
        raise JoseError("no key fits its 'kid' and 'alg'")  # what a wrong key is told, too
    return registration


def _check_assertion(claims: VerifiedClaims, client_id: str, issuer: str, now: datetime) -> Claim:
    """Check the claims of an assertion (RFC 7523 §3, RFC 10070 §4)."""
    if not claims.string("iss") == claims.string("sub") == client_id:
        raise JoseError("its 'iss' and 'sub' must both be the client_id")
    if claims.claims.get("aud") != issuer:  # MUST be the issuer, as the sole value: not in a list
        raise JoseError(f"its 'aud' must be the string {issuer}, and nothing else")
    claims.check_times(now=now, leeway=_SKEW)
    expires_at = claims.instant("exp")
    if expires_at > now + MAX_ASSERTION_LIFE:
        raise JoseError("its 'exp' is more than ten minutes away")
    digest = hashlib.sha256(claims.string("jti").encode()).digest()
    return Claim(f"assertion:{client_id}", digest, expires_at + _SKEW)


def check_grant_type(client: Client, grant_type: str) -> None:
    """Check that *client* is declared for *grant_type* (RFC 6749 §5.2).

    Raises:
        UnauthorizedClient: it is not.
    """
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(f"this client is not declared for grant_type {grant_type}")


def check_revoker(token: AccessToken, client_id: str, guarded: Resource | None) -> None:
    """Check that the token is the client's own, or for the resource that it guards (RFC 7009 §2.1).

    Raises:
        UnauthorizedClient: it is another's.
    """
    is_audience = guarded is not None and guarded.identifier == token.audience
    if client_id != token.client_id and not is_audience:
        raise UnauthorizedClient("the token was issued to another client")
