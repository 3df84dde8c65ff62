"""How long the gallery takes over a large catalogue, on this machine.

    python benchmarks/collector_gallery.py [--sequences 1000000] [--database URL]

Fills a catalogue (three frames a sequence, no files), asks for pages as a browser would (newest, walking older,
one trap, to review, by score, the middle of the years) and prints p50 and p95 in milliseconds, and the memory of it.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text
from starlette.testclient import TestClient

from uncia_collector.database import Database
from uncia_collector.people import People
from uncia_collector.schema import frames, sequences
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.limits import RateLimit

TRAPS = [f"trap-{n:02d}" for n in range(40)]
START = datetime(2022, 1, 1, tzinfo=UTC)


def sequence_row(number: int, dice: random.Random) -> dict:
    """One sequence, somewhere in four years."""
    at = START + timedelta(seconds=dice.random() * 4 * 365 * 86400)
    score = dice.random()
    return {
        "trap": dice.choice(TRAPS), "id": f"{number:08d}", "event": f"{number:08d}", "started_at": at, "ended_at": at,
        "received_at": at, "completed_at": at, "frames": 3, "frames_stored": 3, "frames_scored": 3, "best_frame": 1,
        "confidence": score, "upper_bound": False, "threshold": 0.5, "positive": score > 0.5, "label": "snow_leopard",
        "audit": False, "historical": False, "clock_synchronised": True, "clock_source": "trap", "bundle": "b",
        "bundle_version": 1, "bundle_sha256": "0" * 64, "fingerprint": "0" * 64, "record": b"{}" * 200,
        "review": dice.choice(["open", "open", "confirmed", "rejected"]),
    }  # fmt: skip


def frame_rows(row: dict) -> list[dict]:
    """Its frames."""
    return [
        {
            "trap": row["trap"], "sequence": row["id"], "n": n, "name": "x.jpg", "sha256": "0" * 64, "size": 1,
            "status": "stored", "path": f"frames/x/{n}.jpg",
        }
        for n in range(3)
    ]  # fmt: skip


def fill(database: Database, count: int) -> None:
    """Make the catalogue."""
    dice = random.Random(7)
    for first in range(0, count, 20_000):
        rows = [sequence_row(number, dice) for number in range(first, min(count, first + 20_000))]
        with database.writing() as connection:
            connection.execute(insert(sequences), rows)
            connection.execute(insert(frames), [frame for row in rows for frame in frame_rows(row)])
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))


def addresses(client: TestClient) -> list[str]:
    """What a person would ask for."""
    asked, at = [], "/"
    for _ in range(10):
        asked.append(at)
        page = client.get(at).text
        at = page.rsplit('rel="next" href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    asked += [f"/?trap={trap}" for trap in TRAPS[:5]]
    asked += ["/?state=open", "/?state=doubtful", "/?state=rejected", "/?min_score=0.99", "/?state=audit"]
    return [
        *asked,
        *(f"/?until={year}-06-15" for year in (2022, 2023, 2024)),
        "/?trap=trap-03&state=open&min_score=0.9",
    ]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1_000_000)
    parser.add_argument("--database", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings = CollectorSettings(data=name, database=arguments.database)
        Path(name).mkdir(exist_ok=True)
        database = Database(settings.database_url)
        database.migrate()
        fill(database, arguments.sequences)
        People(database).set_user("bench", "long enough", "reviewer", datetime.now(UTC))
        app = make_app(settings, database)
        client = TestClient(app, follow_redirects=False)
        client.post("/login", data={"name": "bench", "password": "long enough"})
        RateLimit.allows = lambda *_: True
        asked = addresses(client)
        times: dict[str, list[float]] = {}
        for _ in range(8):
            for address in asked:
                started = time.perf_counter()
                assert client.get(address).status_code == 200
                times.setdefault(address, []).append(1000 * (time.perf_counter() - started))
        database.close()
    every = sorted(value for values in times.values() for value in values)
    slowest = max(times, key=lambda address: sorted(times[address])[len(times[address]) // 2])
    figures = {
        "sequences": arguments.sequences,
        "pages": len(every),
        "p50_ms": round(every[len(every) // 2], 1),
        "p95_ms": round(every[int(len(every) * 0.95)], 1),
        "slowest": slowest,
        "slowest_p50_ms": round(sorted(times[slowest])[4], 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
