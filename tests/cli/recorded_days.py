"""A ledger with days in it: what was asked, how the installation decided, and what was used."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleeting.core.errors import OAuthError
from fleeting.core.evidence import Entry
from fleeting.core.issuance import decide_token, grantable
from fleeting.core.model import (
    AccessRequest,
    AskedBy,
    SenderConstraint,
    SenderKey,
    SpendRefusal,
    SpendResult,
    Subject,
    SubjectKind,
)
from fleeting.core.operations import parse_operation
from fleeting.core.recording import issued_entry, refused_entry, spend_entry
from fleeting.policy import PolicyBundle
from fleeting.ports import Write
from fleeting.server.installing import installation, load_policy_set
from fleeting.server.settings import load_settings
from fleeting.server.world import SystemClock
from fleeting.stores import open_store

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first request of a recorded day was made; two come in an hour."""

SINCE = START.isoformat()


@dataclass(frozen=True)
class Asked:
    """One refund that is asked for; used: so many seconds after the token was issued.

    served: what the guard serves of the amount; None: all. late: it comes once too late.
    """

    amount: int = 1000
    used: tuple[float, ...] = (1.0,)
    served: int | None = None
    client: str = "support-bot"
    late: bool = False


class Recorder:
    """Decides as the server does, and makes the entries that it would."""

    def __init__(self, config: Path) -> None:
        self.settings = load_settings(config, {})
        self.policies: PolicyBundle = load_policy_set(self.settings)
        self.declared = installation(self.settings)

    def entries(self, number: int, asked: Asked) -> Iterable[Entry]:
        at = START + number * timedelta(minutes=30, microseconds=1)
        request = self.request(number, asked)
        decision = self.policies.decide(request, now=at)
        try:
            granted = grantable(request, decision)
        except OAuthError as error:
            told = {"request": request, "decision": decision}
            yield refused_entry(request.id, error, at, client_id=asked.client, **told)
            return
        token = decide_token(
            request, granted, issuer=self.settings.issuer, jti=f"jti-{number}", now=at
        )
        yield issued_entry(request, decision, token, at)
        (operation,) = token.operations
        amount = asked.amount if asked.served is None else asked.served
        served = replace(operation, fields={**operation.fields, "amount": amount})
        for use, after in enumerate(asked.used, start=1):
            result = SpendResult(use, token.uses)
            when = token.issued_at + timedelta(seconds=after)
            yield spend_entry(token, f"spend-{number}-{use}", "payments-api", served, result, when)
        if asked.late:
            result = SpendResult(None, token.uses, SpendRefusal.EXPIRED)
            when = token.expires_at + timedelta(seconds=1)
            yield spend_entry(token, f"late-{number}", "payments-api", served, result, when)

    def request(self, number: int, asked: Asked) -> AccessRequest:
        client = self.declared.registrations[asked.client].client
        (resource,) = self.declared.catalogue.resources.values()
        written = {"type": "payment_refund", "payment_id": f"{number}", "currency": "EUR"}
        return AccessRequest(
            id=f"request-{number}",
            txn=f"txn-{number}",
            asked_by=AskedBy.CLIENT_CREDENTIALS,
            subject=Subject(SubjectKind.CLIENT, asked.client, client.groups),
            actors=(),
            client=client,
            resource=resource,
            operations=(parse_operation({**written, "amount": asked.amount}, self.settings.types),),
            context={},
            key=SenderKey(SenderConstraint.DPOP, "thumbprint"),
        )


def record_days(config: Path, asked: Iterable[Asked], *more: Entry) -> None:
    """Put what was *asked*, and *more*, into the ledger of an installation."""
    recorder = Recorder(config)
    entries = [each for n, one in enumerate(asked) for each in recorder.entries(n, one)]
    asyncio.run(_write(recorder, [*entries, *more]))


async def _write(recorder: Recorder, entries: list[Entry]) -> None:
    settings = recorder.settings
    store = open_store(settings.database, clock=SystemClock(), base_dir=settings.directory)
    await store.open()
    await asyncio.gather(
        *(store.commit(Write(record=lambda _, it=entry: [it])) for entry in entries)
    )
    await store.close()
