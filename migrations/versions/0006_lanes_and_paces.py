"""Refreshes stand in lanes; platforms' quotas are shared by all processes.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WAITS = sa.text("state IN ('queued','settling')")
_RUNS = sa.text("state = 'running'")
_LANES = """
    UPDATE refresh_run SET lane = CASE WHEN requested_by IS NULL THEN 'routine/' ELSE 'asked/' END
        || (SELECT channel FROM sync WHERE sync.id = refresh_run.sync_id) || '/' || org_id
"""


def upgrade() -> None:
    op.add_column("refresh_run", sa.Column("lane", sa.String(length=255), nullable=False, server_default=""))
    op.execute(_LANES)
    op.drop_index("ix_refresh_run_claim", "refresh_run")
    op.create_index("ix_refresh_run_lease", "refresh_run", ["lane", "lease_until"], sqlite_where=_RUNS, postgresql_where=_RUNS)
    op.create_index(
        "ix_refresh_run_lane", "refresh_run", ["lane", "not_before", "id"], sqlite_where=_WAITS, postgresql_where=_WAITS
    )
    op.create_table(
        "pace",
        sa.Column("quota", sa.String(length=255), nullable=False),
        sa.Column("free_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("quota", name=op.f("pk_pace")),
    )


def downgrade() -> None:
    op.drop_table("pace")
    op.drop_index("ix_refresh_run_lane", "refresh_run")
    op.drop_index("ix_refresh_run_lease", "refresh_run")
    op.create_index("ix_refresh_run_claim", "refresh_run", ["state", "not_before"])
    op.drop_column("refresh_run", "lane")
