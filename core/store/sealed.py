"""Everything that the vault has sealed, sealed anew: after that an older key is needed by nothing."""

from sqlalchemy import select

from core.store.database import Database
from core.tables import ConnectionRow, InstallationRow, SyncRow
from core.vault import Vault


class SealedStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rotate(self, vault: Vault) -> dict[str, int]:
        """Seals connections and ledger keys under the current key; how many. Raises Unreadable, and then changes nothing."""
        with self._database.write() as session:
            connections = session.scalars(select(ConnectionRow).where(ConnectionRow.sealed_grant.is_not(None))).all()
            for row in connections:
                row.sealed_grant = vault.again(row.sealed_grant or b"", bound_to=f"connection:{row.id}")
            syncs = session.scalars(select(SyncRow)).all()
            for sync in syncs:
                sync.sealed_ledger_key = vault.again(sync.sealed_ledger_key, bound_to=f"sync:{sync.id}")
            installations = session.scalars(select(InstallationRow)).all()
            for one in installations:
                one.sealed_token = vault.again(one.sealed_token, bound_to=f"installation:{one.org_id}")
            return {"connections": len(connections), "syncs": len(syncs), "installations": len(installations)}
