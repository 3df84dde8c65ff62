"""One base station: database, folder and subscription, wired together (STYLE 6). `start`, `wait_ready`, `stop`."""

from datetime import UTC, datetime, timedelta

from uncia_collector import held
from uncia_collector.database import Database
from uncia_collector.frame_folder import FrameFolder
from uncia_collector.ingest import Ingest
from uncia_collector.settings import CollectorSettings
from uncia_collector.store import Store

STRAYS_KEPT = timedelta(days=30)


class Collector:
    """A collector that runs in this process, in threads of its own."""

    def __init__(self, settings: CollectorSettings) -> None:
        """Take settings; nothing is opened before `start`."""
        self.settings = settings
        self.database = Database(settings.database_url)
        self.folder = FrameFolder(settings.folder, settings.min_free_bytes)
        self.store = Store(self.database, self.folder)
        self.ingest = Ingest(settings.broker, settings.root, self.store)

    def start(self) -> None:
        """Migrate the catalogue, tidy up after an interrupted run, subscribe. The broker may come later.

        Raises:
            StorageError: the catalogue cannot be opened or written.
        """
        self.database.migrate()
        self.folder.sweep()
        with self.database.writing() as connection:
            held.drop_older(connection, datetime.now(UTC) - STRAYS_KEPT)
        self.ingest.start()

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Return once the broker has our subscription.

        Raises:
            BrokerError: not within the time.
        """
        self.ingest.wait_ready(timeout_s)

    def stop(self) -> None:
        """End in order; what is not committed comes again."""
        self.ingest.stop()
        self.database.close()
