"""One call's way through every check, in the order of DESIGN §1 step 5."""

from dataclasses import dataclass
from datetime import datetime

from fleeting.core.errors import (
    InsufficientScope,
    InvalidDpopProof,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    OAuthError,
    TemporarilyUnavailable,
    UseDpopNonce,
)
from fleeting.core.model import AccessToken, Actor, Operation, SenderConstraint
from fleeting.core.sender import Nonces, ProofContext, verify_proof
from fleeting.core.validation import (
    PresentedToken,
    check_call,
    check_sender,
    check_token,
    presented_token,
)
from fleeting.resource.access_tokens import AccessTokens
from fleeting.resource.bodies import ReadBody
from fleeting.resource.call_operations import CallOperation
from fleeting.resource.calls import Call
from fleeting.resource.challenges import Challenger
from fleeting.resource.following import Revocations
from fleeting.resource.issuer import Issuer
from fleeting.resource.proofs import ProofMemory
from fleeting.resource.reporting import Outcome, Reporter
from fleeting.resource.spending import RefusedByIssuer, SpentToken, spend


@dataclass(frozen=True, slots=True)
class Granted:
    """What the route may know of a call that was let through.

    token: the verified claims. operation: the one of the token that permits the call.
    call: what the call itself is. use: the number of this use, None where uses are not counted.
    """

    token: AccessToken
    operation: Operation
    call: Operation
    use: int | None = None

    @property
    def subject(self) -> str:
        """Whose authority is used (``sub``)."""
        return self.token.subject

    @property
    def client_id(self) -> str:
        """The client that the token was issued to."""
        return self.token.client_id

    @property
    def actors(self) -> tuple[Actor, ...]:
        """Who acts for the subject, current actor first (RFC 8693 §4.1)."""
        return self.token.actors

    @property
    def txn(self) -> str:
        """The transaction, as the ledger knows it."""
        return self.token.txn

    @property
    def jti(self) -> str:
        """The access token's id."""
        return self.token.jti


@dataclass(frozen=True, slots=True)
class Checks:
    """What a guard checks calls with.

    revocations: for tokens that are not spent at the issuer; None: they end when they expire.
    """

    resource: str
    base_url: str
    tokens: AccessTokens
    nonces: Nonces
    proofs: ProofMemory
    issuer: Issuer
    reporter: Reporter
    challenger: Challenger
    revocations: Revocations | None = None
    report_served: bool = False


_NOT_THE_TOKENS_FAULT = (UseDpopNonce, TemporarilyUnavailable, InvalidRequest)


class Admission:
    """One call: what is known of it so far, and the checks that remain.

    token: set once its signature is right. proven: whether its audience, time and sender are, too.
    """

    def __init__(
        self, checks: Checks, call: Call, wanted: CallOperation, read_body: ReadBody, now: datetime
    ) -> None:
        self._checks = checks
        self._call = call
        self._wanted = wanted
        self._read_body = read_body
        self._now = now
        self._operation: Operation | None = None
        self.token: AccessToken | None = None
        self.proven = False

    async def admit(self) -> Granted:
        """Return what lets this very call through.

        Raises:
            OAuthError: nothing does; the issuer is told where the token is one of its own.
        """
        presented = presented_token(self._call.header_values(b"authorization"))
        if presented is None:
            raise MissingToken("this call needs an access token")
        self.token = await self._checks.tokens.read(presented.text)
        try:
            return await self._admit(presented, self.token)
        except OAuthError as error:
            self._report_refusal(presented, self.token, error)
            raise

    async def _admit(self, presented: PresentedToken, token: AccessToken) -> Granted:
        check_token(token, audience=self._checks.resource, now=self._now)
        await self._check_sender(presented, token)
        self.proven = True
        if token.uses is None and self._checks.revocations is not None:
            await self._checks.revocations.check(token, self._wanted.type)
        call = await self.operation()
        operation = check_call(token, call, self._checks.tokens.types)
        if token.uses is not None:
            use = await spend(self._checks.issuer, token, presented.text, call)
            return Granted(token, operation, call, use)
        if self._checks.report_served:
            self._checks.reporter.report(presented.text, Outcome.SERVED, "", call)
        return Granted(token, operation, call)

    async def _check_sender(self, presented: PresentedToken, token: AccessToken) -> None:
        """Check that the caller holds the token's key, and use its proof up (RFC 9449 §7)."""
        checks, call = self._checks, self._call
        if presented.scheme is not SenderConstraint.DPOP:
            check_sender(token, presented.scheme, None)
            return
        context = ProofContext(
            method=call.method,
            uri=checks.base_url + call.raw_path,
            nonces=checks.nonces,
            now=self._now,
            access_token=presented.text,
        )
        proof = verify_proof(call.header_values(b"dpop"), context)
        check_sender(token, presented.scheme, proof.key)  # before: a stranger's takes no memory
        if not await checks.proofs.claim(proof.claim, now=self._now):
            raise InvalidDpopProof("the DPoP proof was used before: make a new one for each call")

    async def operation(self) -> Operation:
        """Return what the call is; reads its body where that is needed.

        Raises:
            InvalidRequest: it cannot be read, or does not fit the declared type.
        """
        if self._operation is None:
            if self._wanted.needs_body and self._call.body is None:
                self._call.body = await self._read_body()
            self._operation = self._wanted.read(self._call, self._checks.tokens.types)
        return self._operation

    def may_be_challenged(self, error: OAuthError) -> bool:
        """Say whether a token for this very call would have helped where *error* happened."""
        if isinstance(error, InvalidToken):
            return isinstance(error, SpentToken) or self._is_over()
        return isinstance(error, MissingToken | InsufficientScope)

    def _is_over(self) -> bool:
        token = self.token
        return (
            token is not None
            and token.audience == self._checks.resource
            and self._now >= token.expires_at
        )

    async def challenge(self) -> str:
        """Return a signed transaction challenge for exactly this call (txn-challenge draft §3).

        Raises:
            InvalidRequest: the call cannot be read, so nobody could authorize it.
        """
        context = self.token if self.proven else None
        return self._checks.challenger.sign(await self.operation(), context, now=self._now)

    def _report_refusal(
        self, presented: PresentedToken, token: AccessToken, error: OAuthError
    ) -> None:
        issuer_knows = isinstance(error, SpentToken | RefusedByIssuer)
        if issuer_knows or isinstance(error, _NOT_THE_TOKENS_FAULT):
            return
        if token.audience == self._checks.resource:
            said = error.description
            self._checks.reporter.report(presented.text, Outcome.REFUSED, said, self._operation)
