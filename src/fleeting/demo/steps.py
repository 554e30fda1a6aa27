"""The steps of the demo: each shows one thing that a token is not good for, and checks it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from fleeting.client import AccessDeniedError, Token
from fleeting.client.tokens import read_token
from fleeting.demo.expecting import expect, expect_told
from fleeting.demo.narrating import challenge_of, reason_of, token_of
from fleeting.demo.recording import Exchange
from fleeting.demo.scene import Scene, refund_operation

TOLD = "what fleeting explain tells"
FIRST_REFUND = ("42", 5000)
NEVER_PERMITTED = ("44", 600_000)

_OK, _CREATED = 200, 201
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN = 400, 401, 403
_LIFETIME_SECONDS = 60


@dataclass(slots=True)
class Found:
    """What later steps need of earlier ones.

    token: the first refund's. denied: the id of the request that policy refused; reason: why.
    """

    tokens: list[Token] = field(default_factory=list)
    denied: str = ""
    reason: str = ""

    @property
    def token(self) -> Token:
        """The first refund's token."""
        return self.tokens[0]


Play: TypeAlias = Callable[[Scene, Found], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, what it is about, and how it is played."""

    title: str
    intro: str
    play: Play


def _without_a_token(scene: Scene, found: Found) -> None:
    scene.refund(*FIRST_REFUND, auth=scene.just_in_time())
    exchanges = scene.show(whole=True)
    scene.show_refunds()
    expect("how often the bot called and asked", 3, len(exchanges))
    challenged, issued, served = exchanges
    with scene.expecting("401: a signed challenge for exactly this refund"):
        scene.expect_answer(challenged, _UNAUTHORIZED, "transaction_authorization_required")
        expect("the challenge", [refund_operation(*FIRST_REFUND)], challenge_of(challenged))
    with scene.expecting("200: a token for it, one use, 60 seconds, bound to the bot's key"):
        scene.expect_answer(issued, _OK, "")
        _expect_claims(scene, token_of(issued) or {})
        found.tokens.append(_token(issued))
    with scene.expecting("201: refunded, once; its row names the token's transaction"):
        scene.expect_answer(served, _CREATED, "")
        scene.expect_refunds(FIRST_REFUND)
        expect("the refund's txn", found.token.txn, scene.payments.refunds()[0].txn)


def _expect_claims(scene: Scene, claims: dict[str, Any]) -> None:
    operation = refund_operation(*FIRST_REFUND)
    expect("the token's operation", [operation], claims.get("authorization_details"))
    expect("the token's uses", 1, claims.get("uses"))
    expect("the token's lifetime", _LIFETIME_SECONDS, claims.get("exp", 0) - claims.get("iat", 0))
    expect("the token's audience", scene.addresses.resource, claims.get("aud"))
    expect(
        "the key that the token is bound to", {"jkt": scene.narrator.bot_key_id}, claims.get("cnf")
    )


def _token(issued: Exchange) -> Token:
    return read_token(issued.json(), asked_at=datetime.now(UTC), bound=True)


def _the_same_again(scene: Scene, found: Found) -> None:
    scene.refund(*FIRST_REFUND, auth=scene.bot.auth(found.token))
    _expect_refusal(scene, _UNAUTHORIZED, "invalid_token", "spent")


def _another_amount(scene: Scene, _found: Found) -> None:
    token = scene.obtain("43", 5000)
    scene.refund("43", 6000, auth=scene.bot.auth(token))
    _expect_refusal(scene, _FORBIDDEN, "insufficient_scope", "amount")


def _without_the_key(scene: Scene, _found: Found) -> None:
    token = scene.obtain("43", 5000)
    scene.refund("43", 5000, headers={"Authorization": f"Bearer {token.value}"})
    _expect_refusal(scene, _UNAUTHORIZED, "invalid_token", "DPoP")
    scene.refund("43", 5000, auth=scene.thief.auth(token))
    _expect_refusal(scene, _UNAUTHORIZED, "invalid_token", "key")


def _more_than_permitted(scene: Scene, found: Found) -> None:
    try:
        scene.refund(*NEVER_PERMITTED, auth=scene.just_in_time())
    except AccessDeniedError as denied:
        found.denied, found.reason = denied.request_id or "", denied.reason
    denial = scene.show_last()
    with scene.expecting("refused by policy, with its public reason: no token, no refund"):
        scene.expect_refusal(denial, _BAD_REQUEST, "access_denied", "more than 5000.00")
        expect("the reason as the bot's code reads it", reason_of(denial), found.reason)
        scene.expect_refunds(FIRST_REFUND)


def _revoked(scene: Scene, _found: Found) -> None:
    token = scene.obtain("43", 5000)
    scene.bot.revoke(token)
    scene.refund("43", 5000, auth=scene.bot.auth(token))
    _expect_refusal(scene, _UNAUTHORIZED, "invalid_token", "revoked")


def _expect_refusal(scene: Scene, status: int, error: str, reason: str) -> None:
    answer = scene.show_last()
    with scene.expecting(f"{status} {error}: nothing was refunded"):
        scene.expect_refusal(answer, status, error, reason)
        scene.expect_refunds(FIRST_REFUND)


def _explained(scene: Scene, found: Found) -> None:
    refund, refusal = scene.explain(found.token.txn or "", found.denied)
    with scene.expecting("the first story: from the request to the second try with a spent token"):
        expect_told(TOLD, refund, "small-refunds", "token.issued", "token.spent", "spend.refused")
    with scene.expecting("the second: which policy refused it, and what the bot was told"):
        expect_told(TOLD, refusal, "refunds-have-an-end", "request.refused", found.reason)


STEPS = (
    Step(
        "A refund without a token",
        "The bot's code is httpx.post(url, json=..., auth=JustInTime(...)): it just calls the API.",
        _without_a_token,
    ),
    Step(
        "The same token again",
        "The very same call once more: a retry, a bug, a thief. 70.00 of payment 42 are left.",
        _the_same_again,
    ),
    Step(
        "The amount changed",
        "A token for 50.00 of payment 43 goes with a call for 60.00.",
        _another_amount,
    ),
    Step(
        "The token without its key",
        "Someone found a token in a log: they send it as it is, then with a key of their own.",
        _without_the_key,
    ),
    Step(
        "More than any policy permits",
        "6000.00 of payment 44. Policy decides before there is any token, and says why it refuses.",
        _more_than_permitted,
    ),
    Step(
        "A revoked token",
        "The bot gets a token, and gives it back unused.",
        _revoked,
    ),
    Step(
        "What happened, and why",
        "Every request has one story in the ledger. First the refund, then the refusal of step 5.",
        _explained,
    ),
)
