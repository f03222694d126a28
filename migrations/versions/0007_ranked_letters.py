"""Letters have a rank: final states go before alerts, and both before progress.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATE, _ALERT, _PROGRESS = 1, 2, 4


def upgrade() -> None:
    op.add_column("outbox", sa.Column("rank", sa.Integer(), nullable=False, server_default=str(_STATE)))
    op.execute(f"UPDATE outbox SET rank = {_ALERT} WHERE topic IN ('alert', 'remark')")  # noqa: S608 - constants
    op.drop_index("ix_outbox_state", "outbox")
    op.drop_index("ix_outbox_message", "outbox")
    op.create_index("ix_outbox_due", "outbox", ["state", "rank", "id"])
    op.create_index("ix_outbox_target", "outbox", ["target", "state"])
    op.create_index("ix_outbox_message", "outbox", ["topic", "subject_id", "target", "state"])
    # of messages that are only brought up to date one row is enough: the newest
    newest = "SELECT max(o.id) FROM outbox o WHERE o.topic = 'progress' AND o.state = 'sent' GROUP BY o.subject_id, o.target"
    op.execute(f"DELETE FROM outbox WHERE topic = 'progress' AND state IN ('sent', 'skipped') AND id NOT IN ({newest})")  # noqa: S608 - constants


def downgrade() -> None:
    op.drop_index("ix_outbox_message", "outbox")
    op.drop_index("ix_outbox_target", "outbox")
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index("ix_outbox_message", "outbox", ["topic", "subject_id", "target"])
    op.create_index("ix_outbox_state", "outbox", ["state", "not_before"])
    op.drop_column("outbox", "rank")
