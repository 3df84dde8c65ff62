"""Delivery with a scripted pipe and collector: whatever the order of answers, each sequence is delivered once."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.fake_link import Published, ScriptedCollector, ScriptedPipe
from support.records import make_record, write_frames
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import MissingFrame, Receipt
from uncia_contract.messages.topics import Topics
from uncia_edge.clock import Reading
from uncia_edge.delivery.link import Connected, MqttMessage
from uncia_edge.delivery.link_state import Limits, Pace
from uncia_edge.delivery.sender import Delivery
from uncia_edge.outbox.day import Budget, Day
from uncia_edge.outbox.store import Outbox

TOPICS = Topics("ridge-01")


class Trial:
    """An outbox, a delivery, a pipe and a collector, with a clock that the test sets."""

    def __init__(self, folder: Path, pace: Pace | None = None) -> None:
        self.folder, self.now_s = folder, 1000.0
        self.outbox = Outbox(folder / "outbox")
        self.pipe, self.collector = ScriptedPipe(TOPICS), ScriptedCollector(TOPICS)
        self.delivered: list[str] = []
        self.pace = pace or Pace()
        self.delivery = self.make()

    def make(self) -> Delivery:
        clock = lambda: self.now_s  # noqa: E731
        day = Day(self.outbox, lambda: Reading(datetime(1970, 1, 1, tzinfo=UTC), self.now_s, "boot", False), clock)
        return Delivery(
            *(self.outbox, self.pipe, TOPICS),
            pace=self.pace,
            on_delivered=self.delivered.append,
            clock=clock,
            budget=Budget(None, day, self.outbox),
        )

    def add(self, sequence: str, *sizes: int, scores: tuple[float, ...] = ()) -> None:
        contents = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
        files = write_frames(self.folder / "spool" / sequence, contents)
        self.outbox.add(make_record(sequence, contents, scores=scores), files)

    def connect(self, event: Connected | None = None) -> None:
        self.now_s += 200.0
        self.delivery.step(0)
        self.pipe.connect(event)
        self.delivery.step(0)

    def exchange(self, let_through: Callable[[Published], int | None] = lambda _: 0, rounds: int = 400) -> None:
        """Answer all messages: a PUBACK with the code of `let_through` (None: no PUBACK), and the receipts."""
        for _ in range(rounds):
            if not self.pipe.up:
                return
            for message in list(self.pipe.under_way.values()):
                code = let_through(message)
                if code is None:
                    continue
                self.pipe.acknowledge(message, code)
                if code == 0 and "/sequence/" in message.topic:
                    receipt = self.collector.take(message.topic, message.payload)
                    if receipt is not None:
                        self.pipe.receive(receipt)
            self.delivery.step(0)
            if not self.pipe.under_way and self.pipe.events.empty():
                return

    def sequence_topics(self) -> list[str]:
        base = TOPICS.base + "/sequence/"
        return [message.topic.removeprefix(base) for message in self.pipe.published if message.topic.startswith(base)]


def _full(*_: object) -> int:
    raise StorageError("database or disk is full")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_record_then_best_frame_then_the_others(trial: Trial) -> None:
    """The order in which one sequence is sent."""
    trial.add("s1", 10, 10, 10, scores=(0.1, 0.2, 0.9))
    trial.connect()
    trial.exchange()
    assert trial.sequence_topics() == ["s1", "s1/frame/2/0", "s1/frame/0/0", "s1/frame/1/0"]
    assert trial.delivered == ["s1"]


def test_no_frame_is_sent_before_the_receipt_of_its_record(trial: Trial) -> None:
    """A PUBACK of the record is not enough."""
    trial.add("s1", 10)
    trial.connect()
    for message in list(trial.pipe.under_way.values()):
        trial.pipe.acknowledge(message)
    trial.delivery.step(0)
    assert trial.sequence_topics() == ["s1"]


def test_nothing_is_published_while_offline(trial: Trial) -> None:
    """Paho would queue it in memory; delivery leaves the sequence in the outbox."""
    trial.add("s1", 10)
    for _ in range(5):
        trial.now_s += 1
        trial.delivery.step(0)
    assert trial.pipe.published == []


def test_acknowledged_chunks_do_not_make_a_sequence_delivered(trial: Trial) -> None:
    """With all PUBACKs and no last receipt the sequence stays, and its record is sent again after a while."""
    trial.add("s1", 10)
    trial.connect()
    trial.exchange(lambda message: 0 if "/frame/" not in message.topic else None)
    for message in list(trial.pipe.under_way.values()):
        trial.pipe.acknowledge(message)
    trial.delivery.step(0)
    assert not trial.outbox.queries.is_delivered("s1")
    trial.now_s += 1000
    trial.delivery.step(0)
    assert trial.sequence_topics()[-1] == "s1"
    trial.exchange()
    assert trial.delivered == ["s1"]


def test_only_the_ranges_that_a_receipt_misses_are_sent(trial: Trial) -> None:
    """The collector has the first 16 KiB of a frame: only the rest is sent."""
    trial.add("s1", 40_000)
    trial.connect()
    topics: list[str] = []
    trial.exchange(lambda message: 0 if "frame" not in message.topic or message.topic.endswith("/0") else None)
    trial.pipe.cut()
    trial.delivery.step(0)
    topics = trial.sequence_topics()
    trial.connect()
    trial.exchange()
    again = trial.sequence_topics()[len(topics) :]
    assert "s1/frame/0/0" not in again
    assert trial.delivered == ["s1"]


@pytest.mark.parametrize("seed", range(25))
def test_random_faults_lose_no_sequence(tmp_path: Path, seed: int) -> None:
    """Random cuts, lost PUBACKs, lost receipts and restarts: every sequence is delivered with the right bytes."""
    chance = random.Random(seed)
    trial = Trial(tmp_path)
    sizes = {f"s{n}": tuple(chance.randrange(1, 90_000) for _ in range(chance.randrange(1, 4))) for n in range(6)}
    for sequence, lengths in sizes.items():
        trial.add(sequence, *lengths)
    for _ in range(60):
        trial.connect()
        trial.exchange(lambda _: 0 if chance.random() < 0.8 else None, rounds=chance.randrange(1, 12))
        trial.pipe.cut()
        trial.delivery.step(0)
        if chance.random() < 0.3:
            trial.delivery = trial.make()
    trial.connect()
    trial.exchange()
    assert sorted(trial.delivered) == sorted(sizes)
    assert {key: len(trial.collector.frames[key, 0]) for key in sizes} == {key: sizes[key][0] for key in sizes}
    assert trial.outbox.queries.waiting() == []


def test_receive_maximum_bounds_the_window(trial: Trial) -> None:
    """There are never more messages in flight than the broker allows; paho alone would ignore that."""
    for n in range(10):
        trial.add(f"s{n}", 10)
    trial.connect(Connected(receive_maximum=3))
    assert len(trial.pipe.under_way) == 3


def test_maximum_packet_size_bounds_the_chunks(trial: Trial) -> None:
    """A broker with small packets gets small chunks."""
    trial.add("s1", 20_000)
    trial.connect(Connected(max_packet_bytes=4096))
    trial.exchange()
    assert max(len(message.payload) for message in trial.pipe.published) <= 4096 - 512
    assert trial.delivered == ["s1"]


def test_a_record_above_the_maximum_packet_size_is_parked_and_the_next_one_goes(tmp_path: Path) -> None:
    """It would end the connection again and again."""
    trial = Trial(tmp_path)
    trial.add("big", *[1] * 60)
    trial.add("small", 10)
    trial.connect(Connected(max_packet_bytes=4096))
    trial.exchange()
    assert trial.delivered == ["small"]
    assert "largest packet" in trial.outbox.queries.parked()["big"]


@pytest.mark.parametrize("code", [0x87, 0x90, 0x99], ids=["not authorised", "topic name", "payload format"])
def test_a_refused_message_is_parked_and_the_next_one_goes(trial: Trial, code: int) -> None:
    """A PUBACK with such a reason code is a failure, although paho calls it published."""
    trial.add("bad", 10)
    trial.add("good", 10)
    trial.connect()
    trial.exchange(lambda message: code if "/bad" in message.topic else 0)
    assert trial.delivered == ["good"]
    assert f"0x{code:02x}" in trial.outbox.queries.parked()["bad"]


def test_a_sequence_parked_because_of_the_broker_is_tried_again_later(trial: Trial) -> None:
    """An access list that was wrong for an hour loses no sequence."""
    trial.add("s1", 10)
    trial.connect()
    trial.exchange(lambda message: 0x87 if "/s1" in message.topic else 0)
    assert trial.delivered == []
    trial.now_s += 7 * 3600
    trial.delivery.step(0)
    trial.exchange()
    assert trial.delivered == ["s1"]


@pytest.mark.parametrize("code", [0x10, 0x80, 0x97], ids=["nobody listens", "unspecified", "quota"])
def test_a_broker_in_trouble_causes_a_pause(trial: Trial, code: int) -> None:
    """The sequence is sent again after a pause, never parked, and delivered in the end."""
    trial.add("s1", 10)
    trial.connect()
    trial.exchange(lambda message: code if "/s1" in message.topic else 0)
    sent = len(trial.sequence_topics())
    trial.delivery.step(0)
    assert len(trial.sequence_topics()) == sent
    for _ in range(5):
        trial.now_s += 200
        trial.delivery.step(0)
        trial.exchange()
    assert trial.delivered == ["s1"]


def test_many_answers_at_once_cause_one_pause(trial: Trial) -> None:
    """Sixteen records are in flight while the collector starts: the pause is a second, not the longest one."""
    for n in range(16):
        trial.add(f"s{n}", 10)
    trial.connect()
    trial.exchange(lambda message: 0x10 if "/sequence/" in message.topic else 0)
    trial.now_s += trial.pace.retry_first_s
    trial.delivery.step(0)
    trial.exchange()
    assert len(trial.delivered) == 16


def test_a_poison_message_is_parked_and_the_others_arrive(trial: Trial) -> None:
    """The broker disconnects whenever it is sent; it is sent alone, gets strikes, and is parked."""
    for sequence in ("poison", "b", "c", "d", "e", "f", "g", "h"):
        trial.add(sequence, 10)

    def broker(message: Published) -> int | None:
        if "/poison" in message.topic:
            trial.pipe.cut()
            return None
        return 0

    for n in range(20):
        trial.connect()
        trial.exchange(broker)
        trial.add(f"later-{n}", 10)
        trial.delivery.step(0)
    assert "while it was sent" in trial.outbox.queries.parked().get("poison", "")
    assert set("bcdefgh") <= set(trial.delivered)


def test_a_bad_link_alone_never_parks(trial: Trial) -> None:
    """The connection ends at every first chunk for days, with one sequence waiting: it still waits."""
    trial.add("s1", 10)
    for _ in range(50):
        trial.connect()
        trial.pipe.cut()
        trial.delivery.step(0)
    assert trial.outbox.queries.parked() == {}
    trial.connect()
    trial.exchange()
    assert trial.delivered == ["s1"]


def test_a_strike_that_a_full_card_refuses_does_not_end_the_link(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packet too large and a full card: the sequence gets no strike, and the trap connects again."""
    trial.add("s1", 10)
    trial.connect()
    monkeypatch.setattr(trial.outbox, "strike", _full)
    trial.pipe.cut(code=0x95)
    with pytest.raises(StorageError):
        trial.delivery.step(0)
    trial.now_s += 200.0
    trial.delivery.step(0)
    assert trial.pipe.opened == 2


def test_with_a_full_card_a_trap_still_publishes_online(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room to mark the waiting records; the trap publishes `online` and sends."""
    trial.add("s1", 10)
    monkeypatch.setattr(trial.outbox, "mark_historical", _full)
    trial.delivery = trial.make()
    trial.connect()
    trial.exchange()
    assert TOPICS.availability in [message.topic for message in trial.pipe.published]
    assert trial.delivered == ["s1"]


@pytest.mark.parametrize("phase", ["while its frames flow", "while its receipt is awaited"])
def test_a_sequence_dropped_while_it_is_sent_makes_room_for_others(tmp_path: Path, phase: str) -> None:
    """An audit is dropped from a full card while it is sent: the next sequences are sent."""
    trial = Trial(tmp_path, Pace(sending=1))
    for sequence in ("audit", "s2"):
        trial.add(sequence, 40_000)
    trial.connect()
    trial.exchange(lambda message: None if "/frame/" in message.topic else 0)
    if phase == "while its receipt is awaited":
        trial.exchange(lambda message: 0 if "/frame/" not in message.topic or message.topic.endswith("/0") else None)
    trial.outbox.drop("audit", "the card is full")
    trial.exchange()
    trial.now_s += 30.0
    trial.delivery.step(0)
    trial.exchange()
    assert trial.delivered == ["s2"]
    assert "audit" not in trial.delivery._transfers.ids


def test_all_records_are_sent_before_any_frame(tmp_path: Path) -> None:
    """After days offline the base station first gets every record."""
    trial = Trial(tmp_path, Pace(asking=4, sending=2, limits=Limits(items=2)))
    for n in range(20):
        trial.add(f"s{n:02d}", 10, 10)
    trial.connect()
    trial.exchange()
    topics = trial.sequence_topics()
    assert sorted(topics[:20]) == sorted(f"s{n:02d}" for n in range(20))
    assert len(topics) == 60  # no record was sent twice
    assert len(trial.delivered) == 20


def test_a_record_that_waited_during_an_outage_is_historical(trial: Trial) -> None:
    """After a minute offline, not before."""
    trial.connect()
    trial.add("fresh", 10)
    trial.delivery.step(0)
    trial.exchange()
    trial.pipe.cut()
    trial.delivery.step(0)
    trial.add("old", 10)
    trial.connect()
    trial.exchange()
    assert not trial.collector.records["fresh"].historical
    assert trial.collector.records["old"].historical


def test_a_frame_that_the_card_lost_is_left_out(trial: Trial) -> None:
    """The other frames arrive, the loss is counted, and the sequence does not wait for ever."""
    trial.add("s1", 10, 20)
    trial.outbox.frame_path("s1", 0).unlink()
    trial.connect()
    trial.exchange()
    trial.now_s += 1000
    trial.delivery.step(0)
    trial.exchange()
    assert trial.outbox.queries.waiting() == []
    assert trial.outbox.counters().drops == 1
    assert list(trial.collector.frames) == [("s1", 1)]


def test_a_frame_whose_bytes_changed_on_the_card_is_not_sent(trial: Trial) -> None:
    """Its sha256 is checked before the first chunk is sent."""
    trial.add("s1", 10)
    trial.outbox.frame_path("s1", 0).write_bytes(b"rotten !!!")
    trial.connect()
    trial.exchange()
    assert trial.collector.frames == {}
    assert trial.outbox.counters().drops == 1


def test_a_refusal_by_the_collector_parks(trial: Trial) -> None:
    """Nothing more of the sequence is sent."""
    trial.add("s1", 10)
    trial.connect()
    trial.pipe.receive(Receipt("s1", False, refused="conflicting hash"))
    trial.delivery.step(0)
    assert "conflicting hash" in trial.outbox.queries.parked()["s1"]


def test_a_receipt_does_not_repeat_chunks_that_are_in_flight(trial: Trial) -> None:
    """A receipt for frame 0 lists frame 1 as missing while its chunks are in flight: they are not sent again."""
    trial.add("s1", 10, 10)
    trial.connect()
    trial.exchange(lambda message: 0 if "/frame/" not in message.topic else None)
    trial.pipe.receive(Receipt("s1", True, (0,), (MissingFrame(1),)))
    trial.delivery.step(0)
    assert trial.sequence_topics().count("s1/frame/1/0") == 1


def test_a_receipt_that_frees_no_place_needs_no_query(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame has a receipt: a burst of thirty would query the outbox thirty times for nothing."""
    trial.add("s1", 10, 10)
    trial.connect()
    trial.exchange(lambda message: None if "/frame/" in message.topic else 0)
    asked: list[object] = []
    monkeypatch.setattr(trial.outbox, "next", lambda *arguments: asked.append(arguments) or [])
    trial.pipe.receive(Receipt("s1", record_stored=True, frames_stored=(0,), missing=(MissingFrame(1),)))
    trial.delivery.step(0)
    assert asked == []


def test_a_place_that_a_receipt_frees_is_taken_at_once(tmp_path: Path) -> None:
    """The next record takes it in the same step."""
    trial = Trial(tmp_path, Pace(asking=1))
    trial.add("s1", 10)
    trial.add("s2", 10)
    trial.connect()
    (record,) = [one for one in trial.pipe.under_way.values() if "/sequence/" in one.topic]
    trial.pipe.receive(trial.collector.take(record.topic, record.payload))
    trial.delivery.step(0)
    assert "s2" in trial.sequence_topics()


def test_online_is_published_after_each_connect(trial: Trial) -> None:
    """It is retained, so that the base station knows which traps it can reach."""
    trial.connect()
    first = trial.pipe.published[0]
    assert (first.topic, first.payload, first.retain) == (TOPICS.availability, b"online", True)


def test_availability_is_published_when_stopping(trial: Trial) -> None:
    """So a planned end does not look like a failure."""
    trial.connect()
    trial.delivery.stop("sleeping")
    assert trial.pipe.farewell == "sleeping"


def test_reconnects_wait_longer_and_longer(trial: Trial) -> None:
    """While the broker is absent there are a few attempts in ten minutes, not hundreds."""
    attempts = 0
    trial.delivery.step(0)
    for _ in range(600):
        trial.now_s += 1
        if trial.pipe.opened > attempts:
            attempts = trial.pipe.opened
            trial.pipe.cut()
        trial.delivery.step(0)
    assert 5 <= trial.pipe.opened <= 20


def test_frames_wait_when_the_days_budget_is_spent_and_records_go_on(trial: Trial) -> None:
    """Frames beyond the budget stay in the outbox and are sent the next day."""
    trial.delivery.budget.limit(15)
    trial.add("s1", 10, 10, 10)
    trial.connect()
    trial.exchange()
    trial.add("s2", 10)
    trial.delivery.step(0)
    trial.exchange()
    assert (sorted(trial.collector.records), len(trial.collector.frames)) == (["s1", "s2"], 2)
    for _ in range(4):
        trial.now_s += 25 * 3600
        trial.delivery.step(0)
        trial.exchange()
    assert sorted(trial.delivered) == ["s1", "s2"]


def test_frames_that_a_person_asks_for_ignore_the_budget(trial: Trial) -> None:
    """They are sent at once."""
    trial.delivery.budget.limit(0)
    trial.add("s1", 10)
    trial.add("s2", 10)
    trial.connect()
    trial.exchange()
    assert trial.delivery.send_first("s2")
    trial.delivery.step(0)
    trial.exchange()
    assert trial.delivered == ["s2"]


def test_states_without_a_link_are_dropped(trial: Trial) -> None:
    """A state every five minutes for weeks offline must not fill memory, nor the link when it returns."""
    for n in range(1000):
        trial.delivery.publish(MqttMessage(TOPICS.state, b"%d" % n))
    trial.connect()
    assert [message.payload for message in trial.pipe.published] == [b"online"]


def test_a_receive_maximum_of_one_holds_for_greetings_too(tmp_path: Path) -> None:
    """Availability, state and the first record are sent one by one, each after the PUBACK of the one before."""
    trial = Trial(tmp_path)
    trial.delivery._greetings = lambda: [MqttMessage(TOPICS.availability, b"online"), MqttMessage(TOPICS.state, b"{}")]
    trial.add("s1", 10)
    trial.connect(Connected(receive_maximum=1))
    assert len(trial.pipe.under_way) == 1
    trial.exchange()
    assert trial.delivered == ["s1"]


def test_a_refused_state_is_logged(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise an access list that forbids the state topic would not be noticed."""
    trial.connect()
    trial.exchange(lambda _: 0x87)
    assert "refused a state" in caplog.text
