"""What every page shares (`PageContext`: database, templates, time zone), and the templates' text formats."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from babel.dates import format_date
from jinja2 import Environment, PackageLoader, select_autoescape
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.people import Person
from uncia_collector.languages.catalogues import Language, chosen, languages
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.metrics import IngestHealth


class PageContext:
    """Renders the templates of one collector's page, with what every page needs."""

    def __init__(self, settings: CollectorSettings, database: Database, ingest: IngestHealth | None = None) -> None:
        self.settings, self.database, self.zone, self.root = settings, database, settings.zone, settings.folder
        self.ingest, self.checklist = ingest, settings.checklist()
        self._templates = {code: self._environment(one) for code, one in languages().items()}

    def _environment(self, language: Language) -> Environment:
        """The Jinja2 environment of one language, with its filters."""
        found = Environment(
            loader=PackageLoader("uncia_collector.web"), autoescape=select_autoescape(), trim_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )  # fmt: skip
        found.install_gettext_translations(language.texts, newstyle=True)  # type: ignore[attr-defined]
        _ = language.texts.gettext
        sizes, spans = (_("B"), _("kB"), _("MB"), _("GB"), _("TB")), (_("d"), _("h"), _("min"))
        found.globals |= {"language": language, "languages": languages()}
        found.filters |= {
            "clock": self.clock,
            "day": self.day,
            "minute": self.minute,
            "said": language.said,
            "translated": lambda text: _(text) if text else "",
            "observed": partial(observed, translate=_),
            "bytes": partial(human_bytes, units=sizes),
            "span": partial(human_span, units=spans),
            "hundred": hundred,
            "score": lambda probability: f"{hundred(probability) / 100:.2f}",
            "spoken": lambda label: spoken(self._name(label, language)),
            "date": lambda day, form: format_date(day, form, language.code),
        }
        return found

    def _name(self, label: str, language: Language) -> str:
        """The checklist's name of a label in a language; the label itself if the checklist lacks it."""
        taxon = self.checklist.find(label)
        return label if taxon is None else taxon.name(language.code)

    def labels(self, connection: Connection, chosen: str) -> list[str]:
        """All labels of this station, sorted: the catalogue's, the configuration's, and the chosen one."""
        return sorted({*gallery.labels(connection), *self.settings.labels, chosen} - {""})

    def render(
        self, request: Request, person: Person | None, template: str, status: int = 200, **values: Any
    ) -> Response:
        """The page that `template` makes from `values`, in the language of the person or the browser."""
        trouble = "" if self.ingest is None or person is None else self.ingest.trouble
        values |= {"trouble": trouble, "person": person, "station": self.settings.station, "path": request.url.path}
        values |= {"zone": self.zone, "here": f"{request.url.path}?{request.url.query}".rstrip("?")}
        if person is not None and person.may_review:
            with self.database.reading() as connection:
                values["waiting"] = gallery.waiting(connection)
        language = chosen("" if person is None else person.language, request.headers.get("accept-language", ""))
        headers = {"content-language": language.code}
        page = self._templates[language.code].get_template(template).render(values)
        return HTMLResponse(page, status, headers)

    def clock(self, moment: datetime | None) -> str:
        """Date and time in the station's zone; empty for None."""
        return "" if moment is None else f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def day(self, moment: datetime) -> str:
        """Time of day in the station's zone."""
        return f"{moment.astimezone(self.zone):%H:%M:%S}"

    def minute(self, moment: datetime) -> str:
        """Hour and minute in the station's zone, with the date if it is more than a day away."""
        form = "%H:%M" if abs(datetime.now(UTC) - moment) < timedelta(days=1) else "%Y-%m-%d %H:%M"
        return f"{moment.astimezone(self.zone):{form}}"

    def file(self, path: str) -> Path:
        """The path of a file of the data folder."""
        return self.root / path


def asked_number(request: Request, name: str, default: int, most: int) -> int:
    """The number `name` in the address; `default` if it is missing or not from 1 to `most`."""
    text = request.query_params.get(name, "")
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if is_number and 0 < int(text) <= most else default


def hundred(probability: float) -> int:
    """A probability in hundredths, rounded; 0 and 100 only for exactly 0 and 1."""
    nearest = round(100 * probability)
    return nearest if probability in (0.0, 1.0) else min(99, max(1, nearest))


def spoken(label: str) -> str:
    """A label as people write it: `Snow leopard` for `snow_leopard`."""
    words = label.replace("_", " ")
    return words[:1].upper() + words[1:]


def observed(row: Any, translate: Callable[[str], str] = str) -> str:
    """An observation as text, such as `fox (2, juvenile, probable): by the spring`; `row` may also be an answer."""
    said, verdict = getattr(row, "said", None) or getattr(row, "name", None), getattr(row, "verdict", "")
    name = str(said) if said else translate(verdict) if verdict else ""
    words = [translate(word) for word in (row.sex, row.life_stage, row.certainty) if word]
    told = [str(row.count)] * bool(row.count) + words
    return name + (f" ({', '.join(told)})" if told else "") + (f": {row.note}" if row.note else "")


def human_bytes(count: float, units: Sequence[str] = ("B", "kB", "MB", "GB", "TB")) -> str:
    """A number of bytes as text, such as `3.4 MB`."""
    for unit in units[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == units[0] else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {units[-1]}"


def human_span(seconds: float, units: Sequence[str] = ("d", "h", "min")) -> str:
    """A time span as text, such as `3 h 20 min`."""
    minutes, (d, h, m) = int(seconds // 60), units
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} {d} {hours} {h}" if hours else f"{days} {d}"
    return " ".join([f"{hours} {h}"] * bool(hours) + [f"{minutes % 60} {m}"] * bool(minutes % 60 or not hours))
