"""From settings to what the use cases read: keys from files, policies from their directory."""

from datetime import timedelta
from pathlib import Path

import httpx

from fleeting.core.client_auth import Registration
from fleeting.core.exchange import Declarations, IdentityProvider
from fleeting.core.jose import KeySet
from fleeting.core.requests import Catalogue
from fleeting.policy import (
    OnDisagreement,
    PolicyBundle,
    PolicySource,
    PolicyWorld,
    ignore,
    load_policies,
)
from fleeting.server.declared_parties import ClientDeclaration
from fleeting.server.party_keys import (
    CachedPartyKeys,
    from_file,
    from_resource_metadata,
    from_uri,
    read_jwks_file,
)
from fleeting.server.plain_files import read_plain_text
from fleeting.server.settings import Settings, SettingsError
from fleeting.usecases.installation import Installation
from fleeting.usecases.parties import KeysUnavailableError

POLICY_SUFFIX = ".cedar"
_CONNECTIONS = httpx.Limits(max_connections=20, max_keepalive_connections=5)


def installation(settings: Settings) -> Installation:
    """Return everything that *settings* declare, with the clients' keys read.

    Raises:
        SettingsError: a key file is missing or malformed.
    """
    clients = {declared.client.client_id: declared for declared in settings.clients}
    resources = {declared.resource.identifier: declared.resource for declared in settings.resources}
    return Installation(
        issuer=settings.issuer,
        registrations={name: _registration(d, settings) for name, d in clients.items()},
        catalogue=Catalogue(resources, settings.types),
        providers={each.issuer: each for each in identity_providers(settings)},
        context_keys=settings.context_keys,
        declarations=Declarations(
            settings.attributes,
            settings.types,
            frozenset(clients),
            frozenset(p.subject_prefix or "" for p in settings.providers),
        ),
        guards={r.client_id: r for r in resources.values() if r.client_id is not None},
    )


def identity_providers(settings: Settings) -> tuple[IdentityProvider, ...]:
    """Return whose tokens may be exchanged."""
    return tuple(
        IdentityProvider(p.issuer, p.audience, p.claims, p.subject_prefix or "")
        for p in settings.providers
    )


def _registration(declared: ClientDeclaration, settings: Settings) -> Registration:
    if declared.jwks_file is None:
        return Registration(declared.client, secret_sha256=declared.secret_sha256)
    return Registration(declared.client, keys=_client_keys(declared, settings))


def _client_keys(declared: ClientDeclaration, settings: Settings) -> KeySet:
    path = settings.directory / (declared.jwks_file or "")
    try:
        keys = read_jwks_file(path)
    except KeysUnavailableError as error:
        raise SettingsError(f"client {declared.client.client_id}: {error}") from None
    if not keys.keys:
        raise SettingsError(
            f"client {declared.client.client_id}: {path} holds no public signature key "
            "(EC P-256, Ed25519 or RSA of 2048 bits or more)"
        )
    return keys


def provider_keys(settings: Settings, http: httpx.AsyncClient) -> CachedPartyKeys:
    """Return where the identity providers' keys come from."""
    return CachedPartyKeys(
        {
            p.issuer: from_uri(http, p.jwks_uri)
            if p.jwks_uri is not None
            else from_file(settings.directory / (p.jwks_file or ""))
            for p in settings.providers
        }
    )


def resource_keys(settings: Settings, http: httpx.AsyncClient) -> CachedPartyKeys:
    """Return where the keys of the resources' challenges come from."""
    sources = {}
    for declared in settings.resources:
        identifier = declared.resource.identifier
        if declared.jwks_file is not None:
            sources[identifier] = from_file(settings.directory / declared.jwks_file)
        elif declared.jwks_uri is not None:
            sources[identifier] = from_uri(http, declared.jwks_uri)
        else:
            sources[identifier] = from_resource_metadata(http, identifier)
    return CachedPartyKeys(sources)


def http_client() -> httpx.AsyncClient:
    """Return the one client for other parties' documents: no redirects, no environment proxies."""
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,  # of the environment, only its certificate authorities count
        verify=httpx.create_ssl_context(),
        limits=_CONNECTIONS,
        timeout=timedelta(seconds=5).total_seconds(),
    )


def policy_world(settings: Settings) -> PolicyWorld:
    """Return what policies may speak of."""
    return PolicyWorld(
        types=settings.types,
        scopes=frozenset(s for r in settings.resources for s in r.resource.scopes),
        context_keys=settings.context_keys,
        attributes=settings.attributes,
        resources=frozenset(r.resource.identifier for r in settings.resources),
        hard_cap=settings.max_lifetime,
    )


def policy_sources(directory: Path) -> list[PolicySource]:
    """Read every policy file below *directory*.

    Raises:
        SettingsError: it is not there or cannot be read.
    """
    try:
        if not directory.is_dir():
            raise SettingsError(f"{directory} is not a directory of policies (*{POLICY_SUFFIX})")
        paths = sorted(directory.glob(f"*{POLICY_SUFFIX}"))
        return [PolicySource(str(path), read_plain_text(path)) for path in paths]
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"a policy in {directory} is not UTF-8: {error}") from error


def load_policy_set(settings: Settings, on_disagreement: OnDisagreement = ignore) -> PolicyBundle:
    """Load the policy set, whole or not at all.

    on_disagreement: told where compiled policies and the Cedar engine differ.

    Raises:
        SettingsError: it cannot be read.
        PolicyProblems: it is wrong; every problem is in it.
    """
    return load_policies(
        policy_sources(settings.policies),
        policy_world(settings),
        verify=settings.verify,
        on_disagreement=on_disagreement,
    )
