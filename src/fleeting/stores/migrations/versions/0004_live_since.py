"""Since when the policy set in force is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the set in force now nobody recorded it."""
    op.add_column("policy_state", sa.Column("live_since", sa.BigInteger))
