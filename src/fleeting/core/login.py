"""Logging in with an OpenID provider: what is asked, and what of the answer is believed.

The code flow of OpenID Connect Core with PKCE (RFC 7636), ``nonce`` and ``iss`` (RFC 9207), as
RFC 9700 §2.1 asks of clients.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from fleeting.core.declaring import UNSAFE, shown
from fleeting.core.errors import InvalidRequest, SignInRefused, TemporarilyUnavailable
from fleeting.core.exchange import (
    Declarations,
    IdentityProvider,
    read_subject,
    verify_provider_token,
)
from fleeting.core.jose import JoseError, KeySet, VerifiedClaims, encode_base64url
from fleeting.core.model import Subject
from fleeting.core.people import Person
from fleeting.core.signing_in import SignIn
from fleeting.core.transport import is_protected

CONFIGURATION = "/.well-known/openid-configuration"
_SKEW = timedelta(seconds=10)
_LONGEST_NAME = 100
_NAMES = ("name", "preferred_username", "email")
"""What a person may be called by, the best first (OpenID Connect Core §5.1)."""
_TOLD = {
    "access_denied": "the identity provider says that the login was cancelled or not allowed",
    "login_required": "the identity provider asks for a login: try again",
    "temporarily_unavailable": "the identity provider is not available now: try again",
}


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What a provider says of itself (OpenID Connect Discovery §3).

    names_itself: its answers carry ``iss`` (RFC 9207 §3).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    names_itself: bool = False


def read_provider_metadata(document: Mapping[str, Any], issuer: str) -> ProviderMetadata:
    """Return what *document*, fetched from *issuer*, says.

    Raises:
        TemporarilyUnavailable: it is another's, or lacks what a login needs; ours to mend.
    """
    if document.get("issuer") != issuer:  # Discovery §4.3: MUST be identical
        raise _unusable(issuer, f"its configuration is that of {document.get('issuer')!r:.100}")
    return ProviderMetadata(
        issuer,
        _endpoint(document, "authorization_endpoint", issuer),
        _endpoint(document, "token_endpoint", issuer),
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.username or not is_protected(parts.scheme, parts.hostname or ""):
        raise _unusable(issuer, f"its {name} is neither https nor http on loopback")
    return str(url)


def _unusable(issuer: str, why: str) -> TemporarilyUnavailable:
    told = "the identity provider cannot be used now: try again in a moment"
    return TemporarilyUnavailable(told, detail=f"{issuer}: {why}")


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What we are at the provider, and what is asked of it.

    max_age: the oldest login that will do; the provider then says when it was (``auth_time``).
    again: the person must prove who they are now, whatever they did before.
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    acr_values: tuple[str, ...]
    max_age: timedelta
    again: bool = False

    def of(self, sign_in: SignIn) -> "LoginRequest":
        """Return what is asked for this very login."""
        return replace(self, again=sign_in.again)


def authorization_url(
    metadata: ProviderMetadata, asked: LoginRequest, sign_in: SignIn, state: str
) -> str:
    """Return where to send the browser (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3)."""
    parameters = {
        "response_type": "code",
        "client_id": asked.client_id,
        "redirect_uri": asked.redirect_uri,
        "scope": " ".join(asked.scopes),
        "state": state,
        "nonce": sign_in.challenge,
        "code_challenge": code_challenge(sign_in.code_verifier),
        "code_challenge_method": "S256",
        "max_age": str(int(asked.max_age.total_seconds())),
    }
    if asked.again:
        parameters["prompt"] = "login"
    if asked.acr_values:
        parameters["acr_values"] = " ".join(asked.acr_values)
    joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(parameters)}"


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of *verifier* (RFC 7636 §4.2)."""
    return encode_base64url(hashlib.sha256(verifier.encode()).digest()).decode()


def read_callback(answer: Mapping[str, str], metadata: ProviderMetadata) -> str:
    """Return the code in a provider's *answer*, which came for a login that we began.

    Raises:
        SignInRefused: it is not that provider's (RFC 9207 §2.4), it has no code, or it is a
            refusal. What the provider wrote is for the log alone.
    """
    issuer = answer.get("iss")
    if issuer is None and metadata.names_itself:
        raise SignInRefused("the answer does not say which identity provider it is from")
    if issuer is not None and issuer != metadata.issuer:
        raise SignInRefused("the answer is from another identity provider", detail=shown(issuer))
    error = answer.get("error")
    if error is not None:
        told = _TOLD.get(error, "the identity provider refused the login")
        detail = f"{shown(error)} {shown(answer.get('error_description', ''))}"
        raise SignInRefused(told, detail=detail)
    code = answer.get("code")
    if not code:
        raise SignInRefused("the identity provider's answer has no code")
    return code


def verify_id_token(
    token: str,
    keys: KeySet,
    provider: IdentityProvider,
    asked: LoginRequest,
    sign_in: SignIn,
    now: datetime,
) -> VerifiedClaims:
    """Verify the ID token of the login *sign_in* (OpenID Connect Core §3.1.3.7).

    This does NOT check who it speaks of.

    Raises:
        UnknownKeyError: no key fits; newer keys might.
        JoseError: not that provider's, not for us, not for this login, or not fresh enough.
    """
    ours = replace(provider, audience=asked.client_id)
    claims = verify_provider_token(token, keys, ours, now=now)
    if str(claims.header.get("typ", "")).lower().removeprefix("application/") == "at+jwt":
        raise JoseError("it is an access token")  # RFC 9068 §5
    authorized = claims.optional_string("azp")
    if len(claims.audience()) > 1 and authorized is None:  # step 4
        raise JoseError("it has several audiences and no 'azp'")
    if authorized not in (None, asked.client_id):  # step 5
        raise JoseError("its 'azp' is another client")
    claims.instant("iat")  # §2: REQUIRED
    nonce = claims.string("nonce")  # step 11
    if not hmac.compare_digest(nonce.encode(errors="replace"), sign_in.challenge.encode()):
        raise JoseError("its 'nonce' is of another login")
    if asked.acr_values and claims.optional_string("acr") not in asked.acr_values:  # step 12
        raise JoseError("its 'acr' is not one that this server asks for")
    _check_freshness(claims, asked, sign_in, now)
    return claims


def _check_freshness(
    claims: VerifiedClaims, asked: LoginRequest, sign_in: SignIn, now: datetime
) -> None:
    """Check when the person proved who they are: step 13; asked with ``max_age``, it MUST say."""
    at = claims.instant("auth_time")
    if at > now + _SKEW:
        raise JoseError("its 'auth_time' lies in the future")
    oldest = sign_in.started_at if asked.again else sign_in.started_at - asked.max_age
    if at < oldest - _SKEW:
        raise JoseError("its 'auth_time' is older than this server asks for")


def signed_in_subject(
    claims: VerifiedClaims, provider: IdentityProvider, declared: Declarations
) -> Subject:
    """Return whom a verified ID token speaks of: exactly whom a token of theirs would (§2).

    Raises:
        SignInRefused: they have the name of a client or of another provider's user, or a claim is
            not of its declared type.
    """
    try:
        return read_subject(claims, provider, declared)
    except (InvalidRequest, JoseError) as error:
        told = "the identity provider's token does not fit this installation"
        raise SignInRefused(told, detail=str(error)) from None


def shown_name(claims: Mapping[str, Any], otherwise: str) -> str:
    """Return what to call a person: the first name of theirs that can be shown as it is."""
    for claim in _NAMES:
        name = claims.get(claim)
        text = name.strip() if isinstance(name, str) else ""
        if 0 < len(text) <= _LONGEST_NAME and UNSAFE.search(text) is None:
            return text
    return otherwise


def person_after_login(
    subject: Subject, name: str, known: Person | None, signed_in_at: datetime
) -> Person:
    """Return the person as they are after their login with a provider.

    known: whoever has that id, or that id as an alias. Groups and attributes are the provider's
    as of now; a login by an alias lends none of them.

    Raises:
        SignInRefused: disabled, or the id belongs to somebody who is not that provider's.
    """
    if known is None:
        known = Person(subject.id, name, issuer=subject.issuer)
    if known.disabled:
        raise SignInRefused("this account is disabled here: ask an operator")
    if subject.id in known.aliases:  # an operator said so
        return replace(known, signed_in_at=signed_in_at)
    if known.issuer != subject.issuer:
        raise SignInRefused(
            "this name belongs here to somebody whom another provider, or an operator, vouches for",
            detail=f"{shown(subject.id)} of {subject.issuer}",
        )
    return replace(
        known,
        name=name,
        groups=subject.groups,
        attributes=subject.attributes,
        signed_in_at=signed_in_at,
    )
