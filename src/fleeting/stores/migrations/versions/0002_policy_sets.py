"""Policy sets by digest, which of them are in force, and what directories held."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the one row of the state: nothing was ever loaded."""
    op.create_table(
        "policy_sets",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        sa.Column("stored_by", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "policy_directories",
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "policy_state",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("live", sa.Text, nullable=False),
        sa.Column("candidate", sa.Text),
    )
    op.execute("INSERT INTO policy_state (id, revision, live) VALUES (1, 0, '')")
