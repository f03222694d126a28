"""Alerts that are acted on: who did what, escalation, threads; what the channel matched at the end of each refresh.

Revision: 0003, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.add_column(sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("noted_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("history", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("left_ids", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("refresh_run", schema=None) as batch_op:
        batch_op.add_column(sa.Column("matched", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("refresh_run", schema=None) as batch_op:
        batch_op.drop_column("matched")
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.drop_column("left_ids")
        batch_op.drop_column("history")
        batch_op.drop_column("noted_at")
        batch_op.drop_column("escalated_at")
