"""The gallery, the page of one sequence, and the forms of review."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.access.people_in_pictures import human_names, is_hidden
from uncia_collector.catalogue.events.settling import independence
from uncia_collector.catalogue.filters import STATES, Filters, night_of
from uncia_collector.catalogue.gallery import Cursor
from uncia_collector.catalogue.people import People, Person
from uncia_collector.catalogue.regions import region_of
from uncia_collector.catalogue.review import (
    AnsweredMeanwhileError,
    answer_numbers,
    give_answer,
    given_with,
    newest_of,
    number_of,
    observation_of,
    standing_of,
    undo,
)
from uncia_collector.observations.answer import CERTAINTIES, LIFE_STAGES, SEXES, Observation, answer_of_form
from uncia_collector.web.activations import Activations
from uncia_collector.web.cards import cards
from uncia_collector.web.rendering import PageContext
from uncia_collector.web.svg_geometry import score_plot
from uncia_contract.errors import DataError
from uncia_contract.messages.records import SequenceRecord, decode
from uncia_contract.pictures.region import Region

SITTING = timedelta(hours=12)  # how long the page offers to take the newest answer back


def show_gallery(request: Request, person: Person) -> Response:
    """The gallery: cards of sequences night by night, newest first."""
    context: PageContext = request.app.state.context
    filters = _filters(request)
    before, after = _cursor(request, "before"), _cursor(request, "after")
    with context.database.reading() as connection:
        page = gallery.page(connection, filters, context.zone, before, after)
        shown = gallery.first_shown(connection, page.rows)
        erased = gallery.erased(connection, [key for row in page.rows if (key := (row.trap, row.id)) not in shown])
        known, labels = gallery.trap_names(connection, filters.trap), context.labels(connection, filters.label)
        saved, apart = _saved(connection, person), independence(connection)
        answers = answer_numbers(connection, [(row.trap, row.id) for row in page.rows if row.review != "open"])
    nights = [
        (night, cards(rows, apart, shown)) for night, rows in groupby(page.rows, lambda row: _night(context, row))
    ]
    return context.render(
        request, person, "gallery.html", nights=nights, shown=shown, erased=erased, filters=filters, answers=answers,
        query=urlencode(filters.query()), older=_address(filters, "before", page.older),
        newer=_address(filters, "after", page.newer), states=STATES, saved=saved, whole=request.url.query,
        known=known, labels=labels, reviewers=sorted({*_reviewers(request), filters.reviewer} - {""}),
    )  # fmt: skip


def show_sequence(request: Request, person: Person) -> Response:
    """The page of one sequence: pictures, scores, facts, answers."""
    context: PageContext = request.app.state.context
    key, filters = _key(request), _filters(request)
    with context.database.reading() as connection:
        row = gallery.sequence(connection, key)
        if row is None:
            raise HTTPException(404, "There is no such sequence.")
        frames = gallery.frames_of(connection, key)
        newer, older = gallery.neighbours(connection, row, filters, context.zone)
        opinions, seen = gallery.opinions_of(connection, key), number_of(standing_of(connection, key))
        survey = gallery.survey_of(connection, row)
        saved = _saved(connection, person)
        hidden = not person.may_review and is_hidden(connection, *key, human_names(context.checklist))
    record = None if survey else decode(row.record, SequenceRecord)
    activations: Activations = request.app.state.activations
    no_activation = activations.trouble(row.bundle_sha256)
    activation = request.query_params.get("activation") == "1" and not no_activation
    views = [(frame, _view(row, frame, record, activation=activation)) for frame in frames]
    return context.render(
        request, person, "sequence.html", row=row, opinions=opinions, filters=filters, saved=saved, views=views,
        opened=_opened(row, views), plot=score_plot(frames, row.threshold, row.confidence), record=record,
        survey=survey, hidden=hidden, query=urlencode(filters.query()), newer=newer, older=older,
        told_at=row.started_at - timedelta(seconds=row.clock_shift_s),
        labels=_other_labels(context, row), activation=activation, no_activation=no_activation, seen=seen,
        taxa=context.checklist, choices={"sex": SEXES, "life_stage": LIFE_STAGES, "certainty": CERTAINTIES},
    )  # fmt: skip


@dataclass(frozen=True)
class FrameView:
    """How the page shows one frame.

    `small` and `full` are addresses; the page shows `small` first, and `full` (empty if not stored) when it stops on
    the frame. `width` and `height` are in pixels of the picture, `box` has the attributes of the region's rectangle.
    """

    n: int
    small: str
    full: str
    width: int
    height: int
    box: tuple[tuple[str, float], ...]


def _view(row: Any, frame: Any, record: SequenceRecord | None, *, activation: bool) -> FrameView | None:
    """The view of a frame; None if neither the frame nor a preview of it is here."""
    one = f"/sequences/{row.trap}/{row.id}/{frame.n}"
    preview = record.preview if record else None
    stored = frame.status == "stored"
    if not stored and (preview is None or preview.n != frame.n):
        return None
    width, height = (frame.width, frame.height) if stored else (preview and preview.width, preview and preview.height)
    size = (width or 4, height or 3)
    region = region_of(frame.region) or (Region(0.0, 0.0, 1.0, 1.0) if frame.score is not None else None)
    fractions = () if region is None else (region.left, region.top, region.width, region.height)
    box = zip(("x", "y", "width", "height"), (side * size[k % 2] for k, side in enumerate(fractions)), strict=False)
    small = f"{one}.{'activation' if activation and stored and frame.score is not None else 'thumbnail'}.jpg"
    sides = tuple((name, round(side, 4)) for name, side in box)
    return FrameView(frame.n, small, f"{one}.jpg" if stored else "", *size, sides)


def _opened(row: Any, views: list[tuple[Any, FrameView | None]]) -> FrameView | None:
    """The frame that the page opens with: the best one, else the first that can be shown."""
    shown = sorted((frame.n != row.best_frame, frame.n, view) for frame, view in views if view is not None)
    return shown[0][2] if shown else None


def send_review(request: Request, person: Person, form: Mapping[str, str]) -> Response:
    """Store an answer and go on to the next sequence.

    The form's `seen` is the number of the answer that counted when the page was opened, 0 for none. If somebody else
    has answered since, nothing is stored, and a page (409) shows both answers.
    """
    context: PageContext = request.app.state.context
    key, verdict, seen = _key(request), form.get("verdict", ""), form.get("seen", "0")
    try:
        said = _said(verdict, form)
        seen_number = int(seen) if seen.isascii() and seen.isdigit() else 0
        now, taxa = datetime.now(UTC), context.checklist
        give_answer(context.database, key, said, person.name, now, verdict, seen_number, taxa)
    except AnsweredMeanwhileError as error:
        kept = {name: value for name, value in form.items() if name not in ("csrf", "seen")}
        values = {"key": key, "theirs": error.rows, "said": said, "kept": kept, "seen": number_of(error.rows)}
        return context.render(request, person, "answered.html", 409, **values)
    except DataError as error:
        raise HTTPException(400, str(error)) from error
    return RedirectResponse(_next_after(context, key, form), 303)


def _said(verdict: str, form: Mapping[str, str]) -> list[Observation]:
    """The observations of a form: those that it names; one for a verdict without names."""
    if verdict == "relabelled":
        return answer_of_form(form)
    return [replace(Observation.from_form(None, form), name=observation_of(verdict).name)]


def send_reviews(request: Request, person: Person, form: Mapping[str, str]) -> Response:
    """Store one answer for each sequence that was selected in the gallery, and show the gallery again.

    A sequence that somebody else has answered meanwhile keeps that answer, and a page (409) says so.
    """
    context: PageContext = request.app.state.context
    now, verdict, late = datetime.now(UTC), form.get("verdict", ""), 0
    picked = [pair.split("/") for name, value in form.items() if name.startswith("pick-") for pair in value.split()]
    try:
        said = [observation_of(verdict, form.get("label"))]
        for trap, known, seen in picked:
            key = unquote(trap), unquote(known)
            try:
                give_answer(context.database, key, said, person.name, now, verdict, int(seen), context.checklist)
            except AnsweredMeanwhileError:
                late += 1
    except (DataError, ValueError) as error:
        raise HTTPException(400, str(error)) from error
    if late:
        message = f"Somebody else answered {late} of {len(picked)} after you opened the page. Their answers stay."
        raise HTTPException(409, message)
    return RedirectResponse(f"/{_clean_query(form.get('query', ''))}", 303)


def send_undo(request: Request, person: Person, form: Mapping[str, str]) -> Response:
    """Undo the answers that the button names; show the sequence, or the gallery if there are several."""
    context: PageContext = request.app.state.context
    named: list[int | None] = [int(key) for key in form.get("opinion", "").split(",") if key.isdecimal()]
    keys = [undo(context.database, person.name, key) for key in named or [None]]
    query = _clean_query(form.get("query", ""))
    alone = keys[0] if len(keys) == 1 else None
    return RedirectResponse(f"/{query}" if alone is None else f"/sequences/{alone[0]}/{alone[1]}{query}", 303)


def _next_after(context: PageContext, key: tuple[str, str], form: Mapping[str, str]) -> str:
    """The address of the next older sequence within the reviewer's filters; the gallery's after the last one."""
    try:
        filters = Filters.from_query(_parsed(form.get("query", "")))
    except DataError:
        filters = Filters()
    with context.database.reading() as connection:
        row = gallery.sequence(connection, key)
        _, older = gallery.neighbours(connection, row, filters, context.zone)
    query = f"?{urlencode(filters.query())}" if filters.query() else ""
    return f"/{query}" if older is None else f"/sequences/{older.trap}/{older.id}{query}"


def _saved(connection: Connection, person: Person) -> tuple[Any, list[int]]:
    """The person's newest answer of this sitting (None without one), and the keys of all given with it."""
    last = newest_of(connection, person.name)
    if last is None or datetime.now(UTC) - last.at > SITTING:
        return None, []
    return last, given_with(connection, last)


def _reviewers(request: Request) -> list[str]:
    people: People = request.app.state.people
    return [name for name, role in people.listed() if role != "viewer"]


def _other_labels(context: PageContext, row: Any) -> list[str]:
    """The other labels that one key gives: the bundle's positive labels first, then the station's; nine at most."""
    told_apart = [label for label in row.probabilities or () if label != row.label]
    return [*dict.fromkeys([*told_apart, *context.settings.labels])][:9]


def _night(context: PageContext, row: Any) -> date:
    return night_of(row.started_at, context.zone)


def _key(request: Request) -> tuple[str, str]:
    return request.path_params["trap"], request.path_params["id"]


def _filters(request: Request) -> Filters:
    try:
        return Filters.from_query(request.query_params)
    except DataError as error:
        raise HTTPException(400, str(error)) from error


def _parsed(query: str) -> dict[str, str]:
    return dict(parse_qsl(query[:2000]))


def _clean_query(query: str) -> str:
    parts = urlencode(_parsed(query))
    return f"?{parts}" if parts else ""


def _cursor(request: Request, name: str) -> Cursor | None:
    text = request.query_params.get(name)
    if not text:
        return None
    moment, _, rest = text.partition("~")
    trap, _, known = rest.partition("~")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), trap, known
    except ValueError as error:
        raise HTTPException(400, "This address is damaged.") from error


def _address(filters: Filters, name: str, at: Cursor | None) -> str | None:
    if at is None:
        return None
    return "/?" + urlencode(filters.query() | {name: f"{at[0].isoformat()}~{at[1]}~{at[2]}"})
