"""The windows that were judged, and the alerts that they raised."""

import sqlalchemy as sa
from alembic import op

revision = "0003_watch"
down_revision = "0002_predictions"


def upgrade() -> None:
    op.create_table(
        "windows",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("last", sa.Text, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("p", sa.Float),
        sa.Column("level", sa.Float, nullable=False),
        sa.Column("alert", sa.Integer),
        sa.Column("statistics", sa.Text, nullable=False),
        sa.Column("judged", sa.BigInteger, nullable=False),
    )
    op.create_index("windows_by_end", "windows", ["model", "end"])
    op.create_table(
        "alerts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Text, nullable=False, unique=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("raised", sa.Text, nullable=False),
        sa.Column("changed", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("alerts_by_model", "alerts", ["model", "version", "state"])
