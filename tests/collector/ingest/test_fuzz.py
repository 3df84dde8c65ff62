"""The decoders with 100,000 damaged or hostile inputs."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uncia_collector.ingest.wire_messages import RawMessage, RefusedMessage, parse_message

SOUND = b'{"id":"1","trap":"ridge","event":"1","started_at":"2026-11-23T03:00:00Z"'
TOPICS = [
    *("uncia/v1/ridge/sequence/1", "uncia/v1/ridge/sequence/1/frame/0/0", "uncia/v1/ridge/state"),
    *("uncia/v1/ridge/availability", "uncia/v1/ridge/reply", "uncia/v1/../state", "uncia/v1/+/#", ""),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../", "\0", "#"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def mutated(payload: bytes, at: int, to: int, cut: int) -> bytes:
    """The bytes with one byte changed and the end cut off."""
    spoilt = bytearray(payload)
    spoilt[at % len(spoilt)] = to
    return bytes(spoilt[: len(spoilt) - cut % len(spoilt)])


@pytest.mark.faults
@settings(max_examples=4_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    topic=st.sampled_from(TOPICS) | st.text(max_size=80),
    payload=st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: SOUND + tail),
    properties=st.lists(st.tuples(st.sampled_from(["sha256", "size", "x"]), st.text(max_size=70)), max_size=3),
)
def test_no_bytes_make_the_decoder_raise(topic, payload, properties):
    """Any input is parsed or refused with a reason."""
    found = parse_message(RawMessage(topic, payload, properties))

    assert not isinstance(found, RefusedMessage) or found.reason


@pytest.mark.faults
@settings(max_examples=4_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, 5000), to=st.integers(0, 255), cut=st.sampled_from([0, 0, 0, 1, 7, 100]))
def test_no_damaged_record_makes_the_decoder_raise(record_message, at, to, cut):
    """A valid record with a changed byte or a lost end."""
    parse_message(RawMessage(record_message.topic, mutated(record_message.payload, at, to, cut)))


@pytest.mark.faults
@settings(max_examples=4_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(field=st.sampled_from(["id", "trap", "frames", "clock", "confidence", "bundle", "started_at"]), value=VALUES)
def test_no_strange_value_makes_the_decoder_raise(sound_record, field, value):
    """A valid record with any JSON value in one field."""
    import json

    payload = json.dumps(sound_record | {field: value}, default=str).encode("utf-8", "replace")
    parse_message(RawMessage(TOPICS[0], payload))


@pytest.mark.faults
def test_a_hundred_thousand_damaged_messages_never_raise(record_message):
    """Valid records and topics with bytes changed, cut, doubled and swapped, from a seeded random generator."""
    dice, kinds = random.Random(20261123), Counter()
    for _ in range(100_000):
        payload = bytearray(record_message.payload)
        for _ in range(dice.randrange(1, 5)):
            at = dice.randrange(len(payload))
            payload[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(4))
        topic = dice.choice(TOPICS) if dice.random() < 0.5 else record_message.topic
        sha, size = dice.choice(["a" * 64, "../", ""]), str(dice.randrange(-1, 70_000))
        kinds[type(parse_message(RawMessage(topic, bytes(payload), [("sha256", sha), ("size", size)]))).__name__] += 1

    assert kinds["RefusedMessage"] > 50_000 and kinds["RecordMessage"] > 0 and kinds["ChunkMessage"] > 0


@pytest.mark.faults
def test_coverage_guided_fuzzing_finds_no_crash():
    """400,000 inputs of topics, messages, chunks and JPEGs, made by atheris from the branches that they reach."""
    pytest.importorskip("atheris", reason="NO ATHERIS: the decoders were fuzzed without coverage's guidance")
    script = Path(__file__).parents[3] / "scripts" / "fuzz_decoders.py"
    done = subprocess.run([sys.executable, script, "400000"], capture_output=True, text=True, timeout=150, check=False)

    assert (done.returncode, "number_of_executed_units: 400000" in done.stderr) == (0, True), done.stderr[-3000:]


@pytest.fixture(scope="module")
def record_message():
    """The message of a valid record."""
    from datetime import UTC, datetime

    from uncia_contract.messages.records import BundleIdentity, ClockTrust, FrameEntry, SequenceRecord, encode

    at = datetime(2026, 11, 23, tzinfo=UTC)
    frame = FrameEntry(n=0, name="IMG_0001.JPG", sha256="a" * 64, size=20_000, taken_at=at, score=0.5)
    record = SequenceRecord(
        id="1", trap="ridge", event="1", started_at=at, ended_at=at, clock=ClockTrust(True, "b", 1.0), frames=(frame,),
        frames_scored=1, confidence=0.5, upper_bound=False, threshold=0.5, positive=True, label="snow_leopard",
        bundle=BundleIdentity("starter", 1, "0" * 64),
    )  # fmt: skip
    return RawMessage(TOPICS[0], encode(record))


@pytest.fixture(scope="module")
def sound_record(record_message):
    """The valid record as plain values."""
    import json

    return json.loads(record_message.payload)
