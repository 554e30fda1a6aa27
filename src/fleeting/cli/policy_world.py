"""What hypothetical requests need of an installation: its policies, and its declared parties."""

from dataclasses import dataclass
from pathlib import Path

from fleeting.core.requests import Catalogue
from fleeting.policy import PolicyBundle
from fleeting.policy.hypothetical import Declared
from fleeting.server.installing import load_policy_set
from fleeting.server.settings import Settings, config_path, load_settings


@dataclass(frozen=True, slots=True)
class World:
    """An installation, without any of its keys: nothing here is served."""

    settings: Settings
    bundle: PolicyBundle
    declared: Declared


def world_of(config: Path | None) -> World:
    """Return the installation at *config*.

    Raises:
        SettingsError, PolicyProblems: its settings or its policies are wrong.
    """
    settings = load_settings(config_path(config))
    return World(settings, load_policy_set(settings), declared_of(settings))


def declared_of(settings: Settings) -> Declared:
    """Return the parties that *settings* declare."""
    resources = {declared.resource.identifier: declared.resource for declared in settings.resources}
    return Declared(
        catalogue=Catalogue(resources, settings.types),
        clients={declared.client.client_id: declared.client for declared in settings.clients},
        context_keys=settings.context_keys,
        attributes=settings.attributes,
        issuers=tuple(provider.issuer for provider in settings.providers),
    )
