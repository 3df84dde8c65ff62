"""The running trap: creates all parts and connects them (STYLE 6).

Decides the order of starting and stopping. Other rules are in the contract, the bundle and the outbox.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType

import msgspec

from uncia_contract.errors import BundleError, StorageError, UnciaError
from uncia_contract.messages.records import encode
from uncia_contract.messages.topics import Topics
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_edge.bundles.installed import FOLDER, LAST_GOOD, InstalledBundle
from uncia_edge.bundles.last_good import select_bundle
from uncia_edge.bundles.loads import SETTLED_S, Loads
from uncia_edge.bundles.offers import Offers
from uncia_edge.bundles.proofs import Proofs
from uncia_edge.bundles.trust import trust_of
from uncia_edge.camera.cameras import ArrivedBurst, LiveCamera, WaitingCamera
from uncia_edge.camera.factory import open_camera
from uncia_edge.camera.recorded import RecordedCamera
from uncia_edge.clock import Clock
from uncia_edge.delivery.link import Link, MqttMessage, broker_of
from uncia_edge.delivery.sender import Delivery
from uncia_edge.outbox.audit_sample import Audits
from uncia_edge.outbox.day import Budget, Day
from uncia_edge.outbox.retention import Bounds, Pressure
from uncia_edge.outbox.state_folder import MEMORY_BYTES, OUTBOX, folder_in_memory, is_full, refusal, state_folder
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.background_file import read_background, write_background
from uncia_edge.scoring.delegate import ChosenClassifier, choose, probe_in_child
from uncia_edge.scoring.edgetpu_fallback import AcceleratedClassifier
from uncia_edge.scoring.memory import return_large_blocks
from uncia_edge.scoring.observer import Observation, Observer
from uncia_edge.scoring.records import shortened
from uncia_edge.scoring.veto import Veto
from uncia_edge.service.camera_signs import CameraSigns
from uncia_edge.service.commands import Commands
from uncia_edge.service.decision_log import DecisionLog
from uncia_edge.service.health import trap_state
from uncia_edge.service.housekeeping import Chore, Housekeeping
from uncia_edge.service.link_report import LinkReport
from uncia_edge.service.overrides import OverrideFile, Overrides
from uncia_edge.service.renewal import renewal_of
from uncia_edge.service.sleep import GRACE_S, asleep_until
from uncia_edge.service.trial import Trial
from uncia_edge.service.watchdog import Watchdog, notify
from uncia_edge.settings import TrapSettings

_log = logging.getLogger(__name__)
IGNORED_PLACE = "latitude and longitude are ignored: take them off the card; deployments say where a trap stands"

SLEEP_LOOK_S = 15.0
CARD_LOOK_S = 60.0
REFUSALS = 5  # failed checks of the card in a row after which the trap restarts in memory
_MB = 1_000_000
# How long each part may be without a heartbeat before systemd's watchdog is no longer fed; WatchdogSec is as long.
# Observing gives a heartbeat for every picture read or scored, so a burst may take as long as it needs.
DEADLINE_S = 60.0
FEED_S = 5.0  # how often the watchdog is fed
PROOF_S = 45.0  # for testing an offered bundle in a child process, while delivery waits


class Runtime:
    """A trap with a tested bundle and an open outbox. As a context manager it starts and stops delivery."""

    def __init__(
        self,
        settings: TrapSettings,
        on_delivered: Callable[[str], None] | None = None,
        passes_every_s: float | None = None,
    ) -> None:
        """Load and test the bundle, open the camera and the outbox. Nothing is sent before the context is entered.

        Args:
            settings: the trap's configuration.
            on_delivered: called with the id of each delivered sequence.
            passes_every_s: for one pass: seconds until the next one (0: unknown); None for a trap that keeps running.
                A pass does not test a bundle again that was tested on this machine before.

        Raises:
            BundleError: there is no usable bundle, or this machine does not reproduce its probes.
            ConfigurationError: the camera is not configured.
            DataError: there is no recording.
            StorageError: the outbox cannot be opened.
        """
        return_large_blocks()
        self._configured = Path(settings.state)
        self._state_folder = state_folder(self._configured)
        settings = msgspec.structs.replace(settings, state=str(self._state_folder.path))
        self.settings, self._began_s = settings, time.monotonic()
        folder = Path(settings.state) / FOLDER
        if settings.latitude is not None or settings.longitude is not None:
            _log.warning(IGNORED_PLACE)
        self._trust, self._loads = trust_of(settings), Loads(folder)
        self._passes_every_s, self._proofs = passes_every_s, Proofs(Path(settings.state))
        in_use = select_bundle(Path(settings.bundle), folder, self._prove, self._trust)
        self.bundle, self.classifier = in_use.bundle, in_use.chosen.classifier
        problems = (self._state_folder.trouble, in_use.refused, in_use.chosen.fallback)
        self._degraded = tuple(reason for reason in problems if reason)
        self.outbox = Outbox(Path(settings.state) / OUTBOX)
        self.log = DecisionLog(Path(settings.state), settings.outbox.log_mb * _MB)
        parts = ("observing", "delivery", *(("camera",) if settings.camera.kind == "picamera2" else ()))
        self.watchdog = Watchdog(dict.fromkeys(parts, DEADLINE_S))
        rule, is_pass = self.bundle.manifest.burst_rule, passes_every_s is not None
        self.camera = open_camera(settings, rule, self.outbox, self.watchdog.beat, once=is_pass)
        self._card_problem: str | None = None
        self._clock = Clock(Path(settings.state))
        day = Day(self.outbox, self._clock.read)
        self._audits = Audits(self.outbox, settings.outbox.audit_per_day, day, settings.outbox.preview_px)
        self._pressure = Pressure(self.outbox, self._bounds())
        self._topics = Topics(settings.trap, settings.root)
        self._overrides = OverrideFile(Path(settings.state) / "overrides.json")
        self._trial, self._signs = Trial(Path(settings.state)), CameraSigns(Path(settings.state))
        self._renewal = renewal_of(settings)
        self._commands = Commands(
            *(self._topics, self._overrides, self._apply, self.stop, bool(settings.broker.certificate)),
            *(self._make_offers(folder), self._trust.replace_keys, self._trial.ask, self._renewal),
        )
        self._link_report = LinkReport(Path(settings.state), settings.trap)
        self.delivery = self._make_delivery(Budget(None, day, self.outbox), on_delivered)
        self._apply(self._overrides.current)
        # The watchdog has its own thread: making room on a large, slow card must not delay it.
        self._threads = [Housekeeping([Chore("watchdog", FEED_S, self.watchdog.feed)]), Housekeeping(self._chores())]
        self.stopped, self._refusals = False, 0
        self.asleep_until: datetime | None = None  # set when a planned sleep ends `run`
        self._veto = Veto(settings.veto, settings.veto_sends)
        self._observer = self._make_observer(in_use.chosen.single_thread_classifier)

    def _make_observer(self, single_thread_classifier: Classifier | None) -> Observer:
        settings, plays = self.settings, self.settings.camera.kind == "recorded"
        return Observer(
            *(settings.trap, self.classifier, self.bundle.identity, self.outbox, self._clock.read),
            settings.camera.strips,
            heartbeat=partial(self.watchdog.beat, "observing"),
            preview_px=settings.outbox.preview_px,
            background=None if plays else read_background(Path(settings.state)),
            earlier=() if plays else self.log.latest_sequences(),
            background_of=partial(read_background, Path(settings.state)),
            single_thread_classifier=single_thread_classifier,
            veto=self._veto,
        )

    def _make_delivery(self, budget: Budget, on_delivered: Callable[[str], None] | None) -> Delivery:
        return Delivery(
            self.outbox,
            Link(broker_of(self._renewal.broker), self._topics),
            self._topics,
            on_delivered=on_delivered,
            on_command=lambda message: self._commands.handle(message, self.delivery),
            on_event=self._link_report.note,
            greetings=self._greetings,
            budget=budget,
            beat=partial(self.watchdog.beat, "delivery"),
        )

    def _make_offers(self, folder: Path) -> Offers:
        installed = InstalledBundle(folder, Path(self.settings.bundle))
        return Offers(
            *(folder, self.bundle.identity, folder / LAST_GOOD, installed, self._trust.vouch),
            lambda path: probe_in_child(path, "", PROOF_S),
        )

    def _prove(self, path: Path, bundle: Bundle) -> ChosenClassifier:
        delegate = self.settings.delegate
        proved = self._passes_every_s is not None and self._proofs.holds(bundle.sha256, delegate)
        if not self._loads.has_proved(bundle.sha256) and (reason := probe_in_child(path, "", PROOF_S)):
            raise BundleError(reason)
        chosen = choose(path, bundle, self.settings.threads, delegate, proved)
        if self._passes_every_s is not None and not proved and chosen.fallback is None:
            self._proofs.note(bundle.sha256, delegate)
        manifest, info = bundle.manifest, chosen.classifier.info
        how = "proved before" if proved else "probes reproduced"
        _log.info("bundle %s version %d on %s, %s", manifest.name, manifest.version, info, how)
        return chosen

    def _bounds(self) -> Bounds:
        if self._state_folder.trouble is not None:
            return Bounds(MEMORY_BYTES, 0, 0)
        bounds = self.settings.outbox
        return Bounds(bounds.quota_mb * _MB, bounds.free_mb * _MB, bounds.ballast_mb * _MB)

    def __enter__(self) -> "Runtime":
        """Start delivery and the regular tasks."""
        self._loads.use(self.bundle.sha256)
        self.delivery.start()
        for thread in self._threads:
            thread.start()
        notify("READY=1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop delivery and close the outbox; undelivered sequences stay on disk."""
        if error is None or isinstance(error, UnciaError | KeyboardInterrupt):
            self._loads.settle(self.bundle.sha256)
        if self.asleep_until is None:
            notify("STOPPING=1")
        for thread in self._threads:
            thread.stop()
        for camera, background in (self._observer.backgrounds or {}).items():
            write_background(Path(self.settings.state), background, camera)
        self._signs.save()
        rests = self.asleep_until is not None or self._passes_every_s is not None
        self.delivery.stop("sleeping" if rests else "offline")
        self.outbox.close()

    @property
    def unreadable(self) -> list[str]:
        """A line for each folder of a recording that could not be listed."""
        return self.camera.unreadable if isinstance(self.camera, RecordedCamera) else []

    def stop(self) -> None:
        """Let `run` return soon. Safe to call from any thread and from a signal handler."""
        self.stopped = True
        self.camera.close()

    def run(self, report: Callable[[Observation], None] = lambda observation: None) -> None:
        """Observe every burst of the camera until `stop` is called or a recording has ended; `report` gets each."""
        for burst in self.camera.bursts():
            report(self.observe(burst))
            if self.stopped:
                return
        if not self.stopped:  # a recording has ended
            self.watchdog.forget("observing")
            self._audits.release()

    def observe(self, burst: ArrivedBurst) -> Observation:
        """Score one burst, make its record and store it; when this returns, a positive one is on disk.

        If the card refused the burst or it could not be read, a live camera gives it again later.

        Raises:
            StorageError: the card refused, and the camera is a recording, which can be played again.
        """
        observation = self._observer.observe(burst, self._trial.is_wanted)
        if not observation.unreadable:  # for unreadable files, the camera reports the problem
            self._note_card(observation.problem)
        if not observation.safe:
            self._keep_for_later(observation)
            return observation
        if isinstance(self.camera, LiveCamera):
            self.camera.decided(observation.contents, observation.unreadable)
        self._count(observation)
        self._signs.note(burst.camera)
        failures = shortened([f"{failure.file.name}: {failure.reason}" for failure in observation.failures])
        record = observation.record
        self.log.write(burst.name, record, failures)
        if record is not None and record.test:
            self._trial.done()
        elif record is not None and not record.positive and observation.problem is None and not observation.vetoed:
            self._audits.consider(record, [frame.path for frame in observation.frames], burst.owned)
        return observation

    def _note_card(self, problem: str | None) -> None:
        if problem is not None and self._card_problem is None:
            _log.error("the card refuses: %s; the trap goes on observing", problem)
        elif problem is None and self._card_problem is not None:
            _log.info("the card can be written again")
        self._card_problem = problem

    def _keep_for_later(self, observation: Observation) -> None:
        if not isinstance(self.camera, LiveCamera):
            raise StorageError(observation.problem or "the card refuses")
        self.camera.decided(observation.contents, observation.unreadable)
        self.camera.retry_later(observation.unreadable)
        if not observation.unreadable:
            self._pressure.relieve()

    def wait_delivered(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` until the outbox is empty; return whether it is."""
        deadline = time.monotonic() + timeout_s
        while self.outbox.queries.waiting():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    @property
    def camera_is_idle(self) -> bool:
        """Whether every complete file of a watched folder was decided, and the camera has no problem."""
        return isinstance(self.camera, WaitingCamera) and self.camera.is_idle and not self.camera.problems

    def tell_state(self) -> None:
        """Publish the state now."""
        self.delivery.publish(self._state())

    def _count(self, observation: Observation) -> None:
        positive = observation.record is not None and observation.record.positive
        self.outbox.count(
            frames=len(observation.frames), bursts=1, positives=int(positive), failures=len(observation.failures),
            vetoed=int(observation.vetoed),
        )  # fmt: skip

    def _apply(self, overrides: Overrides) -> None:
        """Use the base station's overrides from the next burst on."""
        manifest = self.bundle.manifest
        if overrides.threshold is not None:
            rule = msgspec.structs.replace(manifest.decision_rule, threshold=overrides.threshold)
            manifest = msgspec.structs.replace(manifest, decision_rule=rule)
        self.classifier.manifest = manifest
        configured = self.settings.outbox.daily_mb * _MB or None
        self.delivery.budget.limit(configured if overrides.budget_bytes is None else overrides.budget_bytes)

    def _greetings(self) -> Iterator[MqttMessage]:
        """What to publish after a connect. `online` comes first, also if the card's failure prevents the state."""
        yield MqttMessage(self._topics.availability, b"online", retain=True)
        yield self._state()

    def _state(self) -> MqttMessage:
        info = self.classifier.info
        state = trap_state(
            self.settings.trap,
            self.bundle.identity,
            f"{info.name} {info.version}",
            info.delegate,
            self.outbox,
            self._clock.read(),
            self._overrides.current.revision,
            tuple(self._problems()),
            self._passes_every_s,
            self._signs.told,
        )
        return MqttMessage(self._topics.state, encode(state), retain=True)

    def _problems(self) -> Iterator[str]:
        yield from self._degraded
        for label in self._veto.unknown(self.bundle.manifest.positive_labels):
            yield f"veto of {label}: no label that the bundle looks for"
        if isinstance(self.classifier, AcceleratedClassifier) and self.classifier.problem:
            yield self.classifier.problem
        yield from (f"no progress of {part}" for part in self.watchdog.overdue())
        if self._card_problem is not None:
            yield f"the card refuses: {self._card_problem}"
        if self._link_report.problem is not None:
            yield self._link_report.problem
        if isinstance(self.camera, LiveCamera):
            yield from self.camera.problems

    def _chores(self) -> list[Chore]:
        return [
            Chore("state", self.settings.health_s, lambda: self.delivery.publish(self._state())),
            Chore("room on the card", 60.0, self._pressure.relieve),
            Chore("audits", 60.0, self._audits.end_day_if_over),
            Chore("cameras", 300.0, self._signs.save),
            Chore("clock", 60.0, self._clock.remember),
            Chore("planned sleep", SLEEP_LOOK_S, self._sleep_if_due),
            Chore("the card", CARD_LOOK_S, self._look_at_card),
            Chore("the bundle", CARD_LOOK_S, self._settle_bundle),
        ]

    def _settle_bundle(self) -> None:
        if time.monotonic() - self._began_s >= SETTLED_S:
            self._loads.settle(self.bundle.sha256)

    def _look_at_card(self) -> None:
        """Restart if that helps: after damage to the database, or to change from the card to memory or back."""
        if self.outbox.damaged:
            _log.error("the outbox's database is damaged; restarting to rebuild it from its files")
            self.stop()
            return
        in_memory = self._state_folder.trouble is not None
        problem = refusal(self._configured, self.outbox.depth().bytes if in_memory else 0)
        self._refusals = self._refusals + 1 if problem and not is_full(problem) else 0
        if in_memory and problem is None:
            _log.info("the card can be written again; restarting on it")
            self.stop()
        elif not in_memory and self._refusals >= REFUSALS and folder_in_memory():
            _log.error("the card cannot be written any more (%s); restarting in memory", problem)
            self.stop()

    def _sleep_if_due(self) -> None:
        if (
            self.settings.camera.kind == "recorded"
            or self._passes_every_s is not None
            or time.monotonic() - self._began_s < GRACE_S
        ):
            return
        if (until := self._asleep_until()) is not None:
            _log.info("planned sleep until %s", until.isoformat())
            self.asleep_until = until
            self.stop()

    def _asleep_until(self) -> datetime | None:
        return asleep_until(self._clock.read(), self.settings.sleep, self.bundle.manifest.created_at)

    def is_asleep(self) -> bool:
        """Whether a planned sleep is going on; also after the runtime has ended."""
        return self._asleep_until() is not None
