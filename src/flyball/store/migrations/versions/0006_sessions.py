"""Sessions: what a server carries of the past of each entity, for models that look at earlier rows."""

import sqlalchemy as sa
from alembic import op

revision = "0006_sessions"
down_revision = "0005_leases"


def upgrade() -> None:
    op.create_table(
        "session_streams",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("entity", sa.Text),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("model", "content_hash"),
    )
    op.create_table(
        "session_entities",
        sa.Column("stream", sa.BigInteger, sa.ForeignKey("session_streams.id"), primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    # Clustered by its key: an entity's last rows lie together.
    op.create_table(
        "session_rows",
        sa.Column("stream", sa.BigInteger, sa.ForeignKey("session_streams.id"), primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("row", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
