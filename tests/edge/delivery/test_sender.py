"""Delivery against a scripted pipe and collector: every order of answers ends with each sequence delivered once."""

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
    """An outbox, a delivery, a pipe and a collector under one clock that the test turns."""

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
        """Answer everything: PUBACK with the code `let_through` gives, and the collector's receipts; None withholds."""
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
    """The order of one sequence on the wire."""
    trial.add("s1", 10, 10, 10, scores=(0.1, 0.2, 0.9))
    trial.connect()
    trial.exchange()
    assert trial.sequence_topics() == ["s1", "s1/frame/2/0", "s1/frame/0/0", "s1/frame/1/0"]
    assert trial.delivered == ["s1"]


def test_no_frame_flows_before_the_receipt_of_its_record(trial: Trial) -> None:
    """A PUBACK of the record is no reason to send a byte of a frame."""
    trial.add("s1", 10)
    trial.connect()
    for message in list(trial.pipe.under_way.values()):
        trial.pipe.acknowledge(message)
    trial.delivery.step(0)
    assert trial.sequence_topics() == ["s1"]


def test_nothing_is_published_while_offline(trial: Trial) -> None:
    """Paho would queue it in memory; delivery leaves it in the outbox."""
    trial.add("s1", 10)
    for _ in range(5):
        trial.now_s += 1
        trial.delivery.step(0)
    assert trial.pipe.published == []


def test_an_acknowledged_chunk_is_not_a_delivered_one(trial: Trial) -> None:
    """All PUBACKs and no final receipt: the sequence stays, and the record asks again after a while."""
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


def test_only_missing_ranges_are_sent_after_a_question(trial: Trial) -> None:
    """The collector has the first 16 KiB of a frame: the rest is sent, not all."""
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
def test_any_cut_anywhere_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    """Random cuts, lost PUBACKs, lost receipts and restarts: every sequence ends delivered, its bytes right."""
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
    """Never more under way than the broker said, which paho alone would ignore."""
    for n in range(10):
        trial.add(f"s{n}", 10)
    trial.connect(Connected(receive_maximum=3))
    assert len(trial.pipe.under_way) == 3


def test_maximum_packet_size_bounds_the_chunks(trial: Trial) -> None:
    """A small broker gets small chunks."""
    trial.add("s1", 20_000)
    trial.connect(Connected(max_packet_bytes=4096))
    trial.exchange()
    assert max(len(message.payload) for message in trial.pipe.published) <= 4096 - 512
    assert trial.delivered == ["s1"]


def test_a_record_above_the_maximum_packet_size_is_parked_and_the_next_one_goes(tmp_path: Path) -> None:
    """It could only end the connection, again and again."""
    trial = Trial(tmp_path)
    trial.add("big", *[1] * 60)
    trial.add("small", 10)
    trial.connect(Connected(max_packet_bytes=4096))
    trial.exchange()
    assert trial.delivered == ["small"]
    assert "largest packet" in trial.outbox.queries.parked()["big"]


@pytest.mark.parametrize("code", [0x87, 0x90, 0x99], ids=["not authorised", "topic name", "payload format"])
def test_a_refused_message_is_parked_and_the_next_one_goes(trial: Trial, code: int) -> None:
    """PUBACK with such a reason code is a failure, though paho calls it published."""
    trial.add("bad", 10)
    trial.add("good", 10)
    trial.connect()
    trial.exchange(lambda message: code if "/bad" in message.topic else 0)
    assert trial.delivered == ["good"]
    assert f"0x{code:02x}" in trial.outbox.queries.parked()["bad"]


def test_what_was_parked_for_the_brokers_sake_is_tried_again_later(trial: Trial) -> None:
    """An access list that was wrong for an hour loses nothing."""
    trial.add("s1", 10)
    trial.connect()
    trial.exchange(lambda message: 0x87 if "/s1" in message.topic else 0)
    assert trial.delivered == []
    trial.now_s += 7 * 3600
    trial.delivery.step(0)
    trial.exchange()
    assert trial.delivered == ["s1"]


@pytest.mark.parametrize("code", [0x10, 0x80, 0x97], ids=["nobody listens", "unspecified", "quota"])
def test_a_broker_in_trouble_is_left_alone_for_a_while(trial: Trial, code: int) -> None:
    """Retried after a pause, never parked, delivered in the end."""
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


def test_many_answers_at_once_are_one_trouble(trial: Trial) -> None:
    """Sixteen records under way while the collector starts: a second's pause, not the longest there is."""
    for n in range(16):
        trial.add(f"s{n}", 10)
    trial.connect()
    trial.exchange(lambda message: 0x10 if "/sequence/" in message.topic else 0)
    trial.now_s += trial.pace.retry_first_s
    trial.delivery.step(0)
    trial.exchange()
    assert len(trial.delivered) == 16


def test_a_poison_message_is_parked_and_the_others_arrive(trial: Trial) -> None:
    """Whenever it is sent the broker hangs up; it is sent alone, struck, and parked; the others are delivered."""
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
    """Cuts at every first chunk, for days, with one sequence waiting: it is still waiting."""
    trial.add("s1", 10)
    for _ in range(50):
        trial.connect()
        trial.pipe.cut()
        trial.delivery.step(0)
    assert trial.outbox.queries.parked() == {}
    trial.connect()
    trial.exchange()
    assert trial.delivered == ["s1"]


def test_a_strike_that_finds_no_room_on_the_card_costs_no_link(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packet too large, and a full card: the sequence stays unstruck, and the next connection is tried."""
    trial.add("s1", 10)
    trial.connect()
    monkeypatch.setattr(trial.outbox, "strike", _full)
    trial.pipe.cut(code=0x95)
    with pytest.raises(StorageError):
        trial.delivery.step(0)
    trial.now_s += 200.0
    trial.delivery.step(0)
    assert trial.pipe.opened == 2


def test_a_full_card_hides_no_trap_that_comes_back(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room to mark what waited; it says `online` and sends all the same."""
    trial.add("s1", 10)
    monkeypatch.setattr(trial.outbox, "mark_historical", _full)
    trial.delivery = trial.make()
    trial.connect()
    trial.exchange()
    assert TOPICS.availability in [message.topic for message in trial.pipe.published]
    assert trial.delivered == ["s1"]


@pytest.mark.parametrize("phase", ["while its frames flow", "while its receipt is awaited"])
def test_what_is_given_up_on_a_full_card_keeps_no_place(tmp_path: Path, phase: str) -> None:
    """A sequence of an audit is dropped while it is sent: the next ones get their turn."""
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


def test_records_of_all_go_before_frames_of_any(tmp_path: Path) -> None:
    """After days offline the base station first learns of every sequence."""
    trial = Trial(tmp_path, Pace(asking=4, sending=2, limits=Limits(items=2)))
    for n in range(20):
        trial.add(f"s{n:02d}", 10, 10)
    trial.connect()
    trial.exchange()
    topics = trial.sequence_topics()
    assert sorted(topics[:20]) == sorted(f"s{n:02d}" for n in range(20))
    assert len(topics) == 60  # no record was asked twice
    assert len(trial.delivered) == 20


def test_a_sequence_that_waited_over_an_outage_says_so(trial: Trial) -> None:
    """`historical` is set after a minute offline, not before."""
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
    """The others arrive, the loss is counted, and the sequence does not wait for ever."""
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


def test_a_frame_whose_bytes_changed_is_not_sent_as_if_whole(trial: Trial) -> None:
    """Bit rot is found by the record's sha256 before the first chunk leaves."""
    trial.add("s1", 10)
    trial.outbox.frame_path("s1", 0).write_bytes(b"rotten !!!")
    trial.connect()
    trial.exchange()
    assert trial.collector.frames == {}
    assert trial.outbox.counters().drops == 1


def test_a_refusal_by_the_collector_parks(trial: Trial) -> None:
    """It says never: nothing more of the sequence is sent."""
    trial.add("s1", 10)
    trial.connect()
    trial.pipe.receive(Receipt("s1", False, refused="conflicting hash"))
    trial.delivery.step(0)
    assert "conflicting hash" in trial.outbox.queries.parked()["s1"]


def test_a_stale_receipt_does_not_repeat_chunks_that_are_under_way(trial: Trial) -> None:
    """A receipt for frame 0 lists frame 1 as missing while its chunks fly: they are not sent again."""
    trial.add("s1", 10, 10)
    trial.connect()
    trial.exchange(lambda message: 0 if "/frame/" not in message.topic else None)
    trial.pipe.receive(Receipt("s1", True, (0,), (MissingFrame(1),)))
    trial.delivery.step(0)
    assert trial.sequence_topics().count("s1/frame/1/0") == 1


def test_a_receipt_that_frees_no_place_asks_the_outbox_nothing(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame has one: a burst of thirty would ask thirty times for what is not there."""
    trial.add("s1", 10, 10)
    trial.connect()
    trial.exchange(lambda message: None if "/frame/" in message.topic else 0)
    asked: list[object] = []
    monkeypatch.setattr(trial.outbox, "next", lambda *arguments: asked.append(arguments) or [])
    trial.pipe.receive(Receipt("s1", record_stored=True, frames_stored=(0,), missing=(MissingFrame(1),)))
    trial.delivery.step(0)
    assert asked == []


def test_a_place_that_a_receipt_frees_is_taken_at_once(tmp_path: Path) -> None:
    """By the next record, in the same step."""
    trial = Trial(tmp_path, Pace(asking=1))
    trial.add("s1", 10)
    trial.add("s2", 10)
    trial.connect()
    (record,) = [one for one in trial.pipe.under_way.values() if "/sequence/" in one.topic]
    trial.pipe.receive(trial.collector.take(record.topic, record.payload))
    trial.delivery.step(0)
    assert "s2" in trial.sequence_topics()


def test_online_is_said_after_each_connect(trial: Trial) -> None:
    """Retained, so that the base station knows whom it can reach."""
    trial.connect()
    first = trial.pipe.published[0]
    assert (first.topic, first.payload, first.retain) == (TOPICS.availability, b"online", True)


def test_the_farewell_is_said_when_stopping(trial: Trial) -> None:
    """A planned end is not a failure."""
    trial.connect()
    trial.delivery.stop("sleeping")
    assert trial.pipe.farewell == "sleeping"


def test_reconnects_wait_longer_and_longer(trial: Trial) -> None:
    """An absent broker is not hammered: ten minutes see a few attempts, not hundreds."""
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
    """What the budget holds back stays in the outbox and goes the next day."""
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


def test_what_is_asked_for_goes_past_the_budget(trial: Trial) -> None:
    """A person at the base station wants these frames now."""
    trial.delivery.budget.limit(0)
    trial.add("s1", 10)
    trial.add("s2", 10)
    trial.connect()
    trial.exchange()
    assert trial.delivery.send_first("s2")
    trial.delivery.step(0)
    trial.exchange()
    assert trial.delivered == ["s2"]


def test_what_is_said_without_a_link_is_not_kept(trial: Trial) -> None:
    """A state every five minutes over weeks offline must not fill the memory, nor the link when it returns."""
    for n in range(1000):
        trial.delivery.publish(MqttMessage(TOPICS.state, b"%d" % n))
    trial.connect()
    assert [message.payload for message in trial.pipe.published] == [b"online"]


def test_a_receive_maximum_of_one_holds_for_greetings_too(tmp_path: Path) -> None:
    """Availability, state and the record of a sequence go one after the other, each once the last is acknowledged."""
    trial = Trial(tmp_path)
    trial.delivery._greetings = lambda: [MqttMessage(TOPICS.availability, b"online"), MqttMessage(TOPICS.state, b"{}")]
    trial.add("s1", 10)
    trial.connect(Connected(receive_maximum=1))
    assert len(trial.pipe.under_way) == 1
    trial.exchange()
    assert trial.delivered == ["s1"]


def test_a_refused_state_is_told_in_the_log(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    """An access list that forbids the state topic would otherwise go unnoticed."""
    trial.connect()
    trial.exchange(lambda _: 0x87)
    assert "refused a state" in caplog.text
