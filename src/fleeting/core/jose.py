"""JWS with fixed alg and typ: the only place that turns an unverified JWT into verified claims.

The laws of this module, whatever a header says: the caller names the algorithms and the type; a
key serves the algorithms of its own kind only; ``none`` and every HMAC are unknown; ``crit``,
``b64`` and JSON serialisations are refused; ``jku``, ``x5u``, ``x5c`` and ``jwk`` are never
followed (RFC 8725 §3). Only ``core.sender`` reads ``jwk``, and only to ask who holds that key.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError as LibraryError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from fleeting.core import strict_json

SERVER_ALG = "ES256"
CLIENT_ALGS = frozenset({"ES256", "PS256", "EdDSA", "Ed25519"})
"""What clients may sign assertions and proofs with (FAPI 2.0 Security Profile §5.4)."""
PROVIDER_ALGS = CLIENT_ALGS | {"ES384", "ES512", "PS384", "PS512", "RS256"}
"""What identity providers may sign with: RS256 too, since most of them still do."""

MAX_JWT_BYTES = 16_384
_MIN_RSA_BITS = 2048
_HEADER_TRAPS = ("crit", "b64", "zip", "enc")
_REGISTRY = JWSRegistry(algorithms=sorted(PROVIDER_ALGS - {"EdDSA"}))
_ALGORITHMS = {name: _REGISTRY.get_alg(name) for name in PROVIDER_ALGS - {"EdDSA"}}
_ALGORITHMS["EdDSA"] = _ALGORITHMS["Ed25519"]  # RFC 9864 §2.2: the old name of the same thing
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ES256 = ECDSA(SHA256())
_P256_BYTES = 32
_CURVE_ALGS = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}
_RSA_ALGS = ("PS256", "PS384", "PS512", "RS256")
_KEY_KINDS: dict[str, type[ECKey] | type[OKPKey] | type[RSAKey]] = {
    "EC": ECKey,
    "OKP": OKPKey,
    "RSA": RSAKey,
}


class JoseError(Exception):
    """The JWT, or a key, is not acceptable; the message may be told to whoever sent it."""


class UnknownKeyError(JoseError):
    """No key in the set fits the JWT's ``kid``: the one failure that newer keys could mend."""


# ES256 is on every hot path: it goes to cryptography without a detour (RFC 7518 §3.4).


def _verify_es256(key: EllipticCurvePublicKey, signing_input: bytes, signature: bytes) -> bool:
    if len(signature) != 2 * _P256_BYTES:
        return False
    r, s = (int.from_bytes(half) for half in (signature[:_P256_BYTES], signature[_P256_BYTES:]))
    try:
        key.verify(encode_dss_signature(r, s), signing_input, _ES256)
    except InvalidSignature:
        return False
    return True


def _sign_es256(key: EllipticCurvePrivateKey, signing_input: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(signing_input, _ES256))
    return r.to_bytes(_P256_BYTES) + s.to_bytes(_P256_BYTES)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the only algorithms it serves."""

    kid: str | None
    algs: tuple[str, ...]
    key: Key

    def verify(self, alg: str, signing_input: bytes, signature: bytes) -> bool:
        """Return whether *signature* is this key's over *signing_input* (RFC 7515 §5.2)."""
        if alg not in self.algs:
            return False
        public = self.key.public_key
        if alg == SERVER_ALG and isinstance(public, EllipticCurvePublicKey):
            return _verify_es256(public, signing_input, signature)
        try:
            return _ALGORITHMS[alg].verify(signing_input, signature, self.key)
        except (LibraryError, ValueError):
            return False

    def thumbprint(self) -> str:
        """Return the RFC 7638 SHA-256 thumbprint, base64url."""
        return self.key.thumbprint()

    def to_jwk(self) -> dict[str, Any]:
        """Return the public JWK (RFC 7517 §4)."""
        jwk: dict[str, Any] = {**self.key.as_dict(private=False), "use": "sig"}
        jwk["alg"] = self.algs[0]
        return jwk if self.kid is None else {**jwk, "kid": self.kid}


def public_key(jwk: Mapping[str, Any]) -> VerificationKey:
    """Return the verification key that *jwk* describes (RFC 7517, RFC 8725 §3.1).

    Private members are ignored here; whoever must refuse them (RFC 9449 §4.3) looks first.

    Raises:
        JoseError: not an asymmetric signature key of a kind and size this system accepts.
    """
    kty, crv, alg, kid = (jwk.get(name) for name in ("kty", "crv", "alg", "kid"))
    kind = _KEY_KINDS.get(kty) if isinstance(kty, str) else None
    algs = _RSA_ALGS if kind is RSAKey else _CURVE_ALGS.get(crv if isinstance(crv, str) else "", ())
    if alg is not None:
        algs = tuple(name for name in algs if name == alg)
    if kind is None or not algs or jwk.get("use", "sig") != "sig":
        raise JoseError("not a public signature key of a supported kind (EC, OKP or RSA)")
    if kid is not None and not isinstance(kid, str):
        raise JoseError("'kid' is not a string")
    names = ("kty", "crv", "x", "y", "n", "e")
    public = {name: jwk[name] for name in names if name in jwk}
    return VerificationKey(kid, algs, _import(kind, public))


def _import(kind: type[ECKey] | type[OKPKey] | type[RSAKey], public: dict[str, Any]) -> Key:
    try:
        # Looked at first: the library would take a weak key, and only warn.
        bits = _modulus_bits(public) if kind is RSAKey else _MIN_RSA_BITS
        if bits < _MIN_RSA_BITS:
            raise JoseError(f"RSA keys need {_MIN_RSA_BITS} bits or more")
        return kind.import_key(public)
    except (LibraryError, ValueError, TypeError, AttributeError, KeyError):
        raise JoseError("the key is malformed") from None


def _modulus_bits(public: Mapping[str, Any]) -> int:
    return int.from_bytes(decode_base64url(public["n"].encode())).bit_length()


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of one party."""

    keys: tuple[VerificationKey, ...]

    @classmethod
    def from_jwks(cls, jwks: object) -> "KeySet":
        """Read a JWK Set (RFC 7517 §5); keys of other kinds and uses are passed over.

        Raises:
            JoseError: not a JWK Set.
        """
        members = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(members, list):
            raise JoseError('not a JWK Set: write {"keys": [...]}')
        return cls(tuple(_usable(members)))

    def fitting(self, kid: object, alg: str) -> tuple[VerificationKey, ...]:
        """Return the keys that may have signed under *kid* with *alg*."""
        return tuple(
            key
            for key in self.keys
            if alg in key.algs and (kid is None or key.kid is None or key.kid == kid)
        )

    def to_jwks(self) -> dict[str, Any]:
        """Return the JWK Set document (RFC 7517 §5)."""
        return {"keys": [key.to_jwk() for key in self.keys]}


def _usable(members: Iterable[object]) -> Iterable[VerificationKey]:
    for member in members:
        try:
            if isinstance(member, dict):
                yield public_key(member)
        except JoseError:  # RFC 7517 §5: a set may hold keys that are not for us
            continue


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """The claims of a JWT whose signature, algorithm and type were right. Times are not checked."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def string(self, name: str) -> str:
        """Return a claim that must be a non-empty string."""
        value = self.claims.get(name)
        if not isinstance(value, str) or not value:
            raise JoseError(f"claim '{name}' is missing or not a string")
        return value

    def optional_string(self, name: str) -> str | None:
        """Return a claim that must be a non-empty string where it is given."""
        return None if self.claims.get(name) is None else self.string(name)

    def instant(self, name: str) -> datetime:
        """Return a NumericDate claim (RFC 7519 §2) that must be given."""
        value = self.claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise JoseError(f"claim '{name}' is missing or not a number of seconds")
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, ValueError, OSError):
            raise JoseError(f"claim '{name}' is not a time") from None

    def optional_instant(self, name: str) -> datetime | None:
        """Return a NumericDate claim, or None where it is not given."""
        return None if self.claims.get(name) is None else self.instant(name)

    def audience(self) -> tuple[str, ...]:
        """Return ``aud`` as the list it is short for (RFC 7519 §4.1.3)."""
        value = self.claims.get("aud")
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(item, str) and item for item in values):
            raise JoseError("claim 'aud' is missing or not a string")
        return tuple(values)

    def check_times(self, *, now: datetime, leeway: timedelta) -> None:
        """Check ``exp`` (required), ``nbf`` and ``iat`` (RFC 7519 §4.1.4 to §4.1.6)."""
        if now - leeway >= self.instant("exp"):
            raise JoseError("it has expired")
        for name in ("nbf", "iat"):
            at = self.optional_instant(name)
            if at is not None and at > now + leeway:
                raise JoseError(f"its '{name}' lies in the future")


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """A compact JWS that was taken apart and not believed."""

    header: Mapping[str, Any]
    header_segment: bytes
    signing_input: bytes
    payload: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str, *, max_bytes: int = MAX_JWT_BYTES) -> "UnverifiedJwt":
        """Take a compact serialisation apart (RFC 7515 §7.1).

        Raises:
            JoseError: not three base64url parts with a JSON header, or a header that sets a trap.
        """
        if len(text) > max_bytes or not text.isascii():
            raise JoseError("it is too long or not ASCII")
        parts = text.encode().split(b".")
        if len(parts) != 3:  # noqa: PLR2004 -- RFC 8725bis: exactly three
            raise JoseError("it is not a JWS in compact serialisation")
        header = read_header(parts[0])
        signing_input = text[: text.rindex(".")].encode()
        payload, signature = decode_base64url(parts[1]), decode_base64url(parts[2])
        return cls(header, parts[0], signing_input, payload, signature)

    def claimed(self, name: str) -> object:
        """Return an unverified claim, fit only to choose whose keys to try."""
        return _claims(self.payload).get(name)

    def verify(
        self, keys: KeySet, *, algs: frozenset[str], typ: tuple[str | None, ...]
    ) -> VerifiedClaims:
        """Return the claims once algorithm, type and signature are right (RFC 8725 §3).

        typ: the media types accepted, lower-case, without ``application/``; None where it may miss.
        This does NOT check times, issuer, audience or any other claim.

        Raises:
            UnknownKeyError: no key in *keys* fits.
            JoseError: wrong algorithm, type or signature.
        """
        alg, kid = self.header.get("alg"), self.header.get("kid")
        if not isinstance(alg, str) or alg not in algs:
            raise JoseError(f"its 'alg' is not one of {', '.join(sorted(algs))}")
        if _media_type(self.header.get("typ")) not in typ:
            raise JoseError(f"its 'typ' is not {' or '.join(str(name) for name in typ)}")
        candidates = keys.fitting(kid, alg)
        if not candidates:
            raise UnknownKeyError("no key fits its 'kid' and 'alg'")
        if not any(key.verify(alg, self.signing_input, self.signature) for key in candidates):
            raise JoseError("its signature is wrong")
        return VerifiedClaims(self.header, _claims(self.payload))


def _media_type(typ: object) -> str | None:
    """Return ``typ`` without its prefix, lower-case (RFC 7515 §4.1.9); "" for what is no string."""
    if typ is None:
        return None
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else ""


@lru_cache(maxsize=512)
def read_header(segment: bytes) -> Mapping[str, Any]:
    """Return the unverified header of a JWS (RFC 7515 §4); callers send the same ones again.

    Raises:
        JoseError: not a JSON object, or one that sets a trap.
    """
    header = _json_object(decode_base64url(segment), "header")
    if any(trap in header for trap in _HEADER_TRAPS):
        raise JoseError("its header uses an extension that is not supported")
    return header


@lru_cache(maxsize=16)  # who must look before verifying, to choose a key, looks again after it
def _claims(payload: bytes) -> Mapping[str, Any]:
    return _json_object(payload, "payload")


def _json_object(text: bytes, part: str) -> Mapping[str, Any]:
    try:
        value = strict_json.loads(text)
    except strict_json.JsonError as error:
        raise JoseError(f"its {part} is not acceptable JSON: {error}") from None
    if not isinstance(value, dict):
        raise JoseError(f"its {part} is not a JSON object")
    return value


def decode_base64url(segment: bytes) -> bytes:
    """Decode base64url without padding, strictly (RFC 7515 §2).

    Raises:
        JoseError: another alphabet, padding, white space, an impossible length or stray bits.
    """
    if b"+" in segment or b"/" in segment or b"=" in segment:
        raise JoseError("it is not base64url")
    if segment[-1:] not in _LAST[len(segment) % 4]:  # RFC 4648 §3.5: one text for one value
        raise JoseError("it is not base64url")
    padded = segment.translate(_TO_BASE64) + b"=" * (-len(segment) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error:
        raise JoseError("it is not base64url") from None


_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = (_ALPHABET, b"", _ALPHABET[::16], _ALPHABET[::4])
"""What a segment may end in, by its length modulo 4: unused bits are zero."""


def encode_base64url(data: bytes) -> bytes:
    """Encode *data* as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private ES256 key, named by its own thumbprint (RFC 7638)."""

    kid: str
    key: ECKey
    private: EllipticCurvePrivateKey

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> "SigningKey":
        """Read a private P-256 JWK.

        Raises:
            JoseError: not a private key for ES256.
        """
        members = {name: jwk[name] for name in ("kty", "crv", "x", "y", "d") if name in jwk}
        try:
            key = ECKey.import_key(members)
        except (LibraryError, ValueError, TypeError, KeyError):
            raise JoseError("not a private P-256 key") from None
        private = key.private_key
        if private is None or key.curve_name != "P-256":
            raise JoseError("not a private P-256 key")
        return cls(key.thumbprint(), key, private)

    def public(self) -> VerificationKey:
        """Return the half that may be published."""
        return public_key({**self.key.as_dict(private=False), "kid": self.kid})

    def derive_secret(self, purpose: bytes) -> bytes:
        """Return 32 bytes that only holders of this key can know (HKDF, RFC 5869)."""
        number = decode_base64url(str(self.key.as_dict(private=True)["d"]).encode())
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(number)

    def sign(
        self, typ: str, claims: Mapping[str, Any], *, header: Mapping[str, Any] | None = None
    ) -> str:
        """Return *claims* as a compact JWS of type *typ* (RFC 7515 §5.1)."""
        return self.sign_json(typ, _ENCODER.encode(claims).encode(), header=header)

    def sign_json(
        self, typ: str, payload: bytes, *, header: Mapping[str, Any] | None = None
    ) -> str:
        """Return claims that are JSON text already as a compact JWS of type *typ*."""
        head = _header_segment(self.kid, typ) if header is None else _encode_header(header)
        signing_input = head + b"." + encode_base64url(payload)
        signature = _sign_es256(self.private, signing_input)
        return (signing_input + b"." + encode_base64url(signature)).decode()


@lru_cache(maxsize=64)
def _header_segment(kid: str, typ: str) -> bytes:
    return _encode_header({"alg": SERVER_ALG, "typ": typ, "kid": kid})


def _encode_header(header: Mapping[str, Any]) -> bytes:
    return encode_base64url(_ENCODER.encode(header).encode())
