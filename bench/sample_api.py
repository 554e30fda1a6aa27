"""The sample API of the enforce benchmark: one FastAPI route, bare and guarded."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from bench.fleeting_side import RESOURCE_CLIENT
from fleeting.resource import Guard, body, operation, path
from fleeting.resource.fastapi import Granted, install, requires

WANTED = operation(
    "payment_refund",
    payment_id=path("payment_id"),
    amount=body("amount"),
    currency=body("currency"),
)


class Refund(BaseModel):
    """What a caller sends."""

    amount: int
    currency: list[str]


class Receipt(BaseModel):
    """What a caller gets."""

    payment_id: str
    amount: int


def make_guard() -> Guard:
    """Return the guard that the environment describes."""
    return Guard(
        issuer=os.environ["BENCH_ISSUER"],
        resource=os.environ["BENCH_RESOURCE"],
        types=os.environ["BENCH_TYPES"],
        client_id=RESOURCE_CLIENT,
        secret=os.environ["BENCH_SECRET"],
    )


def make_app() -> FastAPI:
    """Return the application (uvicorn's `--factory`)."""
    app, guard = FastAPI(), make_guard()
    install(app, guard)
    guarded = Annotated[Granted, Depends(requires(guard, WANTED))]

    @app.post("/bare/{payment_id}/refunds")
    async def refund_bare(payment_id: str, refund: Refund) -> Receipt:
        return Receipt(payment_id=payment_id, amount=refund.amount)

    @app.post("/payments/{payment_id}/refunds")
    async def refund_guarded(payment_id: str, refund: Refund, granted: guarded) -> Receipt:  # noqa: ARG001
        return Receipt(payment_id=payment_id, amount=refund.amount)

    return app
