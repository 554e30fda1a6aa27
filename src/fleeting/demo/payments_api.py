"""A sample payments API on FastAPI: the guard lets through what a token says, and nothing else.

    PAYMENTS_HOME=DIR uvicorn --factory fleeting.demo.payments_api:from_environment --port 8401

DIR is an installation (``fleeting init DIR``): operation types and this API's own key are there.
"""

import os
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, PositiveInt

from fleeting.demo.payments import DATABASE, NotRefundable, Payment, Payments, Refund
from fleeting.resource import Guard, body, operation, path, scope
from fleeting.resource.fastapi import Granted, install, requires


class RefundOrder(BaseModel):
    """What a caller sends to refund a payment."""

    amount: PositiveInt
    currency: str


def create_app(guard: Guard, payments: Payments) -> FastAPI:
    """Return the API; each guarded route says which operation its calls are."""
    app = FastAPI(title="Payments")
    install(app, guard)

    may_read = requires(guard, scope("payments:read"))
    may_refund = requires(
        guard,
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=body("currency"),
        ),
    )

    @app.get("/health")
    def health() -> dict[str, str]:
        """Say that the API is there; anyone may ask."""
        return {"status": "ok"}

    @app.get("/payments/{payment_id}", dependencies=[Depends(may_read)])
    def show(payment_id: str) -> Payment:
        """Show a payment."""
        payment = payments.find(payment_id)
        if payment is None:
            raise HTTPException(404, f"there is no payment {payment_id}")
        return payment

    @app.post("/payments/{payment_id}/refunds", status_code=201)
    def refund(
        payment_id: str, order: RefundOrder, granted: Annotated[Granted, Depends(may_refund)]
    ) -> Refund:
        """Refund a payment, or a part of it."""
        try:
            return payments.refund(payment_id, order.amount, order.currency, granted.txn)
        except NotRefundable as error:
            raise HTTPException(409, str(error)) from error

    return app


def from_environment() -> FastAPI:
    """Return the API of the installation in PAYMENTS_HOME, for uvicorn."""
    home = Path(os.environ.get("PAYMENTS_HOME", "."))
    guard = Guard(
        issuer=os.environ.get("PAYMENTS_ISSUER", "http://127.0.0.1:8400"),
        resource=os.environ.get("PAYMENTS_URL", "http://127.0.0.1:8401"),
        types=home / "fleeting.toml",
        scopes=["payments:read"],
        client_id="payments-api",
        key=home / "keys" / "payments-api.jwk.json",
    )
    return create_app(guard, Payments(home / DATABASE))
