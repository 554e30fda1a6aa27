"""A policy set as one text: policies and operation types, named by the digest of that text."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType

from fleeting.core.declaring import DeclarationError
from fleeting.core.operation_tables import type_table
from fleeting.core.operations import OperationType, declare_type
from fleeting.policy.problems import PolicySource

_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, DeclarationError)


class StoredSetError(Exception):
    """What was stored as a policy set is none; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies and the operation types they speak of: what is loaded, stored and named as one.

    text: ASCII; no file in it can pass for two of another split, and where the files stand is no
    part of it, so that the same files are the same set anywhere.
    digest: the SHA-256 of the text, in hex; what evidence names.
    """

    sources: tuple[PolicySource, ...]
    types: Mapping[str, OperationType]
    text: str = field(init=False, repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Write the text, which takes long enough to be done but once."""
        members = {
            "policies": sorted((PurePath(each.name).name, each.text) for each in self.sources),
            "types": {name: type_table(type_) for name, type_ in sorted(self.types.items())},
        }
        text = json.dumps(members, separators=(",", ":"))
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "digest", text_digest(text))


def text_digest(text: str) -> str:
    """Return the digest of the policy set that *text* is."""
    return hashlib.sha256(text.encode()).hexdigest()


def set_digest(sources: Iterable[PolicySource], types: Mapping[str, OperationType]) -> str:
    """Return the digest of the policy set of *sources* and *types*."""
    return PolicySet(tuple(sources), types).digest


def read_set(text: str, digest: str) -> PolicySet:
    """Return the policy set that was stored as *text* under *digest*.

    This does NOT check the policies: that is ``load_policies``' work, in the world of today.

    Raises:
        StoredSetError: it is not what *digest* names, or another version wrote it.
    """
    if text_digest(text) != digest:
        raise StoredSetError(f"the text stored as {digest} is another one: it was altered")
    try:
        members = json.loads(text)
        types = {name: declare_type(name, table) for name, table in members["types"].items()}
        sources = tuple(PolicySource(str(name), str(text)) for name, text in members["policies"])
    except _UNREADABLE as error:
        raise StoredSetError(f"the policy set {digest} cannot be read: {error}") from error
    return PolicySet(sources, MappingProxyType(types))
