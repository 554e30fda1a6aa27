"""Verify what another party signed, with its newest keys where its cached ones do not fit."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from fleeting.core.errors import TemporarilyUnavailable
from fleeting.core.jose import KeySet, UnknownKeyError

Read = TypeVar("Read")


class KeysUnavailableError(Exception):
    """A party's keys cannot be had now."""


class PartyKeys(Protocol):
    """The public keys of identity providers and resource servers, by their identifier."""

    async def keys(self, party: str, *, newest: bool = False) -> KeySet:
        """Return the keys of *party*; newest: fetch them again, at a bounded rate.

        Raises:
            KeysUnavailableError: none are cached and none can be fetched.
        """
        ...


async def verified_by(party: str, source: PartyKeys, read: Callable[[KeySet], Read]) -> Read:
    """Return what *read* makes of *party*'s keys, trying newer ones once for an unknown ``kid``.

    Raises:
        JoseError: what *read* raises.
        TemporarilyUnavailable: the keys cannot be had; ours to mend, not the caller's.
    """
    try:
        try:
            return read(await source.keys(party))
        except UnknownKeyError:
            return read(await source.keys(party, newest=True))
    except KeysUnavailableError as error:
        raise TemporarilyUnavailable(
            "the keys of a party to this request cannot be fetched now: try again in a moment",
            detail=f"{party}: {error}",
        ) from error
