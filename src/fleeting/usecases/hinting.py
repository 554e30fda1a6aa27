"""Put into a refusal what would be allowed instead, as far as its caller may know."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from fleeting.core.errors import OAuthError
from fleeting.core.model import AccessRequest, Decision
from fleeting.policy import PolicyBundle
from fleeting.policy.hypothetical import Hypothetical
from fleeting.policy.refusals import Refusals


class Hints:
    """What refused callers read, by the set of policies that refused them."""

    __slots__ = ("_last", "_wanted")

    def __init__(self, *, wanted: bool = True) -> None:
        """Tell nothing unless it is *wanted*."""
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
                error.would_allow = self._of(bundle).would_allow(asked, decision)
            raise

    def _of(self, bundle: PolicyBundle) -> Refusals:
        if self._last is None or self._last[0] is not bundle:
            self._last = bundle, Refusals(bundle)
        return self._last[1]
