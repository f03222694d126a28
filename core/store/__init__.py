"""Every query. One method is one transaction; a module per noun."""

from core.store.alerts import AlertStore
from core.store.connections import ConnectionStore
from core.store.database import Database
from core.store.digest import DigestStore
from core.store.editing import EditStore
from core.store.installations import InstallationRecords
from core.store.journal import JournalStore
from core.store.lives import LifeStore
from core.store.measures import MeasureStore
from core.store.organizations import OrganizationStore
from core.store.outbox import OutboxStore
from core.store.paces import PaceStore
from core.store.people import PeopleStore
from core.store.refreshes import RefreshStore
from core.store.requests import RequestStore
from core.store.sealed import SealedStore
from core.store.standing import StandingStore
from core.store.syncs import SyncStore
from core.store.watch import WatchStore


class Store:
    """The nouns over one database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.organizations = OrganizationStore(self.database)
        self.connections = ConnectionStore(self.database)
        self.syncs = SyncStore(self.database)
        self.refreshes = RefreshStore(self.database)
        self.outbox = OutboxStore(self.database)
        self.measures = MeasureStore(self.database)
        self.editing = EditStore(self.database)
        self.journal = JournalStore(self.database)
        self.people = PeopleStore(self.database)
        self.alerts = AlertStore(self.database)
        self.standing = StandingStore(self.database)
        self.lives = LifeStore(self.database)
        self.installations = InstallationRecords(self.database)
        self.sealed = SealedStore(self.database)
        self.requests = RequestStore(self.database)
        self.watch = WatchStore(self.database)
        self.paces = PaceStore(self.database)
        self.digest = DigestStore(self.database)

    def close(self) -> None:
        """Closes every connection."""
        self.database.dispose()
