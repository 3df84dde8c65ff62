"""The gallery's filters give exactly the matching sequences, in the order of time, without scanning the catalogue."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.dialects import sqlite

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.filters import STATES, Filters, band_of
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import sequences

NIGHT = datetime(2026, 11, 20, 18, tzinfo=UTC)
SCORES = (0.0, 0.35, 0.4, 0.5, 0.74, 0.75, 0.9, 0.951, 0.999, 1.0)
FILTERS = st.builds(
    Filters,
    trap=st.sampled_from(["", "", "ridge", "valley", "nowhere"]),
    state=st.sampled_from(STATES),
    since=st.none() | st.dates(date(2026, 11, 19), date(2026, 11, 26)),
    until=st.none() | st.dates(date(2026, 11, 19), date(2026, 11, 26)),
    min_score=st.none() | st.sampled_from([*SCORES, 0.05, 0.97]),
    label=st.sampled_from(["", "", "snow_leopard", "wolf", "yeti"]),
)


@pytest.fixture
def catalogue(stored, make_sequence):
    """Sixty sequences of two traps over five nights, with all kinds of scores and answers."""
    for n in range(60):
        score, positive = SCORES[n % len(SCORES)], SCORES[n % len(SCORES)] >= 0.5
        sequence = make_sequence(
            id=f"{n:03d}", trap=("ridge", "valley")[n % 7 % 2], started_at=NIGHT + timedelta(hours=2 * (n // 2)),
            score=score, positive=positive, audit=not positive and n % 3 == 0, pictures=[b"x%d" % n],
        )  # fmt: skip
        messages = sequence.messages() if n % 5 else [sequence.record_message()]
        stored.commit(*messages)
        if opinion := (None, "confirmed", "rejected", "relabelled")[n % 4]:
            review(stored.database, (sequence.trap, sequence.id), opinion, "anara", NIGHT, "wolf")
    return stored


def passes(row, filters: Filters) -> bool:
    """The same filters in Python, without SQL."""
    night = (row.started_at - timedelta(hours=12)).date()
    states = {
        "": True,
        "open": row.review == "open" and row.positive,
        "doubtful": row.review == "open" and 0.35 <= row.confidence < 0.75,
        "audit": row.audit,
        "incomplete": row.completed_at is None,
    }
    return (
        filters.trap in ("", row.trap)
        and states.get(filters.state, row.review == filters.state)
        and (filters.since is None or night >= filters.since)
        and (filters.until is None or night <= filters.until)
        and (filters.min_score is None or row.confidence >= filters.min_score)
        and filters.label in ("", row.review_label or row.label)
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS)
@example(Filters(state="doubtful", min_score=0.4, label="snow_leopard"))
@example(Filters(min_score=0.999))
def test_filters_give_exactly_the_matching_sequences(catalogue, filters):
    """Any filters together: the sequences that pass all of them, newest first, none twice."""
    with catalogue.database.reading() as connection:
        every = connection.execute(select(sequences).order_by(*gallery.ORDER)).all()
        page = gallery.page(connection, filters, UTC)

    wanted = [(row.trap, row.id) for row in reversed(every) if passes(row, filters)]
    assert [(row.trap, row.id) for row in page.rows] == wanted[: gallery.PAGE]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS, at=st.integers(0, 59))
def test_neighbours_pass_the_filters_too(catalogue, filters, at):
    """The next newer and the next older one are those of the filtered list."""
    with catalogue.database.reading() as connection:
        every = connection.execute(select(sequences).order_by(*gallery.ORDER)).all()
        newer, older = gallery.neighbours(connection, every[at], filters, UTC)

    before = [row.id for row in every[:at] if passes(row, filters)]
    after = [row.id for row in every[at + 1 :] if passes(row, filters)]
    assert (older and older.id, newer and newer.id) == (before[-1] if before else None, after[0] if after else None)


INDEXES = [
    (Filters(), "started"), (Filters(trap="ridge", state="rejected", min_score=0.9, label="wolf"), "trap"),
    (Filters(state="open"), "standing"), (Filters(state="doubtful"), "scored"), (Filters(label="wolf"), "called"),
    (Filters(state="rejected", min_score=0.99), "scored"), (Filters(min_score=0.95), "scored"),
    (Filters(label="wolf", state="relabelled", min_score=0.8), "called_scored"), (Filters(state="audit"), "audit"),
    (Filters(state="incomplete"), "incomplete"), (Filters(trap="ridge", state="incomplete"), "incomplete"),
]  # fmt: skip


@pytest.mark.parametrize(("filters", "index"), INDEXES, ids=lambda part: part if isinstance(part, str) else "")
def test_every_walk_follows_its_index_in_the_order_of_time(on_sqlite, filters, index):
    """No combination of filters sorts or scans the catalogue."""
    with on_sqlite.database.writing() as connection:
        for walk in filters.walks(UTC, [("ibex", "wolf"), ("wolf",), ("ibex",)]):
            query = select(*gallery.ORDER).where(*walk).order_by(*(c.desc() for c in gallery.ORDER)).limit(49)
            text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
            [plan] = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
            expected = "of_several" if "also_called =" in str(text) else index
            assert plan.split("INDEX sequences_")[1].split(" ")[0] == expected, (plan, str(text))


@pytest.mark.parametrize("score", [0.0, 0.05, 0.3, 0.35, 0.55, 0.7, 0.95, 0.9999, 1.0])
def test_bands_of_python_and_sql_agree(on_sqlite, score):
    """The database computes the same band as the filters."""
    columns = {column.name: "x" for column in sequences.c if not column.computed and not column.nullable}
    numbers = dict.fromkeys(
        ("frames", "frames_stored", "frames_scored", "best_frame", "bundle_version", "clock_shift_s"), 1
    )
    flags = dict.fromkeys(("upper_bound", "positive", "audit", "test", "historical", "clock_synchronised"), True)
    times = dict.fromkeys(("started_at", "ended_at", "received_at"), NIGHT)
    row = columns | numbers | flags | times | {"confidence": score, "threshold": 0.5, "record": b"", "clock_shift_s": 0}
    with on_sqlite.database.writing() as connection:
        connection.execute(insert(sequences), [row])
        assert connection.execute(select(sequences.c.score_band)).scalar_one() == band_of(score)
