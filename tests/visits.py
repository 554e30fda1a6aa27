"""People at the console in tests: those who are known, what waits for them, and their browsers."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from fleeting.core.access_requests import (
    ApprovalTerms,
    Offer,
    Plan,
    Remark,
    RemarkKind,
    RequestRecord,
    Review,
    Total,
    Vote,
)
from fleeting.core.lifecycle import Status
from fleeting.core.model import (
    AccessRequest,
    ApprovalStage,
    AskedBy,
    Client,
    Operation,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
)
from fleeting.core.people import Person
from fleeting.core.people_deeds import SignInMethod
from fleeting.ports import Write
from fleeting.server.wiring import Worker
from fleeting.usecases.people import person_change
from fleeting.usecases.request_rows import change_of
from tests.installation import ISSUER, PAYMENTS

ALICE = Person("alice", "Alice Asker", frozenset({"support"}))
BEA = Person("bea", "Bea Berg", frozenset({"payments-leads", "oncall-leads"}))
CARL = Person("carl", "Carl Claes", frozenset({"payments-leads"}))
DORA = Person("dora", "Dora Dahl", frozenset({"fleeting-operators"}))
EVERYONE = (ALICE, BEA, CARL, DORA)

BOT = Client("support-bot", frozenset({"client_credentials"}), groups=frozenset({"support"}))
ID = "AZqcT3XwPq0000000000000000000001"


def refund(**fields: Any) -> Operation:
    """Return a refund that waits for approval."""
    bounds = {"payment_id": "42", "amount": 20_000, "currency": ("EUR",), **fields}
    return Operation("payment_refund", ("refund",), bounds)


def waiting(  # what a request can be told by
    now: datetime, id_: str = ID, *, offer: Offer | None = None, **changes: Any
) -> RequestRecord:
    """Return a request of the support-bot for Alice that waits for two payments-leads."""
    context = changes.pop("context", {"ticket": "INC-7"})
    break_glass = changes.get("break_glass")
    made = offer or Offer((refund(),), timedelta(minutes=5), 1)
    request = AccessRequest(
        id=id_,
        txn=f"txn-{id_}",
        asked_by=AskedBy.TOKEN_EXCHANGE,
        subject=Subject(SubjectKind.USER, "alice", frozenset({"support"})),
        actors=(),
        client=BOT,
        resource=Resource(
            PAYMENTS, frozenset({"payment_refund", "payout"}), client_id="payments-api"
        ),
        operations=made.operations,
        context=context,
        key=SenderKey(SenderConstraint.DPOP, "k" * 43),
        break_glass=break_glass,
    )
    values: dict[str, Any] = {
        "request": request,
        "fingerprint": f"fingerprint-{id_}",
        "status": Status.PENDING,
        "asked": made,
        "offer": made,
        "terms": ApprovalTerms((ApprovalStage(2, "payments-leads"),), ("large-refunds",)),
        "asked_at": now,
        "expires_at": now + timedelta(minutes=15),
        "policy_digest": "d" * 64,
        "behind": frozenset({"alice"}),
    }
    return RequestRecord(**(values | changes))


def planned(now: datetime, id_: str) -> RequestRecord:
    """Return a plan that waits for approval."""
    total = Total("payment_refund", "amount", 100_000)
    plan = Plan(10, timedelta(hours=2), (total,))
    return waiting(now, id_, offer=Offer((refund(),), timedelta(minutes=5), 1, plan))


def broken_glass(now: datetime, id_: str, **changes: Any) -> RequestRecord:
    """Return what went ahead at once, and is to be reviewed."""
    values: dict[str, Any] = {
        "break_glass": "the shop is down and nobody answers",
        "status": Status.GRANTED,
        "granted_at": now,
        "not_after": now + timedelta(minutes=5),
        "terms": ApprovalTerms((), ("night-refunds",)),
        "review": Review("oncall-leads", now + timedelta(hours=24)),
    }
    return waiting(now, id_, **(values | changes))


MARKUP = "</p><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\u202e\u200b"
GROUP = MARKUP.replace(" ", "/")
"""A group's name has no blanks."""


def poisoned(now: datetime) -> RequestRecord:
    """Return a request with markup in every text that anybody but us controls."""
    offer = refund(payment_id=MARKUP, note=MARKUP, currency=("EUR", MARKUP))
    made = Offer((offer,), timedelta(minutes=5), 1)
    return waiting(
        now,
        offer=made,
        context={"purpose": MARKUP, "ticket": MARKUP},
        break_glass=MARKUP,
        reason=MARKUP,
        ended_by=MARKUP,
        behind=frozenset({MARKUP, "alice"}),
        terms=ApprovalTerms((ApprovalStage(1, GROUP), ApprovalStage(1, "x")), (MARKUP,), (MARKUP,)),
        votes=(Vote(MARKUP, MARKUP, now, 0, GROUP, made, now, MARKUP, MARKUP),),
        remarks=tuple(Remark(kind, MARKUP, now, MARKUP) for kind in RemarkKind),
        review=Review(GROUP, now + timedelta(hours=1)),
    )


async def keep(worker: Worker, *kept: Person | RequestRecord) -> None:
    """Write people and requests into the store."""
    changes = tuple(
        person_change(each, 0) if isinstance(each, Person) else change_of(each) for each in kept
    )
    await worker.store.commit(Write(changes=changes))


async def begin_session(
    worker: Worker, person: Person, *, jkt: str | None = None, signed_in_at: datetime | None = None
) -> str:
    """Sign *person* in and return the session's token."""
    sessions, now = worker.console.door.sessions, worker.clock.now()
    new = sessions.begin(person, now, jkt=jkt, signed_in_at=signed_in_at)
    entry = new.entry(person, SignInMethod.PASSKEY)
    await worker.store.commit(Write(changes=(new.change,), record=lambda _: (entry,)))
    return new.token


_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_OFFER = re.compile(r'name="offer" value="([0-9a-f]{64})"')


@dataclass
class Visit:
    """One person's browser: its cookie, and the forms of the page that it shows."""

    worker: Worker
    http: httpx.AsyncClient
    person: Person
    token: str = ""
    shown: str = field(default="", repr=False)

    async def sign_in(self, **more: Any) -> "Visit":
        """Begin a session."""
        self.token = await begin_session(self.worker, self.person, **more)
        return self

    @property
    def headers(self) -> dict[str, str]:
        """What the browser sends with every request."""
        return {"cookie": f"fleeting={self.token}"}

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        response = await self.http.get(ISSUER + path, headers=self.headers, **more)
        self.shown = response.text
        return response

    async def post(
        self, path: str, *, origin: str | None = ISSUER, csrf: str | None = None, **form: str
    ) -> httpx.Response:
        """Send a form as the page that is shown has it."""
        found = _CSRF.search(self.shown)
        token = csrf if csrf is not None else (found[1] if found else "")
        headers = self.headers | ({} if origin is None else {"origin": origin})
        return await self.http.post(ISSUER + path, headers=headers, data={"csrf": token, **form})

    def offer(self) -> str:
        """Return the digest of the offer that the page shows."""
        found = _OFFER.search(self.shown)
        assert found is not None, "the page has no form to approve with"
        return found[1]

    async def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        """Call the API as a page's own script would."""
        csrf = self.worker.console.door.sessions.csrf_token(self.token)
        own = {"origin": ISSUER, "x-csrf-token": csrf} if method == "POST" else {}
        sent = self.headers | own | {n.replace("_", "-"): v for n, v in headers.items()}
        more = {} if body is None else {"json": body}
        return await self.http.request(method, ISSUER + path, headers=sent, **more)
