"""Time, in whole numbers: instants, and how long ago a login was."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fleeting.policy.proving.terms import Attribute, Truth, every, negated, some

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Login:
    """How long ago the user logged in: whole seconds, and whether a part of one more."""

    attribute: Attribute
    more: Truth

    def meets(self, longest: timedelta) -> Truth:
        """Say when it is no longer ago than *longest* (RFC 9470 §4)."""
        seconds, age = int(longest.total_seconds()), self.attribute.term.value
        exact = every((age == seconds, negated(self.more)))
        return every((self.attribute.present, some((age < seconds, exact))))


def milliseconds(at: datetime) -> int:
    """Return an instant in milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)
