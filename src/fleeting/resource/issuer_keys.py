"""The issuer's signing keys: cached, refreshed behind the calls, dropped when withdrawn."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fleeting.core.errors import TemporarilyUnavailable
from fleeting.core.jose import JoseError, KeySet
from fleeting.core.metadata import AS_METADATA, well_known
from fleeting.resource.declarations import is_safe_url
from fleeting.resource.issuer import Issuer, IssuerError

_log = logging.getLogger("fleeting.resource")

_FIRST_PACE_SECONDS = 1.0
"""How often the issuer is asked while it has never answered."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """When keys are asked for again.

    refresh_after: keys of that age are asked for again, in the background.
    at_most_every: the pace of refreshes, whatever strangers send with an unknown ``kid``. A key
        that is published for longer than this before it signs is known here in time.
    good_for: with the issuer out of reach for so long, nothing genuine can be left: no token
        outlives a day.
    """

    refresh_after: timedelta = timedelta(minutes=5)
    at_most_every: timedelta = timedelta(seconds=1)
    good_for: timedelta = timedelta(hours=24)


class IssuerKeys:
    """The keys that may sign access tokens (RFC 9068 §4, RFC 8414 §2 ``jwks_uri``)."""

    def __init__(self, issuer: Issuer, freshness: Freshness | None = None) -> None:
        self._issuer = issuer
        self._freshness = freshness or Freshness()
        self._keys: KeySet | None = None
        self._jwks: object = None
        self._fetched_at = 0.0
        self._tried_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def current(self) -> KeySet:
        """Return the keys at hand; only the very first calls wait for them.

        Raises:
            TemporarilyUnavailable: the issuer never answered, or not for a day.
        """
        age = _now() - self._fetched_at
        if self._keys is not None and age < self._freshness.good_for.total_seconds():
            if age > self._freshness.refresh_after.total_seconds() and self._may_try():
                self._begin()
            return self._keys
        fetched_at = self._fetched_at
        if self._keys is None:  # the issuer may be starting, too: wait for the next try's turn
            await asyncio.sleep(self._until_next_try())
        await self._refreshed()
        if self._keys is None or self._fetched_at == fetched_at:
            raise TemporarilyUnavailable("the keys of the authorization server cannot be had now")
        return self._keys

    async def newer_than(self, keys: KeySet) -> KeySet:
        """Return keys after *keys* did not do; asks the issuer at a bounded pace (RFC 8725 §3.10).

        Only the call that needs a new key waits; the others go on with the keys at hand.
        """
        if self._keys is keys:
            await self._refreshed()
        return self._keys or keys

    async def aclose(self) -> None:
        """Stop a refresh that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _may_try(self) -> bool:
        return self._until_next_try() <= 0

    def _until_next_try(self) -> float:
        """Return the seconds until the issuer may be asked again; 0 where it may be now."""
        pace = self._freshness.at_most_every.total_seconds()
        if self._keys is None:
            pace = min(pace, _FIRST_PACE_SECONDS)
        return max(0.0, self._tried_at + pace - _now())

    def _begin(self) -> asyncio.Task[None]:
        if self._refreshing is None or self._refreshing.done():
            self._tried_at = _now()
            self._refreshing = asyncio.create_task(self._refresh())
        return self._refreshing

    async def _refreshed(self) -> None:
        under_way = self._refreshing is not None and not self._refreshing.done()
        if under_way or self._may_try():
            await asyncio.shield(self._begin())  # one caller's end is not the others'

    async def _refresh(self) -> None:
        try:
            jwks = await self._fetch()
            if jwks != self._jwks:  # the same object otherwise: what was verified stays so
                self._keys, self._jwks = KeySet.from_jwks(jwks), jwks
                self._tried_at = float("-inf")  # no stranger made us ask in vain: ask again at once
            self._fetched_at = _now()
        except (IssuerError, JoseError) as error:
            _log.warning("the issuer's keys were not refreshed: %s", error)

    async def _fetch(self) -> dict[str, Any]:
        identifier = self._issuer.identifier
        metadata = await self._issuer.get_json(well_known(identifier, AS_METADATA))
        if metadata.get("issuer") != identifier:  # RFC 8414 §3.3: MUST be identical
            raise IssuerError(f"the metadata is not of issuer {identifier}")
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str) or not is_safe_url(jwks_uri):
            raise IssuerError("its 'jwks_uri' must be an https URL, or http on loopback")
        return await self._issuer.get_json(jwks_uri)


def _now() -> float:
    return asyncio.get_running_loop().time()
