"""Read what an installation says of waiting for people: how many may, and whom to alarm."""

from dataclasses import dataclass

from fleeting.core.declaring import Table
from fleeting.server.declared_parties import check_url
from fleeting.usecases.open_requests import IN_ALL, PER_CLIENT

ASKING_COUNTS = ("open_requests", "open_requests_per_client")
ALARMS = "alarms"
_GROUP_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class AlarmDeclaration:
    """Where the alarm of one group is posted to, as JSON."""

    group: str
    url: str


@dataclass(frozen=True, slots=True)
class AskingDeclaration:
    """How many access requests may wait, in all and per client; whom break-glass alarms."""

    in_all: int
    per_client: int
    alarms: tuple[AlarmDeclaration, ...]


def declare_asking(table: Table, alarms: tuple[AlarmDeclaration, ...]) -> AskingDeclaration:
    """Read ``open_requests`` and ``open_requests_per_client``."""
    return AskingDeclaration(
        table.count("open_requests", IN_ALL) or IN_ALL,
        table.count("open_requests_per_client", PER_CLIENT) or PER_CLIENT,
        alarms,
    )


def declare_alarm(table: Table) -> AlarmDeclaration:
    """Read one of ``[[alarms]]``."""
    table.allow_only(("group", "url"))
    group, url = table.text("group"), table.text("url")
    if not group or len(group) > _GROUP_CHARACTERS:
        raise table.refuse(
            "group", 'is missing: write the group that @break_glass("alarm …") names'
        )
    if not url:
        raise table.refuse("url", "is missing: write where the alarm is posted to")
    check_url(table, "url", url)
    return AlarmDeclaration(group, url)
