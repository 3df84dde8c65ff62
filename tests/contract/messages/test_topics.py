"""Topics are built and parsed in one place; hostile ones are refused."""

import pytest

from uncia_contract.errors import MessageError
from uncia_contract.messages.topics import ChunkAddress, RecordAddress, Topics, TrapAddress, parse


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        (Topics("t1").record("t1-7"), RecordAddress("t1", "t1-7")),
        (Topics("t1").chunk("t1-7", 2, 65536), ChunkAddress("t1", "t1-7", 2, 65536)),
        (Topics("t1").state, TrapAddress("t1", "state")),
    ],
    ids=["record", "chunk", "state"],
)
def test_parse_reads_what_topics_made(topic: str, address: object) -> None:
    """`parse` is the inverse of `Topics`."""
    assert parse(topic) == address


@pytest.mark.parametrize(
    "topic",
    [
        "uncia/v1/../sequence/x",
        "uncia/v1/t1/sequence/a+b",
        "uncia/v1/t1/sequence/" + "x" * 65,
        "uncia/v1/t1/sequence/x/frame/-1/0",
        "uncia/v1/t1/sequence/x/frame/1/\u0661",
        "uncia/v1/t1/receipt",
        "other/v1/t1/state",
        "uncia/v1/T1/state",
    ],
    ids=[
        "dots",
        "wildcard",
        "long",
        "negative",
        "arabic digit",
        "receipts are not a trap's",
        "root",
        "capitals",
    ],
)
def test_parse_refuses_a_hostile_topic(topic: str) -> None:
    """Only the documented forms are accepted."""
    with pytest.raises(MessageError):
        parse(topic)
