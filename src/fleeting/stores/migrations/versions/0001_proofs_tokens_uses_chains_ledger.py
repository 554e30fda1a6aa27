"""The first tables: proofs, tokens, uses, chains, ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    _proofs()
    _tokens()
    _uses()
    _chains()
    _ledger()


def _proofs() -> None:
    op.create_table(
        "proofs",
        sa.Column("space", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("proofs_expiry", "proofs", ["expires_at"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("jti", sa.Text, primary_key=True),
        sa.Column("txn", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("uses", sa.BigInteger),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("tokens_expiry", "tokens", ["expires_at"])


def _uses() -> None:
    op.create_table(
        "uses",
        sa.Column("jti", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _chains() -> None:
    op.create_table(
        "chains",
        sa.Column("writer", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("writer", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("txn", sa.Text),
        sa.Column("jti", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("ledger_request", "ledger", ["request_id"])
    op.create_index("ledger_txn", "ledger", ["txn"])
    op.create_index("ledger_jti", "ledger", ["jti"])
