"""Put into a refusal what would be allowed instead, as far as its caller may know."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from fleeting.core.errors import OAuthError
from fleeting.core.model import AccessRequest, Decision, Json
from fleeting.policy import PolicyBundle
from fleeting.policy.hypothetical import Hypothetical
from fleeting.policy.refusals import Refusals


def _tell_nobody(_fault: Exception) -> None:
    """Leave it at the refusal."""


class Hints:
    """What refused callers read, by the set of policies that refused them."""

    __slots__ = ("_last", "_on_fault", "_wanted")

    def __init__(
        self, on_fault: Callable[[Exception], None] = _tell_nobody, *, wanted: bool = True
    ) -> None:
        """Tell nothing unless it is *wanted*; on_fault: told why nothing could be told."""
        self._on_fault = on_fault
        self._wanted = wanted
        self._last: tuple[PolicyBundle, Refusals] | None = None

    @contextmanager
    def on_refusal(
        self, bundle: PolicyBundle, request: AccessRequest, decision: Decision, now: datetime
    ) -> Iterator[None]:
        """Add to a refusal that is raised inside what *bundle* would allow instead.

        Only for an authenticated caller: nobody else has an access request.
        """
        try:
            yield
        except OAuthError as error:
            if self._wanted:
                asked = Hypothetical(request, now)
                error.would_allow = self._told(bundle, asked, decision)
            raise

    def _told(
        self, bundle: PolicyBundle, asked: Hypothetical, decision: Decision
    ) -> Sequence[Json]:
        try:
            return self._of(bundle).would_allow(asked, decision)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the refusal is told and recorded
            self._on_fault(error)
            return ()

    def _of(self, bundle: PolicyBundle) -> Refusals:
        if self._last is None or self._last[0] is not bundle:
            self._last = bundle, Refusals(bundle)
        return self._last[1]
