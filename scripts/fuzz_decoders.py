"""Coverage-guided fuzzing (atheris) of the decoders of messages: topics, records, chunks, JPEGs.

    python scripts/fuzz_decoders.py RUNS [SEED]

The first byte of an input chooses the decoder, the rest is its message; if the decoder needs a topic, it ends at the
first line break. The corpus starts with valid messages. Any exception except a decoder's own refusal ends the run with
a report and exit code 77.
"""

import resource
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["uncia_contract", "uncia_collector.ingest.wire_messages", "uncia_collector.ingest.record_rows"]
):
    from uncia_collector.ingest.record_rows import picture_size
    from uncia_collector.ingest.wire_messages import RawMessage, RefusedMessage, parse_message
    from uncia_contract.errors import MessageError
    from uncia_contract.messages import records, topics

RECORD = (
    b'{"id":"1","trap":"ridge","event":"1","started_at":"2026-11-23T03:00:00Z","ended_at":"2026-11-23T03:00:01Z",'
    b'"clock":{"synchronised":true,"boot_id":"b","boottime_s":1.0},"frames":[{"n":0,"name":"a.jpg","sha256":"'
    + b"a"
    * 64
    + b'","size":20000,"score":0.5}],"frames_scored":1,"confidence":0.5,"upper_bound":false,"threshold":0.5,'
    b'"positive":true,"label":"snow_leopard","bundle":{"name":"s","version":1,"sha256":"' + b"0" * 64 + b'"},'
    b'"schema":"uncia.sequence/1"}'
)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300") + bytes(64) + bytes.fromhex("ffd9")
MEMORY = 2 << 30  # bytes; one input that needs this much is a crash
SEEDS = [
    b"\0uncia/v1/ridge/sequence/1\n" + RECORD, b"\1" + RECORD, b"\0uncia/v1/ridge/availability\nonline",
    b"\2uncia/v1/ridge/sequence/1/frame/0/0\n" + b"a" * 64 + b"20000\nbytes", b"\3" + JPEG,
    b'\1{"sequence":"1","record_stored":true,"missing":[{"n":0,"ranges":[[0,5]]}],"schema":"uncia.receipt/1"}',
]  # fmt: skip
KINDS = (records.SequenceRecord, records.TrapState, records.Receipt)


def one(data: bytes) -> None:
    """Decode one input of the fuzzer."""
    which, _, rest = data[:1], None, data[1:]
    topic, _, payload = rest.partition(b"\n")
    name = topic.decode("utf-8", "replace")
    match which[0] % 4 if which else 0:
        case 0:
            _made_out(RawMessage(name, payload))
        case 1:
            for kind in KINDS:
                try:
                    records.decode(rest, kind)
                except MessageError:
                    continue
        case 2:
            sha256, size = payload[:64].decode("latin-1"), payload[64:].partition(b"\n")[0].decode("latin-1")
            _made_out(RawMessage(name, payload[64:].partition(b"\n")[2], [("sha256", sha256), ("size", size)]))
        case 3:
            picture_size(rest)


def _made_out(message: RawMessage) -> None:
    found = parse_message(message, topics.ROOT)
    assert not isinstance(found, RefusedMessage) or found.reason, "garbage without a reason"


def main() -> None:
    """Run the fuzzer as often as the command line says."""
    runs, seed = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "20261123"
    # libFuzzer's own limit is off: on Linux it reads a peak that a child inherits from its parent (ru_maxrss).
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as corpus:
        for n, sound in enumerate(SEEDS):
            (Path(corpus) / f"{n}").write_bytes(sound)
        options = [
            f"-runs={runs}",
            f"-seed={seed}",
            "-max_len=2000",
            "-verbosity=0",
            "-rss_limit_mb=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={tempfile.gettempdir()}/", corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
