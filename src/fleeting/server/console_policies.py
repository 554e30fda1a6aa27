"""The roles of an installation: ``console/*.cedar`` beside its policies, or the built-in ones."""

from collections.abc import Sequence
from pathlib import Path

from fleeting.policy import PolicySource
from fleeting.policy.roles import BUILT_IN, CedarRoles
from fleeting.server.installing import policy_sources
from fleeting.server.settings import Settings, SettingsError


def load_roles(settings: Settings) -> CedarRoles:
    """Return the roles of the installation.

    Raises:
        SettingsError: their directory cannot be read, or holds none. PolicyProblems: see there.
    """
    sensitive = (name for name, type_ in settings.types.items() if type_.sensitive)
    return CedarRoles(role_sources(settings.console_policies), sensitive)


def role_sources(directory: Path | None) -> Sequence[PolicySource]:
    """Return the files of roles in *directory*; with None, what is built in.

    Raises:
        SettingsError: it cannot be read, or is empty: then nobody could do anything.
    """
    if directory is None:
        return [BUILT_IN]
    sources = policy_sources(directory)
    if not sources:
        raise SettingsError(
            f"{directory} holds no roles (*.cedar), so that nobody could do anything: remove it "
            "for the built-in ones"
        )
    return sources
