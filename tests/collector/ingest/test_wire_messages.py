"""Hostile topics and payloads are refused."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_collector.ingest.wire_messages import RawMessage, RefusedMessage, parse_message
from uncia_contract.messages.records import encode

BASE = "uncia/v1/ridge/sequence/1"
SHA = "a" * 64


HOSTILE = ["", "uncia/v1", "uncia/v1/Ridge/state", "uncia/v1/../sequence/1", "uncia/v1/ridge/sequence/.."]
HOSTILE += [f"{BASE}/frame/-1/0", "uncia/v1/ridge/sequence/a/b", "uncia/v1/+/state", "uncia/v1/#"]
HOSTILE += [f"{BASE}/frame/1/٣", "uncia/v1/" + "a" * 10_000_000]
TOPICS = st.text(max_size=60) | st.sampled_from([BASE, f"{BASE}/frame/0/0", "uncia/v1/a/state"])


@pytest.mark.parametrize("topic", HOSTILE, ids=lambda topic: topic[:30] or "empty")
def test_hostile_topic_is_garbage(topic):
    """Only topics of traps reach the catalogue."""
    assert isinstance(parse_message(RawMessage(topic, b"{}")), RefusedMessage)


@pytest.mark.parametrize(
    ("properties", "payload"),
    [
        ([], b"x"),
        ([("sha256", "../" * 20), ("size", "1")], b"x"),
        ([("sha256", SHA), ("size", "99999999999")], b"x"),
        ([("sha256", SHA), ("size", "-1")], b"x"),
        ([("sha256", SHA), ("size", "1")], b"too long"),
        ([("sha256", SHA), ("size", "1")], b""),
    ],
    ids=["no properties", "sha256 is a path", "size too large", "negative size", "beyond its frame", "empty"],
)
def test_impossible_chunk_is_garbage(properties, payload):
    """A chunk must lie inside a frame of sensible size."""
    assert isinstance(parse_message(RawMessage(f"{BASE}/frame/0/0", payload, properties)), RefusedMessage)


def test_a_trap_cannot_send_records_of_another_trap(sent):
    """The record's trap must be the topic's, which the broker's access list checks."""
    found = parse_message(RawMessage("uncia/v1/valley/sequence/000001", encode(sent.record)))

    assert isinstance(found, RefusedMessage) and "expected the same trap" in found.reason


def test_nul_in_a_name_is_garbage(sent):
    """PostgreSQL cannot store NUL."""
    message = sent.record_message()

    found = parse_message(RawMessage(message.topic, message.payload.replace(b"IMG_0001", b"IMG\\u0000")))

    assert isinstance(found, RefusedMessage) and "NUL" in found.reason


@given(
    topic=st.text(max_size=60) | st.sampled_from([BASE, f"{BASE}/frame/0/0", "uncia/v1/a/state"]), payload=st.binary()
)
def test_nothing_on_the_wire_raises(topic, payload):
    """Any input is parsed or refused."""
    assert parse_message(RawMessage(topic, payload, [("sha256", SHA), ("size", "5")])) is not None


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_time_that_no_clock_shows_is_garbage(sent, year):
    """In the station's zone such a time may have no year; one such record made the gallery fail for everybody."""
    record = json.loads(encode(sent.record)) | {"started_at": f"{year}-12-31T23:59:59Z"}
    found = parse_message(RawMessage(sent.record_message().topic, json.dumps(record).encode()))

    assert isinstance(found, RefusedMessage) and found.sequence == sent.id
    assert "has no year of 2 to 9998" in found.reason


def test_a_record_that_promises_more_than_a_burst_can_hold_is_garbage(sent):
    """Each frame is within its limit, but together they are 65 of 64 MiB."""
    frame = sent.record.frames[0]
    frames = tuple(msgspec.structs.replace(frame, n=n, size=64 * 1024 * 1024) for n in range(65))
    for record, refused in ((frames, True), (frames[:64], False)):
        payload = encode(msgspec.structs.replace(sent.record, frames=record))
        found = parse_message(RawMessage("uncia/v1/ridge/sequence/000001", payload))
        assert isinstance(found, RefusedMessage) is refused
