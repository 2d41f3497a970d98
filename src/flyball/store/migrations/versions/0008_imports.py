"""Imports: what of another store is here already, under which name, and how it was when it came."""

import sqlalchemy as sa
from alembic import op

revision = "0008_imports"
down_revision = "0007_webhooks"


def upgrade() -> None:
    op.create_table(
        "imported",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("theirs", sa.Text, primary_key=True),
        sa.Column("ours", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
