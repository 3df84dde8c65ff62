"""Response times of the gallery with a large catalogue, on this machine.

    python benchmarks/collector_gallery.py [--sequences 1000000] [--postgresql | --database URL] [--keep DIR]

It fills a catalogue (four years, 40 traps, three frames a sequence, no files), serves the page, and requests the
gallery like a browser: ten pages into the past, and every combination of trap, state, score, month and label, also
those without a result. It prints p50, p95, p99 and the slowest in milliseconds over HTTP, processor time a page, the
process's memory after each round of all addresses, and the time of each page that counts sightings or nights. `--keep`
keeps the catalogue for the next run; `--postgresql` starts a private server. Of a server in `--database` the processor
time is not known, and not counted.
"""

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from sqlalchemy import delete, func, insert, select, text

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.collector.conftest import PostgreSQL, postgresql_programs

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.filters import STATES
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.schema import health_days, sequences, unsettled
from uncia_collector.settings import CollectorSettings, HttpSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.limits.rate_limit import RateLimit
from uncia_collector.web.server import PageServer

TIME = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S.000000', 1640995200 + i * {step}, 'unixepoch')",
    "postgresql": "to_timestamp(1640995200 + i * {step}) AT TIME ZONE 'UTC'",
}
# Random numbers without state, so that both databases get the same catalogue. One sequence in 25 is an audit, one in
# 1000 is incomplete; of the reviewed ones, one in seven is a wolf and one in 20,000 a lynx; one leopard in 300 has a
# lynx beside it.
SEQUENCES = """
INSERT INTO sequences (trap, id, event, started_at, ended_at, received_at, completed_at, frames, frames_stored,
 frames_scored, best_frame, confidence, upper_bound, threshold, positive, label, audit, historical, clock_synchronised,
 clock_source, bundle, bundle_version, bundle_sha256, fingerprint, record, review, review_label,
 also_called)
WITH RECURSIVE numbers(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i < {count} - 1),
 dice AS (SELECT i, {at} AS at, (i * 2654435761) % 1000003 / 1000003.0 AS score, (i * 40503) % 40 AS trap,
  (i * 48271) % 25 = 0 AS audit, (i * 69621) % 20 AS said FROM numbers),
 known AS (SELECT *, CASE WHEN audit THEN score / 2 ELSE 0.5 + score / 2 END AS confidence FROM dice)
SELECT CASE WHEN trap < 10 THEN 'trap-0' ELSE 'trap-' END || trap, 's' || i, 's' || i, at, at, at,
 CASE WHEN i % 1000 = 7 THEN NULL ELSE at END, 3, 3, 3, 1, confidence, {no}, 0.5, confidence >= 0.5, 'snow_leopard',
 audit, {no}, {yes}, 'trap', 'starter', 1, '{zeros}', '{zeros}', {record},
 CASE WHEN said < 9 THEN 'open' WHEN said < 15 THEN 'confirmed' WHEN said < 18 THEN 'rejected' ELSE 'relabelled' END,
 CASE WHEN said < 18 THEN NULL WHEN i % 20000 = 18 THEN 'lynx' WHEN said = 18 THEN 'wolf' ELSE 'ibex' END,
 CASE WHEN said >= 9 AND said < 15 AND i % 1000 < 12 THEN '["lynx"]' END FROM known"""
FRAMES = """
INSERT INTO frames (trap, sequence, n, name, sha256, size, score, status, path, region)
SELECT trap, id, n, 'IMG_0001.JPG', '{zeros}', 20000, confidence, 'stored', 'frames/x.jpg', '0.1,0.1,0.5,0.5'
FROM sequences, (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2) AS three"""

# The state of each trap in each hour of the last two years, for effort. One trap in ten sleeps by day.
AWAKE, ASLEEP_BY_DAY = "a" * 24, "s" * 10 + "a" * 14


def fill_hours(database: Database) -> None:
    """Fill each UTC day of the last two years; no counting page reads single hours."""
    with database.writing() as connection:
        traps = connection.execute(select(sequences.c.trap).distinct()).scalars().all()
        days = [(datetime.now(UTC) - timedelta(days=n)).strftime("%Y-%m-%d") for n in range(730)]
        rows = [
            {"trap": trap, "day": day, "hours": ASLEEP_BY_DAY if trap.endswith("0") else AWAKE}
            for trap in ["", *traps]
            for day in days
        ]
        connection.execute(insert(health_days), rows)


def fill(database: Database, count: int) -> None:
    """Create and fill the catalogue, unless it exists."""
    with database.reading() as connection:
        if connection.execute(select(func.count()).select_from(sequences)).scalar_one() == count:
            return
    words = {
        "count": count, "zeros": "0" * 64, "no": "false", "yes": "true",
        "at": TIME[database.engine.dialect.name].format(step=4 * 365 * 86400 // count),
        "record": "decode(repeat('7b', 900), 'hex')" if database.is_postgresql else "zeroblob(900)",
    }  # fmt: skip
    with database.writing() as connection:
        for statement in (SEQUENCES, FRAMES):
            connection.execute(text(statement.format(**words)))
        # One note a trap in place of a million, as a migration writes them: events are made in one pass.
        connection.execute(delete(unsettled))
        everything = select(sequences.c.trap, func.min(sequences.c.started_at), func.max(sequences.c.started_at))
        notes = insert(unsettled).from_select(["trap", "since", "until"], everything.group_by(sequences.c.trap))
        connection.execute(notes)
    fill_hours(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What PostgreSQL does by itself a minute after so many inserts; its indexes alone answer only then.
        connection.execute(text("VACUUM ANALYZE" if database.is_postgresql else "ANALYZE"))


class Browser:
    """One persistent connection, as in a browser."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(address).netloc)
        self.headers: dict[str, str] = {}

    def log_in(self) -> None:
        """Log in, so that the connection has a cookie."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        self.connection.request("POST", "/login", urlencode({"name": "bench", "password": "long enough"}), form)
        response = self.connection.getresponse()
        response.read()
        self.headers = {"cookie": response.headers["set-cookie"].split(";")[0]}

    def get(self, address: str) -> tuple[str, float]:
        """Request a page; return it and its time in milliseconds."""
        started = time.perf_counter()
        self.connection.request("GET", address, headers=self.headers)
        response = self.connection.getresponse()
        page = response.read().decode()
        assert response.status == 200, (address, response.status)
        return page, 1000 * (time.perf_counter() - started)


def addresses(browser: Browser) -> list[str]:
    """The addresses that a person would request."""
    asked, at = [], "/"
    for _ in range(10):
        asked.append(at)
        at = browser.get(at)[0].rsplit('rel="next" href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    month = {"since": "2024-02-01", "until": "2024-02-29"}
    labels = ("", "snow_leopard", "wolf", "lynx", "yeti")
    for trap, state, score, period, label in product(
        ("", "trap-03"), STATES, ("", "0.5", "0.9", "0.99", "0.9999"), ({}, month), labels
    ):
        wanted = {"trap": trap, "state": state, "min_score": score, "label": label} | period
        asked.append("/?" + urlencode({name: value for name, value in wanted.items() if value}))
    return asked


def resident_mb() -> float:
    """This process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


def cpu_s(server: PostgreSQL | None) -> float:
    """Processor seconds of this process (page and browser) and the private server; other load changes them little."""
    if server is None:
        return time.process_time()
    postmaster = (server.folder / "cluster" / "postmaster.pid").read_text().split()[0]
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if pid == postmaster or rest[1] == postmaster:
            ticks += sum(map(int, rest[11:15] if pid == postmaster else rest[11:13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measure(browser: Browser, requests: int, server: PostgreSQL | None) -> dict[str, object]:
    """Request all addresses in random order, repeatedly, until that many pages came; return the times."""
    asked = addresses(browser)
    times: dict[str, list[float]] = {address: [] for address in asked}
    dice, memory, began = random.Random(7), [], cpu_s(server)
    while sum(map(len, times.values())) < requests:
        for address in dice.sample(asked, len(asked)):
            times[address].append(browser.get(address)[1])
        memory.append(resident_mb())
    every = sorted(value for values in times.values() for value in values)
    middle = {address: sorted(values)[len(values) // 2] for address, values in times.items()}
    slowest = sorted(middle, key=middle.__getitem__, reverse=True)[:5]
    return {
        "combinations": len(asked),
        "pages": len(every),
        "cpu_ms_per_page": round(1000 * (cpu_s(server) - began) / len(every), 1),
        "p50_ms": round(every[len(every) // 2], 1),
        "p95_ms": round(every[int(len(every) * 0.95)], 1),
        "p99_ms": round(every[int(len(every) * 0.99)], 1),
        "slowest_p50_ms": {address: round(middle[address], 1) for address in slowest},
        "resident_mb": memory,
    }


def counting(browser: Browser) -> dict[str, float]:
    """The median of five times, in milliseconds, of each page that counts."""
    asked = [f"/{page}?days={days}" for page in ("activity", "map", "effort") for days in (90, 730, 3650)]
    asked += ["/activity?days=3650&weeks=all", "/activity?days=3650&trap=trap-03", "/recall", "/traps", "/metrics"]
    return {address: round(sorted(browser.get(address)[1] for _ in range(5))[2], 1) for address in asked}


def main() -> None:
    """Fill the catalogue, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=2400)
    parser.add_argument("--database", default="")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    own = PostgreSQL(postgresql_programs(), options="") if arguments.postgresql else None
    url = arguments.database if own is None else own.new_database()
    with tempfile.TemporaryDirectory() as name:
        settings = CollectorSettings(data=str(arguments.keep or name), database=url)
        settings.folder.mkdir(parents=True, exist_ok=True)
        database = Database(settings.database_url)
        database.migrate()
        fill(database, arguments.sequences)
        People(database).set_user("bench", "long enough", "reviewer", datetime.now(UTC))
        RateLimit.allows = lambda *_: True
        server = PageServer(make_app(settings, database), HttpSettings(port=0))
        server.start()
        browser = Browser(server.address)
        browser.log_in()
        figures = {"sequences": arguments.sequences, "database": database.engine.dialect.name} | measure(
            browser, arguments.requests, own
        )
        figures["counting_ms"] = counting(browser)
        server.stop()
        database.close()
    if own is not None:
        own.stop()
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
