"""Transaction challenges of this resource, and the documents that let others check them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fleeting.core.challenge import CHALLENGE_TYP, make_challenge_claims
from fleeting.core.issuance import act_claim
from fleeting.core.jose import SigningKey
from fleeting.core.metadata import RESOURCE_METADATA, resource_metadata, well_known
from fleeting.core.model import SCOPE_TYPE, AccessToken, Operation
from fleeting.core.operations import OperationType, describe
from fleeting.resource.declarations import origin
from fleeting.resource.responses import Answer, document

CHALLENGE_JWKS = "/.well-known/fleeting-jwks.json"
_LONGEST_REASON = 500
"""The operation stands in the challenge anyhow, and all of it must fit a header field."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """Signs challenges of one resource (draft-rosomakho-oauth-txn-challenge-00 §3)."""

    resource: str
    issuer: str
    key: SigningKey
    types: Mapping[str, OperationType]
    scopes: tuple[str, ...]

    @property
    def metadata_url(self) -> str:
        """Where the resource's metadata is (RFC 9728 §3.1)."""
        return well_known(self.resource, RESOURCE_METADATA)

    @property
    def jwks_url(self) -> str:
        """Where the keys of challenges are (draft §3.3)."""
        return well_known(self.resource, CHALLENGE_JWKS)

    def sign(self, operation: Operation, token: AccessToken | None, *, now: datetime) -> str:
        """Return a challenge for exactly *operation*.

        token: what the call presented, if it was valid: its delegation chain goes along.
        """
        claims = make_challenge_claims(
            resource=self.resource,
            authorization_server=self.issuer,
            jti=secrets.token_urlsafe(16),
            txn=secrets.token_urlsafe(16),
            operation=operation,
            reason=f"This call needs its own authorization: {self._words(operation)}",
            now=now,
            act=None if token is None else act_claim(token.actors),
        )
        return self.key.sign(CHALLENGE_TYP, claims)

    def _words(self, operation: Operation) -> str:
        if operation.type == SCOPE_TYPE:
            return f"scope {' '.join(operation.actions)}"
        said = describe(operation, self.types[operation.type])
        return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}..."

    def documents(self) -> Mapping[str, Answer]:
        """Return metadata and keys by the path they are served at."""
        metadata = resource_metadata(
            self.resource,
            issuer=self.issuer,
            jwks_uri=self.jwks_url,
            types=self.types,
            scopes=self.scopes,
        )
        jwks = {"keys": [self.key.public().to_jwk()]}
        return {
            _path(self.metadata_url): document(metadata),
            _path(self.jwks_url): document(jwks),
        }


def _path(url: str) -> str:
    return url.removeprefix(origin(url))
