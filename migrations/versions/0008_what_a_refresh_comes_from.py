"""A refresh knows the request that it comes from, so that logs and traces of both can be laid side by side.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refresh_run", sa.Column("cause", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("refresh_run", "cause")
