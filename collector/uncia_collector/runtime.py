"""`Collector`: builds the parts of a base station, starts and stops them (`start`, `wait_ready`, `stop`)."""

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from uncia_collector.catalogue.access.people_in_pictures import erase, human_names
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.events.settling import set_independence
from uncia_collector.catalogue.review import apply_checklist
from uncia_collector.effort.hours import hour_of, note_listening
from uncia_collector.ingest import chunks
from uncia_collector.ingest.budgets import Budgets
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.subscriber import Ingest
from uncia_collector.logs import logger
from uncia_collector.settings import CollectorSettings, HttpSettings
from uncia_collector.station.alerts import Alerts
from uncia_collector.station.home_assistant import announcement

if TYPE_CHECKING:
    from uncia_collector.web.server import PageServer

CHORES_EVERY_S = 10
log = logger("station")
TIDY_EVERY_S = 600


class Collector:
    """A collector that runs in threads of this process."""

    def __init__(self, settings: CollectorSettings) -> None:
        """Build the parts from the settings; nothing is opened or connected before `start`."""
        self.settings = settings
        self.database = Database(settings.database_url)
        self.folder = FrameFolder(settings.folder, settings.min_free_bytes)
        self.store = Store(self.database, self.folder, settings.budgets.waiting_mb)
        self.ingest = Ingest(settings.broker, settings.root, self.store, budgets=Budgets(settings.budgets))
        if settings.alerts.home_assistant:
            self.ingest.announce = lambda state: announcement(state, settings.root)
        self.alerts = Alerts(settings, self.database, self.ingest.publish)
        self.page: PageServer | None = None
        self._stopping = threading.Event()
        self._upkeep = threading.Thread(target=self._tidy_regularly, name="uncia-upkeep", daemon=True)
        self._listened: datetime | None = None  # the last hour that was noted
        self._chores = threading.Thread(target=self._do_chores, name="uncia-chores", daemon=True)

    def start(self) -> None:
        """Migrate the catalogue, clean up after an interrupted run, start the page, and subscribe.

        The broker need not run yet.

        Raises:
            StorageError: the catalogue cannot be opened or written.
            ConfigurationError: the page's port is in use.
        """
        self.database.migrate()
        apply_checklist(self.database, self.settings.checklist())
        for warning in self.settings.unknown_labels():
            log.warning(warning)
        self.folder.sweep()
        with self.database.writing() as connection:
            set_independence(connection, self.settings.event_minutes)
        self._tidy()
        self._upkeep.start()
        if self.settings.http is not None:
            self.page = _page(self.settings, self.settings.http, self.database, self.ingest)
            self.page.start()
        self.ingest.start()
        self._chores.start()

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Wait until the broker has accepted the subscription.

        Raises:
            BrokerError: it has not within `timeout_s`.
        """
        self.ingest.wait_ready(timeout_s)

    def stop(self) -> None:
        """Stop all threads and close the database. The broker sends again what was not committed."""
        self._stopping.set()
        self.ingest.stop()
        for thread in (self._chores, self._upkeep):
            if thread.is_alive():
                thread.join(20)
        if self.page is not None:
            self.page.stop()
        self.database.close()

    def _tidy(self) -> None:
        with self.database.writing() as connection:
            chunks.delete_old(connection, datetime.now(UTC))
        if self.settings.people_days:
            before = datetime.now(UTC) - timedelta(days=self.settings.people_days)
            names = human_names(self.settings.checklist())
            if count := erase(self.database, self.settings.folder, names, before):
                log.info("pictures of people deleted", sequences=count, after_days=self.settings.people_days)
        self.database.give_space_back()

    def _tidy_regularly(self) -> None:
        while not self._stopping.wait(TIDY_EVERY_S):
            try:
                self._tidy()
            except Exception as error:  # noqa: BLE001 - a full disk or a locked database: retried next time
                log.error("tidying failed", error=repr(error)[:300])

    def _do_chores(self) -> None:
        while not self._stopping.wait(CHORES_EVERY_S):
            for chore in (self._note_listening, self.alerts.send_due):
                try:
                    chore(datetime.now(UTC))
                except Exception as error:  # noqa: BLE001 - a failed chore stops neither the collector nor the other chore
                    log.error("chore failed", chore=chore.__name__.strip("_"), error=repr(error)[:300])

    def _note_listening(self, now: datetime) -> None:
        """Note once an hour that the station listens; otherwise a silent trap's hour would be unknown."""
        hour = hour_of(now)
        if self.ingest.connected and not self.ingest.trouble and hour != self._listened:
            with self.database.writing() as connection:
                note_listening(connection, now)
            self._listened = hour


def _page(settings: CollectorSettings, http: HttpSettings, database: Database, ingest: Ingest) -> "PageServer":
    """The page's server; imported here, for a collector without a page needs no web framework."""
    from uncia_collector.web.app import make_app
    from uncia_collector.web.server import PageServer

    return PageServer(make_app(settings, database, ingest), http)
