"""Who calls: how a client authenticates to its one issuer, and proves that it holds its key."""

import base64
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import httpx

from fleeting.client.keys import KeySource, PrivateKey, generate_key, read_key
from fleeting.client.origins import is_secure, parse_plain_url
from fleeting.core.client_auth import ASSERTION_TYP, ASSERTION_TYPE
from fleeting.core.sender import PROOF_TYP, make_proof_claims

_ASSERTION_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Identity:
    """A client and the one issuer that its credentials are for.

    credential: a key that signs assertions (``private_key_jwt``) or a secret
    (``client_secret_basic``).
    proof_key: what tokens are bound to; None where they are not (``insecure_bearer``).
    """

    issuer: str
    client_id: str
    credential: PrivateKey | str = field(repr=False)
    proof_key: PrivateKey | None = field(repr=False)

    def authentication(self, now: datetime) -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers and the form fields that authenticate one request to the issuer.

        An assertion is new each time, and its audience is the issuer, as the sole value
        (RFC 7523 §3, RFC 10070 §4).
        """
        if isinstance(self.credential, str):
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.credential)}"  # RFC 6749 §2.3.1
            encoded = base64.b64encode(pair.encode()).decode()
            return {"Authorization": f"Basic {encoded}"}, {}
        return {}, {
            "client_id": self.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(self.credential, now),
        }

    def _assertion(self, key: PrivateKey, now: datetime) -> str:
        issued_at = int(now.timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": _new_id(),
            "iat": issued_at,
            "exp": issued_at + int(_ASSERTION_LIFE.total_seconds()),
        }
        # A `kid` that the issuer does not know would fit no key; without one it tries them all.
        named = {} if key.kid is None else {"kid": key.kid}
        return key.sign(ASSERTION_TYP, claims, **named)

    def proof(
        self, request: httpx.Request, *, nonce: str | None, token: str | None, now: datetime
    ) -> str | None:
        """Return a new DPoP proof for *request* (RFC 9449 §4.2), or None for an unbound caller."""
        if self.proof_key is None:
            return None
        claims = make_proof_claims(
            jti=_new_id(),
            method=request.method,
            uri=str(request.url.copy_with(userinfo=b"", query=None, fragment=None)),
            now=now,
            nonce=nonce,
            access_token=token,
        )
        return self.proof_key.sign(PROOF_TYP, claims, jwk=self.proof_key.public_jwk())


def make_identity(
    issuer: str,
    client_id: str,
    key: KeySource | None = None,
    *,
    secret: str | None = None,
    dpop_key: KeySource | None = None,
    insecure_bearer: bool = False,
) -> Identity:
    """Return a caller's identity, once it is complete and can be sent safely.

    Raises:
        ValueError: the issuer is no https URL (or http on loopback), there is no usable key, or
            there is more than one way to authenticate.
    """
    url = parse_plain_url(issuer)
    if url is None or not is_secure(url):
        raise ValueError("the issuer is an https URL, or http on loopback, without a query")
    if not client_id:
        raise ValueError("client_id is empty")
    credential = _credential(key, secret)
    if insecure_bearer:
        warnings.warn("insecure_bearer: whoever finds a token may use it", stacklevel=3)
        return Identity(issuer, client_id, credential, None)
    return Identity(issuer, client_id, credential, _proof_key(credential, dpop_key))


def _credential(key: KeySource | None, secret: str | None) -> PrivateKey | str:
    if key is not None and secret is None:
        return read_key(key)
    if key is None and secret:
        return secret
    raise ValueError("authenticate with a key or with a secret: give one of them")


def _proof_key(credential: PrivateKey | str, dpop_key: KeySource | None) -> PrivateKey:
    if dpop_key is not None:
        return read_key(dpop_key)
    return generate_key() if isinstance(credential, str) else credential


def form_request(
    url: httpx.URL, fields: Mapping[str, str], headers: Mapping[str, str]
) -> httpx.Request:
    """Return a form to post (RFC 6749 §3.2)."""
    return httpx.Request("POST", url, data=dict(fields), headers={**_PLAIN, **headers})


def document_request(url: str | httpx.URL) -> httpx.Request:
    """Return a request for a JSON document; no credentials go with it."""
    return httpx.Request("GET", url, headers=_PLAIN)


_PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}


def clock() -> datetime:
    """Return the time: callers sit at the edge, where the clock may be asked."""
    return datetime.now(UTC)


def _new_id() -> str:
    return secrets.token_urlsafe(16)
