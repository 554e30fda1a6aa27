"""Read the parties of an installation: resources, clients and identity providers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from fleeting.core.declaring import Table
from fleeting.core.model import Client, Resource
from fleeting.core.requests import GRANT_TYPES
from fleeting.core.transport import is_protected

_RESOURCE_KEYS = (
    "identifier",
    "types",
    "scopes",
    "max_lifetime",
    "max_uses",
    "client_id",
    "jwks_uri",
    "jwks_file",
    "callback_uris",
)
_CLIENT_KEYS = (
    "client_id",
    "jwks_file",
    "secret_sha256",
    "grant_types",
    "types",
    "scopes",
    "groups",
    "insecure_bearer",
    "max_lifetime",
    "max_uses",
    "owner",
    "sponsor",
    "manager",
)
_PROVIDER_KEYS = ("issuer", "jwks_uri", "jwks_file", "audience", "claims", "subject_prefix")
_SHA256_HEX_DIGITS = 64
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class ResourceDeclaration:
    """A resource, and where the keys of its challenges are; neither: in its own metadata."""

    resource: Resource
    jwks_uri: str | None
    jwks_file: str | None


@dataclass(frozen=True, slots=True)
class ClientDeclaration:
    """A client, and how it authenticates: by the keys in a file or by its secret's hash."""

    client: Client
    jwks_file: str | None
    secret_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class ProviderDeclaration:
    """An identity provider, and where its keys are."""

    issuer: str
    audience: str
    claims: Mapping[str, str]
    subject_prefix: str | None
    jwks_uri: str | None
    jwks_file: str | None

    def with_default_prefix(self) -> "ProviderDeclaration":
        """Return the provider with subjects that cannot be mistaken for another provider's."""
        if self.subject_prefix is not None:
            return self
        return replace(self, subject_prefix=f"{self.issuer}#")


def declare_resource(table: Table) -> ResourceDeclaration:
    """Read one of ``[[resources]]``."""
    table.allow_only(_RESOURCE_KEYS)
    identifier = _required(table, "identifier")
    check_url(table, "identifier", identifier)
    if "#" in identifier:
        raise table.refuse("identifier", "must not have a fragment (RFC 8707 §2)")
    resource = Resource(
        identifier=identifier,
        types=frozenset(table.strings("types")),
        scopes=frozenset(table.strings("scopes")),
        client_id=table.text("client_id"),
        max_lifetime=table.duration("max_lifetime"),
        max_uses=table.count("max_uses"),
        callback_uris=_callback_uris(table),
    )
    if not resource.types and not resource.scopes:
        raise table.refuse("types", "is missing: name the operation types (or scopes) it offers")
    return ResourceDeclaration(resource, _jwks_uri(table), table.text("jwks_file"))


def _callback_uris(table: Table) -> frozenset[str]:
    """Return where this resource's enforcement point may want to be told of an end."""
    uris = table.strings("callback_uris")
    for uri in uris:
        if check_url(table, "callback_uris", uri).fragment:
            raise table.refuse("callback_uris", f"{uri!r} must not have a fragment")
    if uris and table.text("client_id") is None:
        raise table.refuse("callback_uris", "goes with client_id: name the enforcement point")
    return frozenset(uris)


def declare_client(table: Table) -> ClientDeclaration:
    """Read one of ``[[clients]]``."""
    table.allow_only(_CLIENT_KEYS)
    client_id = _required(table, "client_id")
    if len(client_id) > _LONGEST_ID or not client_id.isprintable():
        raise table.refuse("client_id", f"must be at most {_LONGEST_ID} printable characters")
    client = Client(
        client_id=client_id,
        grant_types=_grant_types(table),
        types=_ceiling(table, "types"),
        scopes=_ceiling(table, "scopes"),
        groups=frozenset(table.strings("groups")),
        insecure_bearer=table.flag("insecure_bearer"),
        max_lifetime=table.duration("max_lifetime"),
        max_uses=table.count("max_uses"),
        owner=_people(table, "owner"),
        sponsor=_people(table, "sponsor"),
        manager=_people(table, "manager"),
    )
    jwks_file, secret = table.text("jwks_file"), _secret(table)
    if (jwks_file is None) == (secret is None):
        raise table.refuse(
            "", f"client {client_id!r} needs one of jwks_file (private_key_jwt) and secret_sha256"
        )
    return ClientDeclaration(client, jwks_file, secret)


def _people(table: Table, key: str) -> frozenset[str]:
    """Return the ids of those who answer for a client: one in quotes, or an array of them."""
    one = isinstance(table.values.get(key), str)
    people = (table.text(key) or "",) if one else table.strings(key)
    for person in people:
        if not person or len(person) > _LONGEST_ID or not person.isprintable():
            raise table.refuse(key, 'must name people by their ids, such as "alice"')
    return frozenset(people)


def _grant_types(table: Table) -> frozenset[str]:
    grant_types = table.strings("grant_types")
    for name in grant_types:
        if name not in GRANT_TYPES:
            raise table.refuse("grant_types", f"{name!r} is not one of {', '.join(GRANT_TYPES)}")
    return frozenset(grant_types)


def _ceiling(table: Table, key: str) -> frozenset[str] | None:
    return frozenset(table.strings(key)) if key in table.values else None


def _secret(table: Table) -> bytes | None:
    text = table.text("secret_sha256")
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(text) != _SHA256_HEX_DIGITS or len(digest) * 2 != _SHA256_HEX_DIGITS:
        raise table.refuse(
            "secret_sha256", "must be the SHA-256 of a long random secret, as 64 hex digits"
        )
    if digest == hashlib.sha256(b"").digest():
        raise table.refuse("secret_sha256", "is the hash of an empty secret")
    return digest


def declare_provider(table: Table) -> ProviderDeclaration:
    """Read one of ``[[identity_providers]]``."""
    table.allow_only(_PROVIDER_KEYS)
    issuer = _required(table, "issuer")
    check_url(table, "issuer", issuer)
    jwks_uri, jwks_file = _jwks_uri(table), table.text("jwks_file")
    if (jwks_uri is None) == (jwks_file is None):
        raise table.refuse("", f"provider {issuer} needs one of jwks_uri and jwks_file")
    claims = table.values.get("claims", {})
    if not isinstance(claims, dict) or not all(isinstance(v, str) for v in claims.values()):
        raise table.refuse("claims", 'must map claims to attributes: groups = "groups"')
    return ProviderDeclaration(
        issuer=issuer,
        audience=_required(table, "audience"),
        claims=claims,
        subject_prefix=table.text("subject_prefix"),
        jwks_uri=jwks_uri,
        jwks_file=jwks_file,
    )


def _required(table: Table, key: str) -> str:
    value = table.text(key)
    if not value:
        raise table.refuse(key, "is missing")
    return value


def _jwks_uri(table: Table) -> str | None:
    uri = table.text("jwks_uri")
    if uri is not None:
        check_url(table, "jwks_uri", uri)
    return uri


def check_url(table: Table, key: str, url: str) -> SplitResult:
    """Return the parts of a URL that is https, or http on loopback (DESIGN §7).

    Raises:
        DeclarationError: it is neither.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise table.refuse(key, f"{url!r} is not a URL") from None
    if not is_secure(parts):
        raise table.refuse(key, f"{url!r} must be https://…, or http:// on loopback")
    return parts


def is_secure(parts: SplitResult) -> bool:
    """Return whether what is fetched there cannot be altered on the way: TLS, or loopback."""
    return parts.username is None and is_protected(parts.scheme, parts.hostname or "")
