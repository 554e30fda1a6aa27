"""From settings to what a review of the policies must know beside them."""

from pathlib import Path

from fleeting.core.context import GROUPS
from fleeting.policy.problems import PolicySource
from fleeting.policy.reviewing import Declared
from fleeting.server.settings import Settings


def declared_parties(settings: Settings, path: Path) -> Declared:
    """Return the parties that *settings*, read from *path*, declare."""
    return Declared(
        clients=tuple(each.client for each in settings.clients),
        resources=tuple(each.resource for each in settings.resources),
        users=tuple(each.subject_prefix or "" for each in settings.providers),
        user_groups=any(GROUPS in each.claims.values() for each in settings.providers),
        settings=PolicySource(str(path), path.read_text(encoding="utf-8")),
    )
