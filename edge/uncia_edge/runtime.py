"""The trap's parts, wired together: the only place where they meet (STYLE 6).

Decides the order of starting and stopping. Nothing here is a rule: those live in the contract, the bundle and the
outbox.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from types import TracebackType

from uncia_contract.bundle import Bundle, read_bundle
from uncia_contract.classifier import Classifier
from uncia_contract.errors import ConfigurationError
from uncia_contract.topics import Topics
from uncia_edge.cameras import ArrivedBurst, Camera
from uncia_edge.clock import read_clock
from uncia_edge.delivery import Delivery
from uncia_edge.link import Broker, Link, Tls
from uncia_edge.outbox import Outbox
from uncia_edge.recorded import RecordedCamera
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings
from uncia_edge.trap import Observation, Trap

_log = logging.getLogger(__name__)

OUTBOX = "outbox"


class Runtime:
    """A trap that is ready: bundle proven, outbox open, delivery under way. Use it as a context manager."""

    def __init__(self, settings: TrapSettings, on_delivered: Callable[[str], None] | None = None) -> None:
        """Loads and proves the bundle, opens the camera and the outbox; nothing is sent before `start`.

        Raises:
            BundleError: no usable bundle, or one whose probes this machine does not reproduce.
            ConfigurationError: a camera that is not configured.
            DataError: a recording that is not there.
            StorageError: an outbox that cannot be opened.
        """
        self.settings = settings
        self.bundle = read_bundle(Path(settings.bundle))
        self.classifier = _prove(self.bundle, settings.threads)
        self.camera = open_camera(settings.camera)
        self.outbox = Outbox(Path(settings.state) / OUTBOX)
        self._link = Link(_broker(settings.broker), Topics(settings.trap, settings.root))
        self.delivery = Delivery(
            self.outbox, self._link, Topics(settings.trap, settings.root), on_delivered=on_delivered
        )
        self._trap = Trap(
            settings.trap, self.classifier, self.bundle.identity, self.outbox, read_clock, settings.camera.strips
        )

    def __enter__(self) -> "Runtime":
        """Starts delivery."""
        self.delivery.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends delivery and closes the outbox; what is not delivered waits on disk."""
        self.delivery.stop()
        self.outbox.close()

    def run(self, report: Callable[[Observation], None] = lambda observation: None) -> None:
        """Observes every burst of the camera; returns when a recording has ended."""
        for burst in self.camera.bursts():
            report(self.observe(burst))

    def observe(self, burst: ArrivedBurst) -> Observation:
        """One burst from pictures to record; when it returns, a positive one is on disk and on its way."""
        return self._trap.observe(burst)

    def wait_delivered(self, timeout_s: float, stalled_s: float = 0.1) -> bool:
        """Whether the outbox is empty, after at most that time."""
        deadline = time.monotonic() + timeout_s
        while self.outbox.waiting():
            if time.monotonic() > deadline:
                return False
            time.sleep(stalled_s)
        return True


def open_camera(settings: CameraSettings) -> Camera:
    """The configured camera.

    Raises:
        ConfigurationError: its folder is not named.
        DataError: the folder holds no recording.
    """
    if not settings.folder:
        raise ConfigurationError("[camera] folder: not set; expected the folder with the recorded bursts")
    return RecordedCamera(Path(settings.folder), timezone(timedelta(hours=settings.utc_offset_h)))


def _prove(bundle: Bundle, threads: int) -> Classifier:
    classifier = Classifier(bundle, threads)
    error = classifier.check_probes()
    info = classifier.info
    _log.info(
        "bundle %s version %d on %s %s (%s), probes within %.4f",
        bundle.manifest.name, bundle.manifest.version, info.name, info.version, info.delegate, error,
    )  # fmt: skip
    return classifier


def _broker(settings: BrokerSettings) -> Broker:
    tls = None
    if settings.ca:
        pair = (Path(settings.certificate), Path(settings.key)) if settings.certificate else (None, None)
        tls = Tls(Path(settings.ca), *pair)
    return Broker(settings.host, settings.port, settings.keepalive_s, tls=tls)
