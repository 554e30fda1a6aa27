"""Read how people sign in: the table ``[sign_in]``."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from fleeting.core.declaring import Table
from fleeting.core.signing_in import SessionTerms

_KEYS = (
    *("session_max", "session_idle", "approver_max_age", "passkeys"),
    *("provider", "client_id", "client_secret_file", "client_key_file"),
    *("scopes", "acr_values"),
)
_OF_PROVIDER = ("client_id", "client_secret_file", "client_key_file", "scopes", "acr_values")
_APPROVER_MAX_AGE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class ProviderClient:
    """What we are at the provider where people log in (OpenID Connect Core §2, §9).

    issuer: one of ``[[identity_providers]]``. One of the files is given: a secret, or a private
    key as a JWK. acr_values: the login must be one of these, where any are named.
    """

    issuer: str
    client_id: str
    client_secret_file: str | None
    client_key_file: str | None
    scopes: tuple[str, ...] = ("openid", "profile")
    acr_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignInDeclaration:
    """How people sign in, and for how long.

    approver_max_age: how old the login of an approver may be, unless a policy says.
    passkeys: people who were added here may sign in with one. client: None: no provider.
    """

    terms: SessionTerms = SessionTerms()  # noqa: RUF009 -- frozen
    approver_max_age: timedelta = _APPROVER_MAX_AGE
    passkeys: bool = True
    client: ProviderClient | None = None


def declare_sign_in(table: Table, issuers: Collection[str]) -> SignInDeclaration:
    """Read ``[sign_in]``; issuers: those of ``[[identity_providers]]``.

    Raises:
        DeclarationError: with where it is wrong and what to write instead.
    """
    table.allow_only(_KEYS)
    terms = SessionTerms(
        table.duration("session_max") or SessionTerms().longest,
        table.duration("session_idle") or SessionTerms().idle,
    )
    if terms.idle > terms.longest:
        raise table.refuse("session_idle", "must not be longer than session_max")
    client = _client(table, issuers)
    passkeys = "passkeys" not in table.values or table.flag("passkeys")
    if client is None and not passkeys:
        raise table.refuse("passkeys", "is false and there is no provider: nobody could sign in")
    return SignInDeclaration(
        terms, table.duration("approver_max_age") or _APPROVER_MAX_AGE, passkeys, client
    )


def _client(table: Table, issuers: Collection[str]) -> ProviderClient | None:
    issuer = table.text("provider")
    if issuer is None:
        for key in _OF_PROVIDER:
            if key in table.values:
                raise table.refuse(key, 'needs a provider: write provider = "https://…"')
        return None
    if issuer not in issuers:
        known = ", ".join(issuers) or "none"
        raise table.refuse(
            "provider", f"{issuer} is not one of [[identity_providers]] (declared: {known})"
        )
    client_id = table.text("client_id")
    if not client_id:
        raise table.refuse("client_id", "is missing: what the provider calls this server")
    secret_file, key_file = table.text("client_secret_file"), table.text("client_key_file")
    if (secret_file is None) == (key_file is None):
        raise table.refuse("", "needs one of client_secret_file and client_key_file (a JWK)")
    scopes = table.strings("scopes") or ("openid", "profile")
    if "openid" not in scopes:
        raise table.refuse("scopes", 'must name "openid" (OpenID Connect Core §3.1.2.1)')
    return ProviderClient(
        issuer, client_id, secret_file, key_file, scopes, table.strings("acr_values")
    )
