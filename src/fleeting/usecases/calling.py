"""Who calls, and the story of the call that a refusal must be able to tell."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from fleeting.core.client_auth import (
    AuthenticatedClient,
    ClientCredentials,
    authenticate_client,
)
from fleeting.core.errors import (
    AuthorizationPending,
    InvalidClient,
    InvalidDpopProof,
    InvalidTransactionChallenge,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    UseDpopNonce,
)
from fleeting.core.evidence import Entry
from fleeting.core.forms import Form
from fleeting.core.model import AccessRequest, Claim, Decision, SenderKey
from fleeting.core.recording import refused_entry
from fleeting.core.requests import Ask
from fleeting.core.sender import Nonces, ProofContext, verify_proof
from fleeting.ports import Clock, Ledger, Outcome, StoreUnavailableError, Write
from fleeting.usecases.rules import Rules, RulesSource

CHALLENGE_SPACE = "challenge:"
"""Whose ids the claims of transaction challenges are; the resource follows."""

_FAULT_SECONDS = 2
"""How long a call that a bug ended waits for its entry, before it ends without."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, as far as the use cases care. Nothing of it is verified.

    proofs: the values of every ``DPoP`` header field; uri: the endpoint as we know ourselves.
    wait: how long the answer may be held back for people to decide (RFC 7240 §4.3).
    """

    request_id: str
    method: str
    uri: str
    form: Form
    authorization: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    wait: timedelta = timedelta(0)

    def credentials(self) -> ClientCredentials:
        """Return what the call says about who sent it."""
        return ClientCredentials(
            self.authorization,
            self.form.get("client_id"),
            self.form.get("client_assertion"),
            self.form.get("client_assertion_type"),
        )


@dataclass(slots=True)
class Story:
    """What became clear of a call so far: the one thing here that changes.

    now: the instant at which all of the call is judged. rules: by which it is.
    aside: what is recorded beside the call's own entry, whatever that is.
    recorded: the ledger has the refusal already.
    """

    call: Call
    now: datetime
    rules: Rules
    client_id: str | None = None
    claims: list[Claim] = field(default_factory=list)
    ask: Ask | None = None
    request: AccessRequest | None = None
    decision: Decision | None = None
    aside: tuple[Entry, ...] = ()
    recorded: bool = False

    def proofs(self) -> tuple[Claim, ...]:
        """Return what a refusal uses up: not a challenge, or whoever stole one could burn it."""
        return tuple(claim for claim in self.claims if not claim.only_with_success)

    def refusal(self, error: OAuthError) -> Entry:
        """Return the ledger's entry for refusing the call with *error*."""
        return refused_entry(
            self.call.request_id,
            error,
            self.now,
            client_id=self.client_id,
            ask=self.ask,
            request=self.request,
            decision=self.decision,
        )

    def fault(self, bug: Exception) -> Entry:
        """Return the ledger's entry for a call that *bug* ended: its kind alone, for the ledger.

        What it says may quote anything; what the call was is left out if that is what is broken.
        """
        error = ServerError("a fault of ours", detail=type(bug).__name__)
        try:
            return self.refusal(error)
        except Exception:  # noqa: BLE001 -- whatever it is, there was a call
            return refused_entry(self.call.request_id, error, self.now, client_id=self.client_id)


class Budget(Protocol):
    """A bound on what strangers can make the ledger grow by (ATTACKS 33)."""

    def allows(self, now: datetime) -> bool:
        """Return whether one more refusal of an unauthenticated call is recorded now."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What every use case that faces a client needs."""

    rules: RulesSource
    ledger: Ledger
    clock: Clock
    nonces: Callable[[], Nonces]
    strangers: Budget

    def story(self, call: Call) -> "Following":
        """Follow one call; a refusal is recorded before it leaves (house rule 3)."""
        return Following(self, Story(call, self.clock.now(), self.rules.rules()))

    async def record(self, story: Story, error: OAuthError) -> None:
        """Record that the call was refused with *error*, unless that is done or is no refusal.

        Raises:
            TemporarilyUnavailable: the ledger cannot take it.
        """
        if story.recorded or _is_protocol(error):
            return
        if isinstance(error, AuthorizationPending):
            await self.use_up(story)  # no refusal
            return
        if story.client_id is None and not self.strangers.allows(story.now):
            return
        entries = (story.refusal(error), *story.aside)
        try:
            await self.ledger.commit(Write(story.proofs(), record=lambda _: entries))
        except StoreUnavailableError as gone:
            raise unavailable(gone) from gone

    async def use_up(self, story: Story) -> None:
        """Use up what the call proved itself by, where nothing else is to be recorded.

        Raises:
            InvalidClient, InvalidDpopProof: it was used before.
            TemporarilyUnavailable: the ledger cannot take it.
        """
        if not story.claims:
            return
        try:
            await self.commit(story, Write())
        except StoreUnavailableError as gone:
            raise unavailable(gone) from gone

    async def record_fault(self, story: Story, bug: Exception) -> None:
        """Record that *bug* ended the call, if that is possible at once: the bug goes on anyway."""
        if story.client_id is None and not self.strangers.allows(story.now):
            return
        entry = story.fault(bug)
        with suppress(Exception):
            async with asyncio.timeout(_FAULT_SECONDS):
                await self.ledger.commit(Write(story.proofs(), record=lambda _: (entry,)))

    def authenticate(self, story: Story) -> AuthenticatedClient:
        """Say which client calls (RFC 6749 §2.3).

        Raises:
            InvalidClient, InvalidRequest: see ``core.client_auth``.
        """
        installation = story.rules.installation
        authenticated = authenticate_client(
            story.call.credentials(),
            installation.registrations,
            issuer=installation.issuer,
            now=story.now,
        )
        story.client_id = authenticated.client.client_id
        if authenticated.claim is not None:
            story.claims.append(authenticated.claim)
        return authenticated

    def prove_key(self, story: Story, authenticated: AuthenticatedClient) -> SenderKey | None:
        """Return the key that the call proves; None only for a client declared bearer (D4).

        Raises:
            InvalidDpopProof, UseDpopNonce: see ``core.sender``.
        """
        call = story.call
        if not call.proofs and authenticated.client.insecure_bearer:
            return None
        proof = verify_proof(
            call.proofs, ProofContext(call.method, call.uri, self.nonces(), story.now)
        )
        story.claims.append(proof.claim)
        return proof.key

    async def commit(self, story: Story, write: Write) -> Outcome:
        """Commit *write* with the call's claims; a replay is refused, and recorded as such.

        Raises:
            InvalidClient, InvalidDpopProof, InvalidTransactionChallenge: what was sent was sent
                before.
            StoreUnavailableError: nobody may be told that it was done.
        """
        success = write.record

        def record(outcome: Outcome) -> tuple[Entry, ...]:
            if outcome.stale:
                return tuple(success(outcome))  # to be decided again
            if outcome.replayed is None:
                return (*success(outcome), *story.aside)
            return (story.refusal(replay_error(outcome.replayed)), *story.aside)

        outcome = await self.ledger.commit(
            replace(write, claims=(*story.claims, *write.claims), record=record)
        )
        story.claims.clear()  # they are used up, and are not to be asked for again
        if outcome.replayed is not None:
            story.recorded = True
            raise replay_error(outcome.replayed)
        return outcome


@dataclass(frozen=True, slots=True)
class Following:
    """The context in which a call's story unfolds, to its good or its recorded end."""

    desk: Desk
    story: Story

    async def __aenter__(self) -> Story:
        return self.story

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Record a refusal, or that a bug of ours ended the call.

        Raises:
            TemporarilyUnavailable: the ledger cannot take the record, so nothing is answered.
        """
        if isinstance(error, StoreUnavailableError):
            raise unavailable(error) from error
        if isinstance(error, OAuthError):
            await self.desk.record(self.story, error)
        elif isinstance(error, Exception):
            await self.desk.record_fault(self.story, error)


def _is_protocol(error: OAuthError) -> bool:
    """Tell what is no refusal: asking for a nonce, and faults of our own."""
    return isinstance(error, UseDpopNonce) or error.status >= 500  # noqa: PLR2004 -- HTTP


def unavailable(cause: Exception) -> TemporarilyUnavailable:
    """Return the answer where the store failed: whether its last COMMIT happened, nobody knows."""
    told = "it may not have been done; try again in a moment"
    return TemporarilyUnavailable(told, detail=str(cause))


def replay_error(claim: Claim) -> OAuthError:
    """Return the refusal of what was sent before (RFC 7523 §3, RFC 9449 §11.1)."""
    if claim.space.startswith("assertion:"):
        return InvalidClient("the client assertion was used before: sign a new one, with a new jti")
    if claim.space.startswith(CHALLENGE_SPACE):
        return InvalidTransactionChallenge("the transaction challenge was used before")
    return InvalidDpopProof("the DPoP proof was used before: make a new one for each request")
