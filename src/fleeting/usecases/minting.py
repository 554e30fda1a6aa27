"""Decide, sign, commit: from an access request to its token, whichever door it came through."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fleeting.core.issuance import (
    ACCESS_TOKEN_TYP,
    check_size,
    decide_token,
    grantable,
    refused_json,
    token_claims,
    token_record,
    token_response,
    within_subject_token,
)
from fleeting.core.jose import KeySet
from fleeting.core.model import AccessRequest
from fleeting.core.recording import issued_entry
from fleeting.ports import Ids, Write
from fleeting.usecases.calling import Desk, Story
from fleeting.usecases.hinting import Hints


class Signer(Protocol):
    """The holder of the signing keys."""

    def sign(self, typ: str, claims: Mapping[str, Any]) -> str:
        """Return *claims* as a compact JWS by the active key."""
        ...

    def keys(self) -> KeySet:
        """Return every key whose signatures still count: active, coming and retiring."""
        ...


@dataclass(frozen=True, slots=True)
class Mint:
    """Make the one token that an access request is worth. Nothing leaves before it is recorded."""

    desk: Desk
    signer: Signer
    ids: Ids
    hints: Hints

    async def __call__(self, story: Story, request: AccessRequest) -> dict[str, Any]:
        """Return the token response (RFC 6749 §5.1).

        Raises:
            AccessDenied and its kind: see ``core.issuance.grantable``.
        """
        story.request = request
        rules = story.rules
        permitted = rules.policy.decide(request, now=story.now)
        if rules.shadow is not None:
            differed = rules.shadow.watch(request, permitted, now=story.now)
            story.aside = () if differed is None else (differed,)
        types = rules.installation.catalogue.types
        decision = story.decision = within_subject_token(request, permitted, types)
        with self.hints.on_refusal(rules.policy, request, decision, story.now):
            granted = grantable(request, decision)
        token = decide_token(
            request,
            granted,
            issuer=rules.installation.issuer,
            jti=self.ids.new_id(),
            now=story.now,
        )

        signed = self.signer.sign(ACCESS_TOKEN_TYP, token_claims(token))
        check_size(signed)

        entry = issued_entry(request, decision, token, story.now)
        record = token_record(token, request.id)
        await self.desk.commit(story, Write(token=record, record=lambda _: (entry,)))

        return token_response(token, signed, refused_json(request.operations, granted.refused))
