"""Leases: who is alive, where several machines share one database."""

import sqlalchemy as sa
from alembic import op

revision = "0005_leases"
down_revision = "0004_tracking"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
