"""Verify an installation's ledger, its checkpoints and prunings by every key that ever signed."""

import asyncio
from collections.abc import Mapping
from functools import partial

from fleeting.cli.reading import ledger_of
from fleeting.core.jose import SERVER_ALG, JoseError, KeySet, UnverifiedJwt
from fleeting.core.ledger_verification import Verification, VerifySignature, verify_ledger
from fleeting.core.model import Json
from fleeting.server.settings import Settings
from fleeting.server.signing_keys import all_public_keys, load_key_ring

_LARGEST_CHECKPOINT = 64 * 1024 * 1024
"""A checkpoint names every chain of a day; it is our own, and was read already."""


def examine(settings: Settings) -> Verification:
    """Return everything that is wrong with the ledger of *settings*.

    Raises:
        CommandError, StoreUnavailableError: there is no ledger to read.
        SigningKeysError: the keys that would verify the checkpoints cannot be read.
    """
    ring = load_key_ring(settings.signing_keys, settings.max_lifetime)
    keys = all_public_keys(settings.signing_keys, ring)
    with ledger_of(settings) as evidence:
        return asyncio.run(evidence.examine(partial(verify_ledger, verify=genuine(keys))))


def genuine(keys: KeySet) -> VerifySignature:
    """Return what tells the claims of a checkpoint or a pruning that one of *keys* signed."""

    def verify(typ: str, text: str) -> Mapping[str, Json] | None:
        try:
            jwt = UnverifiedJwt.parse(text, max_bytes=_LARGEST_CHECKPOINT)
            return jwt.verify(keys, algs=frozenset({SERVER_ALG}), typ=(typ,)).claims
        except JoseError:
            return None

    return verify
