"""The sample API's payments: a SQLite file, where a refund never exceeds what is left."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

DATABASE = "payments.db"

_TABLES = """
CREATE TABLE IF NOT EXISTS payments (
  id TEXT PRIMARY KEY, currency TEXT NOT NULL, amount INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refunds (
  id INTEGER PRIMARY KEY,
  payment_id TEXT NOT NULL REFERENCES payments,
  amount INTEGER NOT NULL CHECK (amount > 0),
  txn TEXT NOT NULL
);
"""
_SAMPLES = (("42", "EUR", 12_000), ("43", "EUR", 8_000), ("44", "EUR", 900_000))

_REFUNDED = "(SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = payments.id)"
_PAYMENT = f"SELECT id, currency, amount, {_REFUNDED} AS refunded FROM payments WHERE id = ?"  # noqa: S608 -- our own text
_REFUND = f"""
INSERT INTO refunds (payment_id, amount, txn)
SELECT id, :amount, :txn FROM payments
WHERE id = :payment_id AND currency = :currency AND amount - {_REFUNDED} >= :amount
RETURNING id, payment_id, amount, txn
"""  # noqa: S608 -- our own text


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment; amounts are in cents. refunded: how much of it went back."""

    id: str
    currency: str
    amount: int
    refunded: int


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back. txn: the transaction whose token said so."""

    id: int
    payment_id: str
    amount: int
    txn: str


class NotRefundable(Exception):
    """There is no such payment in this currency, or less than this is left of it."""


class Payments:
    """The payments and refunds in one file, which is made where it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as connection:
            connection.executescript(_TABLES)
            connection.executemany("INSERT OR IGNORE INTO payments VALUES (?, ?, ?)", _SAMPLES)

    def find(self, payment_id: str) -> Payment | None:
        """Return a payment, if there is one of this id."""
        with self._transaction() as connection:
            row = connection.execute(_PAYMENT, (payment_id,)).fetchone()
        return None if row is None else Payment(*row)

    def refund(self, payment_id: str, amount: int, currency: str, txn: str) -> Refund:
        """Refund *amount* if so much is left: one statement, so that two refunds cannot race.

        Raises:
            NotRefundable: it is not, and nothing was done.
        """
        wanted = {"payment_id": payment_id, "amount": amount, "currency": currency, "txn": txn}
        with self._transaction() as connection:
            row = connection.execute(_REFUND, wanted).fetchone()
        if row is None:
            raise NotRefundable(f"less than that is left of payment {payment_id} in {currency}")
        return Refund(*row)

    def refunds(self) -> list[Refund]:
        """Return every refund, in the order they were made."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT id, payment_id, amount, txn FROM refunds ORDER BY id")
            return [Refund(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            yield connection
