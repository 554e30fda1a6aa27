"""DPoP: who holds the key that a request is bound to (RFC 9449).

mTLS thumbprints (RFC 8705) are named in the model; no face of this version terminates TLS itself,
so nothing here reads a certificate: a header that carries one proves nothing (ATTACKS 14).
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from fleeting.core.errors import InvalidDpopProof, UseDpopNonce
from fleeting.core.jose import (
    CLIENT_ALGS,
    JoseError,
    KeySet,
    UnverifiedJwt,
    VerificationKey,
    VerifiedClaims,
    decode_base64url,
    encode_base64url,
    public_key,
    read_header,
)
from fleeting.core.model import Claim, SenderConstraint, SenderKey

PROOF_TYP = "dpop+jwt"
PROOF_WINDOW = timedelta(seconds=60)
"""How old a proof may be (FAPI 2.0 §5.3.2.1: more than 60 seconds is too old)."""
CLOCK_SKEW = timedelta(seconds=10)
"""How far in the future a proof may seem (FAPI 2.0: up to 10 seconds must be accepted)."""
MAX_PROOF_BYTES = 8_192

_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_NONCE_STEP = timedelta(seconds=30)
_NONCE_LIFE_STEPS = 10
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces that need no memory: a time step, authenticated (RFC 9449 §8).

    secrets: 32 bytes each, the newest first; all are accepted, the first one makes. Workers that
    share them accept each other's nonces. A nonce lives for 5 minutes.
    """

    secrets: tuple[bytes, ...]

    def make(self, now: datetime) -> str:
        """Return the current nonce: unpredictable without the secret, the same for 30 seconds."""
        return _nonce(self.secrets[0], _step(now))

    def accepts(self, nonce: str, now: datetime) -> bool:
        """Return whether *nonce* is one of ours and still fresh."""
        try:
            step = int.from_bytes(decode_base64url(nonce.encode())[:8])
        except (JoseError, UnicodeEncodeError):
            return False
        age = _step(now) - step
        if not -1 <= age <= _NONCE_LIFE_STEPS:  # -1: a sibling worker's clock may be a step ahead
            return False
        return any(hmac.compare_digest(nonce, _nonce(secret, step)) for secret in self.secrets)


def _step(now: datetime) -> int:
    return int(now.timestamp()) // int(_NONCE_STEP.total_seconds())


@lru_cache(maxsize=128)
def _nonce(secret: bytes, step: int) -> str:
    prefix = step.to_bytes(8)
    tag = hmac.digest(secret, b"fleeting dpop nonce" + prefix, "sha256")[:_TAG_BYTES]
    return encode_base64url(prefix + tag).decode()


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A proof that was right. claim: its id, still to be claimed by a store: good once."""

    key: SenderKey
    claim: Claim


@dataclass(frozen=True, slots=True)
class ProofContext:
    """What a proof must be about (RFC 9449 §4.3).

    uri: the request's URI as this server knows itself, never as a Host header tells it.
    space: whose proof ids these are, in the store of claims.
    access_token: at a resource server, the token that the proof goes with.
    """

    method: str
    uri: str
    nonces: Nonces
    now: datetime
    space: str = "dpop"
    access_token: str | None = None


def verify_proof(proofs: Sequence[str], context: ProofContext) -> VerifiedProof:
    """Verify the DPoP proof of a request (RFC 9449 §4.3, its twelve checks in order).

    proofs: the values of every ``DPoP`` header field.
    This does NOT check that the proof is new (the store claims ``claim``), nor that a token is
    bound to its key (``core.validation`` does).

    Raises:
        InvalidDpopProof: missing, repeated, malformed, for another request, too old, or not signed
            by the key it shows.
        UseDpopNonce: it lacks a fresh nonce; the answer carries one.
    """
    if len(proofs) != 1:  # check 1
        raise InvalidDpopProof("send exactly one DPoP header field with one proof")
    try:
        jwt = UnverifiedJwt.parse(proofs[0], max_bytes=MAX_PROOF_BYTES)  # check 2
        key, holder = _proof_key(jwt.header_segment)  # check 7
        claims = jwt.verify(KeySet((key,)), algs=CLIENT_ALGS, typ=(PROOF_TYP,))  # checks 4 to 6
        return _check_claims(claims, holder, context)
    except JoseError as error:
        raise InvalidDpopProof(f"the DPoP proof is not acceptable: {error}") from None


@lru_cache(maxsize=1024)
def _proof_key(header_segment: bytes) -> tuple[VerificationKey, SenderKey]:
    """Import a key once: callers prove themselves with the same header again and again."""
    jwk = read_header(header_segment).get("jwk")
    if not isinstance(jwk, dict):
        raise JoseError("its header has no 'jwk'")
    if any(member in jwk for member in _PRIVATE_MEMBERS):
        raise JoseError("its 'jwk' is not a public key: never send a private one")
    key = public_key({name: value for name, value in jwk.items() if name != "kid"})
    return key, SenderKey(SenderConstraint.DPOP, key.thumbprint())


def _check_claims(claims: VerifiedClaims, key: SenderKey, context: ProofContext) -> VerifiedProof:
    jti, issued_at = claims.string("jti"), claims.instant("iat")  # check 3
    if claims.string("htm") != context.method:  # check 8
        raise JoseError("its 'htm' is not the method of this request")
    if not _same_uri(claims.string("htu"), context.uri):  # check 9
        raise JoseError(f"its 'htu' is not the URI of this request, {context.uri}")
    _check_nonce(claims.optional_string("nonce"), context)  # check 10
    if not context.now - PROOF_WINDOW <= issued_at <= context.now + CLOCK_SKEW:  # check 11
        raise JoseError("its 'iat' is too far from the server's time")
    if context.access_token is not None:  # check 12; the key is compared with the token's
        _check_token_hash(claims.string("ath"), context.access_token)
    digest = hashlib.sha256(jti.encode()).digest()
    expires_at = issued_at + PROOF_WINDOW + timedelta(seconds=1)
    return VerifiedProof(key, Claim(context.space, digest, expires_at))


def _check_nonce(nonce: str | None, context: ProofContext) -> None:
    # RFC 9449 §11.3: a nonce is always required, so there is no proof without one to fall back to.
    if nonce is None:
        raise UseDpopNonce("use the nonce of the DPoP-Nonce header in the DPoP proof")
    if not context.nonces.accepts(nonce, context.now):
        raise UseDpopNonce("the nonce is not current: use the one of the DPoP-Nonce header")


def token_hash(access_token: str) -> str:
    """Return the ``ath`` of *access_token* (RFC 9449 §4.2)."""
    return encode_base64url(hashlib.sha256(access_token.encode()).digest()).decode()


def _check_token_hash(ath: str, access_token: str) -> None:
    if not hmac.compare_digest(ath.encode(), token_hash(access_token).encode()):
        raise JoseError("its 'ath' is the hash of another access token")


def _same_uri(claimed: str, own: str) -> bool:
    return claimed == own or normalized_uri(claimed) == normalized_uri(own)


@lru_cache(maxsize=4096)
def normalized_uri(uri: str) -> str:
    """Return *uri* without query and fragment, normalised (RFC 9449 §4.3, RFC 3986 §6.2.2, §6.2.3).

    Raises:
        JoseError: not an absolute http or https URI.
    """
    try:
        parts = urlsplit(uri)
        port, path = parts.port, _normalized_path(parts.path)
    except ValueError:
        raise JoseError("its 'htu' is not a URI") from None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _DEFAULT_PORTS or not host or parts.username is not None:
        raise JoseError("its 'htu' is not an absolute http or https URI")
    name = f"[{host}]" if ":" in host else host
    authority = name if port in (None, _DEFAULT_PORTS[scheme]) else f"{name}:{port}"
    return f"{scheme}://{authority}{path}"


_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_UNESCAPED = ":@!$&'()*+,;=-._~"


def _normalized_path(path: str) -> str:
    """Normalise percent-encoding segment by segment, so that ``%2F`` never becomes a separator."""
    return "/".join(
        quote(unquote(part, errors="surrogateescape"), safe=_UNESCAPED, errors="surrogateescape")
        for part in (path or "/").split("/")
    )


def make_proof_claims(
    *, jti: str, method: str, uri: str, now: datetime, nonce: str | None, access_token: str | None
) -> dict[str, Any]:
    """Return the claims of a proof for one request (RFC 9449 §4.2)."""
    claims: dict[str, Any] = {
        "jti": jti,
        "htm": method,
        "htu": uri.partition("#")[0].partition("?")[0],
        "iat": int(now.timestamp()),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = token_hash(access_token)
    return claims
