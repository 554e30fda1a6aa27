"""What the steps play with: a bot that calls the API, and eyes on all that comes of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from rich.text import Text

from fleeting.client import JustInTime, Pending, Token, TokenClient, TokenRefusedError
from fleeting.client.keys import read_key
from fleeting.demo.addresses import Addresses
from fleeting.demo.asking import Call
from fleeting.demo.commands import as_argument, printed
from fleeting.demo.expecting import StepFailedError, expect
from fleeting.demo.installing import BOT, CONFIG, bot_key
from fleeting.demo.narrating import Narrator, error_of, essential, reason_of
from fleeting.demo.payments import DATABASE, Payments
from fleeting.demo.recording import Exchange, Recorder
from fleeting.demo.screen import Screen

CONTEXT = {"ticket": "INC-7"}


@dataclass(frozen=True, slots=True)
class Scene:
    """The two servers as the bot reaches them, the API's own table, and the screen.

    http: the client that all calls go through; recorder: what it keeps of them.
    bot: asks for tokens by name; thief: presents the bot's tokens with a key of its own.
    """

    directory: Path
    addresses: Addresses
    screen: Screen
    payments: Payments
    recorder: Recorder
    http: httpx.Client
    narrator: Narrator
    bot: TokenClient
    thief: TokenClient

    def just_in_time(
        self,
        *,
        wait: float | None = 0,
        on_pending: Callable[[Pending], None] | None = None,
        http: httpx.Client | None = None,
    ) -> JustInTime:
        """Return what makes a call obtain its token by itself; wait: for people, in seconds."""
        return JustInTime(
            self.addresses.issuer,
            BOT,
            bot_key(self.directory),
            context=CONTEXT,
            wait=wait,
            on_pending=on_pending,
            client=http or self.http,
        )

    def obtain(self, payment_id: str, amount: int) -> Token:
        """Obtain a token to refund *amount* of a payment."""
        operation = refund_operation(payment_id, amount)
        return self.bot.obtain(authorization_details=[operation], context=CONTEXT)

    def patient_obtain(self, payment_id: str, amount: int) -> Call[Token]:
        """Return a call that obtains such a token, and waits for people."""
        operation = refund_operation(payment_id, amount)

        def call(http: httpx.Client, on_pending: Callable[[Pending], None]) -> Token:
            bot = TokenClient(self.addresses.issuer, BOT, bot_key(self.directory), client=http)
            return bot.obtain(
                authorization_details=[operation], context=CONTEXT, on_pending=on_pending
            )

        return call

    def patient_refund(self, payment_id: str, amount: int) -> Call[httpx.Response]:
        """Return a call of the API, which obtains its token by itself and waits for people."""
        url, order = self._refund(payment_id, amount)

        def call(http: httpx.Client, on_pending: Callable[[Pending], None]) -> httpx.Response:
            auth = self.just_in_time(wait=None, on_pending=on_pending, http=http)
            return http.post(url, json=order, auth=auth)

        return call

    def _refund(self, payment_id: str, amount: int) -> tuple[str, dict[str, Any]]:
        url = f"{self.addresses.resource}/payments/{payment_id}/refunds"
        return url, {"amount": amount, "currency": "EUR"}

    def read(self, payment_id: str, token: Token) -> int:
        """Read a payment, and return the status."""
        url = f"{self.addresses.resource}/payments/{payment_id}"
        try:
            status = self.http.get(url, auth=self.bot.auth(token)).status_code
        except TokenRefusedError as refused:
            status = refused.status or 0
        self.recorder.take()
        return status

    def refund(
        self,
        payment_id: str,
        amount: int,
        auth: httpx.Auth | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Call the API; that it refuses the token is seen in what was recorded."""
        url, order = self._refund(payment_id, amount)
        with suppress(TokenRefusedError):
            self.http.post(url, json=order, auth=auth or httpx.USE_CLIENT_DEFAULT, headers=headers)

    def show(self, *, whole: bool = False) -> list[Exchange]:
        """Show what was sent and came back since the last time, and return what matters of it."""
        return self.tell(self.recorder.take(), whole=whole)

    def tell(self, exchanges: list[Exchange], *, whole: bool = False) -> list[Exchange]:
        """Show *exchanges*, and return what matters of them."""
        self.screen.rows(self.narrator.narrate(exchanges, whole=whole))
        return essential(exchanges)

    def show_refunds(self) -> None:
        """Show the API's own table of refunds."""
        refunds = [
            f"{refund.amount / 100:.2f} of payment {refund.payment_id}, txn {refund.txn}"
            for refund in self.payments.refunds()
        ]
        self.screen.note("refunds in the API's table", refunds)

    def show_last(self) -> Exchange:
        """Show likewise, and return the last exchange.

        Raises:
            StepFailedError: there was none.
        """
        exchanges = self.show()
        if not exchanges:
            raise StepFailedError("what the bot sent", "a call", "nothing")
        return exchanges[-1]

    @contextmanager
    def expecting(self, promise: str) -> Iterator[None]:
        """Say that *promise* was kept, once every check of the block has passed."""
        yield
        self.screen.passed(promise)

    def expect_answer(self, exchange: Exchange, status: int, error: str) -> None:
        """Check the status and the OAuth error code of an answer.

        Raises:
            StepFailedError: they are others.
        """
        where = f"{exchange.method} {exchange.url.path}"
        expect(f"status of {where}", status, exchange.status)
        expect(f"error of {where}", error, error_of(exchange))

    def expect_refusal(self, exchange: Exchange, status: int, error: str, reason: str) -> None:
        """Check as ``expect_answer``, and that what is said for people speaks of *reason*.

        Raises:
            StepFailedError: it does not.
        """
        self.expect_answer(exchange, status, error)
        if reason not in reason_of(exchange):
            raise StepFailedError("what the answer speaks of", reason, reason_of(exchange))

    def explain(self, *ids: str) -> list[str]:
        """Show what ``fleeting explain`` prints about each of *ids*, and return it in plain words.

        Raises:
            CommandFailedError: it failed.
        """
        config = str(self.directory / CONFIG)
        with ThreadPoolExecutor() as threads:
            stories = list(threads.map(partial(printed, "explain", "-c", config, "--"), ids))
        for id_, story in zip(ids, stories, strict=True):
            self.screen.transcript(f"fleeting explain {as_argument(id_)}", story)
        return [" ".join(Text.from_ansi(story).plain.split()) for story in stories]

    def expect_refunds(self, *refunds: tuple[str, int]) -> None:
        """Check that the API's table holds exactly these refunds, payment and amount.

        Raises:
            StepFailedError: it holds others.
        """
        held = [(refund.payment_id, refund.amount) for refund in self.payments.refunds()]
        expect("the API's table of refunds", list(refunds), held)


@contextmanager
def scene(directory: Path, addresses: Addresses, screen: Screen) -> Iterator[Scene]:
    """Return the scene of the installation in *directory* for as long as the block runs."""
    recorder = Recorder()
    with httpx.Client(transport=recorder, trust_env=False) as http:
        own = ec.generate_private_key(ec.SECP256R1())
        yield Scene(
            directory,
            addresses,
            screen,
            Payments(directory / DATABASE),
            recorder,
            http,
            Narrator(addresses, key_id(directory)),
            bot=TokenClient(addresses.issuer, BOT, bot_key(directory), client=http),
            thief=TokenClient(addresses.issuer, BOT, own, client=http),
        )


def key_id(directory: Path) -> str:
    """Return the thumbprint of the bot's key, which its tokens are bound to."""
    return read_key(bot_key(directory)).signing.kid


def refund_operation(payment_id: str, amount: int) -> dict[str, Any]:
    """Return the refund of *amount* of a payment, as RFC 9396 §2 writes it."""
    return {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": payment_id,
        "amount": amount,
        "currency": "EUR",
    }
