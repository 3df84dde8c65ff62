"""The miss rate: exact intervals, and no rate from a small sample."""

from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.recall import interval, miss_rates
from uncia_collector.catalogue.review import review
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app
from uncia_contract.messages.records import BundleIdentity

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 30), (1, 30), (7, 31), (30, 30), (5, 4000), (1999, 4000)])
def test_interval_is_that_of_clopper_and_pearson(hits, n):
    """It equals scipy's exact binomial interval (the collector does not use scipy)."""
    stats = pytest.importorskip("scipy.stats")
    exact = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")

    assert interval(hits, n) == pytest.approx((exact.low, exact.high), abs=1e-6)


def test_the_interval_of_no_sample_is_everything():
    """From 0 to 1."""
    assert interval(0, 0) == (0.0, 1.0)


@pytest.fixture
def audited(stored, make_sequence, tmp_path):
    """Audits of three traps: two at one site (one was moved there), one without a deployment."""
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,locationID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
        "d1,pass,36.9,73.0,2026-01-01,,ridge\nd2,river,36.8,73.1,2026-01-01,2026-11-01,valley\n"
        "d3,pass,36.9,73.0,2026-11-01,,valley\n"
    )
    read_deployments(table, stored.database)
    for number in range(4):
        for trap in ("ridge", "valley", "stray"):
            audit = make_sequence(id=f"a{number}", trap=trap, score=0.1, positive=False, audit=True)
            stored.commit(audit.record_message())
    review(stored.database, ("ridge", "a0"), "confirmed", "anara", NOW)
    review(stored.database, ("valley", "a1"), "rejected", "anara", NOW)
    return stored


def test_missed_animals_are_counted_per_site(audited):
    """A confirmed audit is a miss, an unreviewed one waits; the site is where the trap stood at that time."""
    with audited.database.reading() as connection:
        rates = miss_rates(connection)

    assert [(rate.site, rate.reviewed, rate.missed, rate.waiting) for rate in rates] == [
        ("pass", 2, 1, 6), ("stray (no place known)", 0, 0, 4), ("", 2, 1, 10),
    ]  # fmt: skip


def test_each_bundle_version_has_its_own_miss_rate(audited, make_sequence):
    """Version 1's misses count for version 1 only; the newest version comes first."""
    newer = BundleIdentity("starter", 2, "1" * 64)
    audited.commit(make_sequence(id="b", score=0.1, positive=False, audit=True, bundle=newer).record_message())
    with audited.database.reading() as connection:
        rates = [rate for rate in miss_rates(connection) if not rate.site]

    assert [(rate.version, rate.missed, rate.reviewed, rate.waiting) for rate in rates] == [(2, 0, 0, 1), (1, 1, 2, 10)]


@pytest.mark.parametrize(("reviewed", "claim"), [(29, "too few reviewed (29 of at least 30)"), (30, " % (bet")])
def test_the_page_shows_no_rate_from_a_small_sample(stored, make_sequence, reviewed, claim):
    """Thirty reviewed audits give a rate with its exact interval; twenty-nine give a sentence."""
    for number in range(30):
        stored.commit(make_sequence(id=f"a{number}", score=0.1, positive=False, audit=True).record_message())
    for number in range(reviewed):
        review(stored.database, ("ridge", f"a{number}"), "rejected" if number else "confirmed", "anara", NOW)
    People(stored.database).set_user("v", "snow and rocks", "viewer", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database))
    client.post("/login", data={"name": "v", "password": "snow and rocks"})

    page = client.get("/recall").text
    assert claim in page and ("3.3 % (between 0.1 and 17.2 %, 95 % exact)" in page) == (reviewed == 30)


@pytest.mark.parametrize(("hits", "n"), [(0, 40_000), (3, 40_000), (9_000, 40_000), (39_999, 40_000), (40_000, 40_000)])
def test_intervals_of_years_of_audits_are_exact_as_well(hits, n):
    """They equal those of scipy's beta distribution, although only significant terms are summed."""
    from scipy.stats import beta

    low = 0.0 if hits == 0 else beta.ppf(0.025, hits, n - hits + 1)
    high = 1.0 if hits == n else beta.ppf(0.975, hits + 1, n - hits)
    assert interval(hits, n) == pytest.approx((low, high), abs=1e-9)
