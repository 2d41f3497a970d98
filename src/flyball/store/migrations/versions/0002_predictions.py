"""The prediction log and its outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0002_predictions"
down_revision = "0001_spine"


def upgrade() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("alias", sa.Text),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("request", sa.Text),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("outputs", sa.Text, nullable=False),
    )
    op.create_index("predictions_by_model", "predictions", ["model", "time"])
    op.create_table(
        "outcomes",
        # SQLite numbers rows by itself only for INTEGER, which holds 64 bits there.
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("prediction_id", sa.Text, sa.ForeignKey("predictions.id"), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
    )
    op.create_index("outcomes_by_prediction", "outcomes", ["prediction_id", "seq"])
