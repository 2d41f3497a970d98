"""Webhooks: how far each has read the ledger, and what is to be sent, was sent, or was given up."""

import sqlalchemy as sa
from alembic import op

revision = "0007_webhooks"
down_revision = "0006_sessions"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("changed", sa.Text, nullable=False),
    )
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["state", "due"])
    op.create_index("webhook_deliveries_seq", "webhook_deliveries", ["hook", "seq"])
