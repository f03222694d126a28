"""Everything that the vault has sealed, sealed anew: after that an older key is needed by nothing."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.database import Database
from core.tables import ConnectionRow, InstallationRow, SyncRow
from core.vault import KEY_SIZE, Vault


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
            syncs = _with_ledgers(session)
            for sync in syncs:
                sync.sealed_ledger_key = vault.again(sync.sealed_ledger_key, bound_to=f"sync:{sync.id}")
            installations = session.scalars(select(InstallationRow)).all()
            for one in installations:
                one.sealed_token = vault.again(one.sealed_token, bound_to=f"installation:{one.org_id}")
            return {"connections": len(connections), "syncs": len(syncs), "installations": len(installations)}

    def unreadable(self, vault: Vault) -> int:
        """How many connections, ledger keys and installations the vault cannot open."""
        sealed: list[tuple[bytes, str]] = []
        with self._database.read() as session:
            grants = select(ConnectionRow.sealed_grant, ConnectionRow.id).where(ConnectionRow.sealed_grant.is_not(None))
            sealed += [(grant or b"", f"connection:{name}") for grant, name in session.execute(grants)]
            keys = select(SyncRow.sealed_ledger_key, SyncRow.id).where(SyncRow.sealed_ledger_key != b"")
            sealed += [(key, f"sync:{name}") for key, name in session.execute(keys)]
            tokens = select(InstallationRow.sealed_token, InstallationRow.org_id)
            sealed += [(token, f"installation:{name}") for token, name in session.execute(tokens)]
        return sum(not vault.opens(secret, bound_to=name) for secret, name in sealed)

    def ledger_keys(self, vault: Vault, sync_id: str) -> list[bytes]:
        """The keys of a sync's ledger, the newest last. Raises Unreadable."""
        with self._database.read() as session:
            sealed = session.scalars(select(SyncRow.sealed_ledger_key).where(SyncRow.id == sync_id)).one()
        return _keys(vault, sync_id, sealed)

    def renew_ledger_keys(self, vault: Vault, new_key: Callable[[], bytes]) -> dict[str, int]:
        """One more key for each sync's ledger: how many were given one, how many still have an older one to get rid of."""
        done = {"ledgers": 0, "waiting": 0}
        with self._database.write() as session:
            for row in _with_ledgers(session):
                keys = _keys(vault, row.id, row.sealed_ledger_key)
                done["ledgers" if len(keys) == 1 else "waiting"] += 1
                if len(keys) == 1:
                    row.sealed_ledger_key = vault.seal(b"".join([*keys, new_key()]), bound_to=f"sync:{row.id}")
        return done

    def retire_ledger_keys(self, vault: Vault, sync_id: str, key: bytes) -> None:
        """Forgets the keys that are older than this one."""
        with self._database.write() as session:
            row = session.get(SyncRow, sync_id, with_for_update=True)
            if row is None or not row.sealed_ledger_key:
                return
            keys = _keys(vault, sync_id, row.sealed_ledger_key)
            if key in keys[1:]:
                row.sealed_ledger_key = vault.seal(b"".join(keys[keys.index(key) :]), bound_to=f"sync:{sync_id}")


def _with_ledgers(session: Session) -> Sequence[SyncRow]:
    """All syncs that have a ledger, locked: of two who change its keys at once neither may lose the other's."""
    return session.scalars(select(SyncRow).where(SyncRow.sealed_ledger_key != b"").order_by(SyncRow.id).with_for_update()).all()


def _keys(vault: Vault, sync_id: str, sealed: bytes) -> list[bytes]:
    whole = vault.open(sealed, bound_to=f"sync:{sync_id}")
    return [whole[at : at + KEY_SIZE] for at in range(0, len(whole), KEY_SIZE)]
