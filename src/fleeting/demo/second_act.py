"""The second act: what needs people. They decide the token itself, and take it back."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from fleeting.client import AccessDeniedError, FleetingError, RequestRefusedError, Token
from fleeting.demo.asking import Asking, asking
from fleeting.demo.expecting import StepFailedError, expect, expect_told
from fleeting.demo.installing import BOT
from fleeting.demo.narrating import narrate_deed, narrate_reading, reason_of, token_of
from fleeting.demo.people import Cast, Colleague
from fleeting.demo.recording import Deed
from fleeting.demo.scene import CONTEXT, Scene, refund_operation
from fleeting.demo.steps import FIRST_REFUND, TOLD, Found, Step
from fleeting.demo.watching import Audience, await_decision, invite

TITLE = "Second act: people decide"
INTRO = (
    "Policy lets larger refunds wait for two people of payments-leads. What they approve is the "
    "token itself. The bot's code stays as it is: its call just takes longer."
)

_PAYMENT, _ASKED, _NARROWED = "44", 60_000, 45_000
_CHANGED, _DENIED, _EMERGENCY = 90_000, 70_000, 80_000
_DENIAL = "this customer was refunded yesterday"
_NO_EMERGENCY = "the bank says that there is no cut-off today"
_OK, _CREATED = 200, 201
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN = 400, 401, 403
_HEARD_SECONDS = 2.0
_MILLISECONDS = 1000


class SecondAct:
    """What its steps hold in common.

    asked: the refund that waits; id: its request's. refunds: those that the API's table holds.
    """

    def __init__(self, people: Cast, audience: Audience, calls: ExitStack) -> None:
        """Play with *people* before *audience*; calls: keeps what waits open until the end."""
        self.people = people
        self.audience = audience
        self.calls = calls
        self.refunds = [FIRST_REFUND]
        self.asked: Asking[Token] | None = None
        self.id = ""
        self.turned_down = False

    def steps(self) -> tuple[Step, ...]:
        """Return the steps, in their order."""
        return (
            Step(
                "A larger refund waits",
                "The bot asks for 600.00 of payment 44. No token yet, no refusal either.",
                self._waits,
            ),
            Step(
                "No way around them",
                "Olga is one of payments-leads, but the bot is hers. And the bot tries to swap "
                "what it asked for, under the same id: 900.00.",
                self._no_way_around,
            ),
            Step(
                "Two people approve the token",
                "They see the validated refund, and who stands behind it. They may make it less.",
                self._approved,
            ),
            Step(
                "Denied, with a reason",
                "JustInTime again: the bot just calls the API, for 700.00. Ben says no.",
                self._denied,
            ),
            Step(
                "Break-glass, and taken back",
                "In an emergency policy lets the bot go ahead, for less. Somebody is alarmed.",
                self._break_glass,
            ),
            Step(
                "Who decided, and on what",
                "The whole story of the refund of step 8: asked, narrowed, approved, spent.",
                self._explained,
            ),
            Step(
                "The end reaches what never asks",
                "A token for reading is verified by the API alone. Ada ends all that the bot has.",
                self._offline,
            ),
        )

    def _waits(self, scene: Scene, _found: Found) -> None:
        self.asked = self.calls.enter_context(asking(scene.patient_obtain(_PAYMENT, _ASKED)))
        self.id = self.asked.pending().id
        pending = scene.tell(self.asked.exchanges())[-1]
        with scene.expecting("400 authorization_pending, with an id; the bot's call goes on"):
            scene.expect_answer(pending, _BAD_REQUEST, "authorization_pending")
            expect("the id of what waits", self.id, pending.json().get("access_request_id"))

    def _no_way_around(self, scene: Scene, _found: Found) -> None:
        answer = self.people.owner.approve(self.id)
        _tell(scene, (self.people.owner, answer))
        with scene.expecting("who stands behind a request does not decide it"):
            _expect_refusal(answer, _FORBIDDEN, "stand behind")
        self._swap(scene)

    def _swap(self, scene: Scene) -> None:
        changed = [refund_operation(_PAYMENT, _CHANGED)]
        told: FleetingError | None = None
        try:
            scene.bot.obtain(
                authorization_details=changed, context=CONTEXT, access_request_id=self.id, wait=0
            )
        except RequestRefusedError as refused:
            told = refused
        answer = scene.show_last()
        with scene.expecting("an approval is for what was asked, and nothing else"):
            scene.expect_refusal(answer, _BAD_REQUEST, "invalid_grant", "")
            expect("what the bot's code is told", "invalid_grant", told and told.error)

    def _approved(self, scene: Scene, _found: Found) -> None:
        asked = self._asked()
        if self.audience.watches:
            invite(scene.screen, scene.directory, scene.addresses, self.id)
            if not await_decision(scene.screen, asked, self.people.owner, self.id, self.audience):
                scene.screen.say("Ada and Ben step in.", "bold")
        self._step_in(scene)
        outcome = asked.outcome()
        if isinstance(outcome, Token):
            self._collected(scene, outcome)
        else:
            self._turned_down(scene, outcome)

    def _asked(self) -> Asking[Token]:
        if self.asked is None:
            raise StepFailedError("the refund of step 8", "to wait", "it was never asked for")
        return self.asked

    def _step_in(self, scene: Scene) -> None:
        """Let Ada and Ben do what nobody has done yet."""
        deeds = list(self._missing())
        if deeds:
            _tell(scene, *deeds)

    def _missing(self) -> Iterator[tuple[Colleague, Deed]]:
        ada, ben = self.people.ada, self.people.ben
        request = ada.shown(self.id)
        voted = {vote["by"]["id"] for stage in request["stages"] for vote in stage["votes"]}
        if request["status"] == "pending" and not voted and not request["narrowed"]:
            less = [refund_operation(_PAYMENT, _NARROWED)]
            yield ada, ada.do(self.id, "narrow", authorization_details=less, lifetime="60s")
        for person in (ada, ben):
            if person.role.id not in voted and person.shown(self.id)["status"] == "pending":
                yield person, person.approve(self.id)

    def _collected(self, scene: Scene, token: Token) -> None:
        request = self.people.owner.shown(self.id)
        claims = token_of(scene.tell(self._asked().exchanges()[-1:], whole=True)[-1]) or {}
        with scene.expecting("the token is what they approved, not what was asked for"):
            approved = request["offer"]["authorization_details"]
            expect("the token's operations", approved, claims.get("authorization_details"))
            voters = {vote["by"]["id"] for vote in request["stages"][0]["votes"]}
            expect("who approved it", {"ada", "ben"}, voters)
        amount = int(approved[0]["amount"])
        self._use(scene, token, amount)

    def _use(self, scene: Scene, token: Token, amount: int) -> None:
        over = max(_ASKED, amount + 1)
        scene.refund(_PAYMENT, over, auth=scene.bot.auth(token))
        scene.refund(_PAYMENT, amount, auth=scene.bot.auth(token))
        self.refunds.append((_PAYMENT, amount))
        more, refunded = scene.show()[-2:]
        with scene.expecting(f"{over / 100:.2f} is refused, {amount / 100:.2f} is refunded"):
            scene.expect_refusal(more, _FORBIDDEN, "insufficient_scope", "amount")
            scene.expect_answer(refunded, _CREATED, "")
            scene.expect_refunds(*self.refunds)

    def _turned_down(self, scene: Scene, outcome: FleetingError) -> None:
        self.turned_down = True
        last = scene.tell(self._asked().exchanges()[-1:])[-1]
        with scene.expecting("you said no: the bot reads why, and nothing was refunded"):
            scene.expect_answer(last, _BAD_REQUEST, "access_denied")
            expect("the reason as the bot's code reads it", reason_of(last), outcome.reason)
            scene.expect_refunds(*self.refunds)

    def _denied(self, scene: Scene, _found: Found) -> None:
        with asking(scene.patient_refund(_PAYMENT, _DENIED)) as asked:
            id_ = asked.pending().id
            scene.tell(asked.exchanges())
            _tell(scene, (self.people.ben, self.people.ben.do(id_, "deny", reason=_DENIAL)))
            outcome = asked.outcome()
            denied = scene.tell(asked.exchanges()[-1:])[-1]
        with scene.expecting("access_denied, in the words of who denied it: no token, no refund"):
            scene.expect_refusal(denied, _BAD_REQUEST, "access_denied", _DENIAL)
            told = outcome.reason if isinstance(outcome, AccessDeniedError) else repr(outcome)
            expect("the reason as the bot's code reads it", reason_of(denied), told)
            scene.expect_refunds(*self.refunds)

    def _break_glass(self, scene: Scene, _found: Found) -> None:
        token = scene.bot.obtain(
            authorization_details=[refund_operation(_PAYMENT, _EMERGENCY)],
            context=CONTEXT,
            break_glass="the bank's cut-off is in two minutes, and nobody answers",
        )
        scene.show()
        ada = self.people.ada
        waiting = ada.reviews()
        with scene.expecting("a token at once, and a review that somebody else must close"):
            expect("how many reviews are open", 1, len(waiting))
        id_ = str(waiting[0]["id"])
        taken = ada.do(id_, "revoke", reason=_NO_EMERGENCY)
        _tell(scene, (ada, taken), (ada, ada.do(id_, "review", note=_NO_EMERGENCY)))
        scene.refund(_PAYMENT, _EMERGENCY, auth=scene.bot.auth(token))
        refused = scene.show_last()
        with scene.expecting("Ada took it back before it was used: nothing was refunded"):
            scene.expect_refusal(refused, _UNAUTHORIZED, "invalid_token", "revoked")
            scene.expect_refunds(*self.refunds)
            expect("how many reviews are open", 0, len(ada.reviews()))

    def _offline(self, scene: Scene, _found: Found) -> None:
        token = scene.bot.obtain(scope="payments:read", resource=scene.addresses.resource)
        scene.show()
        expect("reading a payment", _OK, _reading(scene, token))
        ada, began = self.people.ada, time.monotonic()
        answer = ada.revoke_all(BOT, "its key may have leaked")
        while scene.read(_PAYMENT, token) == _OK and time.monotonic() - began < _HEARD_SECONDS:
            pass
        took = (time.monotonic() - began) * _MILLISECONDS
        _tell(scene, (ada, answer))
        with scene.expecting(f"refused {took:.0f} ms after Ada began to say so"):
            expect("reading a payment", _UNAUTHORIZED, _reading(scene, token))

    def _explained(self, scene: Scene, _found: Found) -> None:
        (story,) = scene.explain(self.id)
        status = self.people.owner.shown(self.id)["status"]
        told = (f"request.{status}",) if self.turned_down else ("request.approved", "token.spent")
        with scene.expecting("one story, over every hand that it went through"):
            expect_told(TOLD, story, "request.pending", *told)


def _tell(scene: Scene, *deeds: tuple[Colleague, Deed]) -> None:
    """Show what people sent, and what the issuer said."""
    scene.screen.rows(row for who, deed in deeds for row in narrate_deed(who.role.name, deed))


def _reading(scene: Scene, token: Token) -> int:
    """Show the call that reads the payment, and return the status of its answer."""
    status = scene.read(_PAYMENT, token)
    scene.screen.rows(narrate_reading(f"/payments/{_PAYMENT}", status))
    return status


def _expect_refusal(answer: Deed, status: int, reason: str) -> None:
    expect(f"status of POST {answer.path}", status, answer.status)
    said = str(answer.body.get("error_description", ""))
    if reason not in said:
        raise StepFailedError("what the answer speaks of", reason, said)
