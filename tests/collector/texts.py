"""The texts of the page, as Babel finds them in the templates and the code, and words that the code keeps in tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from babel.messages.extract import extract
from tests.collector.sentences import sentences

from uncia_collector.catalogue.access.log import What
from uncia_collector.catalogue.filters import STATES
from uncia_collector.catalogue.people import ROLES
from uncia_collector.catalogue.review import VERDICTS
from uncia_collector.effort.nights import KINDS as NIGHTS
from uncia_collector.exports.kinds import KINDS
from uncia_collector.exports.left_out import REASONS
from uncia_collector.observations.answer import CERTAINTIES, LIFE_STAGES, SEXES
from uncia_collector.web.app import ERROR_TEXTS

ROOT = Path(__file__).parents[2] / "collector" / "uncia_collector"
TEMPLATES = ROOT / "web" / "templates"
# The position of a text among a call's arguments.
CALLS = {
    "_": None,
    "HTTPException": (2,),
    "_login_page": (2,),
    "_password_page": (3,),
    "_plain_error_page": (3,),
    "N_": None,
}


def texts() -> set[str]:
    """All of them; of those with a plural the singular."""
    kept = {*get_args(What), *filter(None, STATES), *ROLES, *VERDICTS, *CERTAINTIES, *LIFE_STAGES, *SEXES}
    kept |= {*NIGHTS, *REASONS, *ERROR_TEXTS.values()} | {
        text for kind in KINDS.values() for text in (kind.title, kind.text)
    }
    kept |= {"sex", "life stage", "certainty", "online", "offline", "sleeping", "unknown"}
    kept |= {text for text in sentences() if "{}" not in text}
    return kept | {text[0] for text in _found()}


def plurals() -> dict[str, str]:
    """The plural of each text that has one."""
    return {text[0]: text[1] for text in _found() if len(text) > 1}


def _found() -> Iterator[tuple[str, ...]]:
    options = {"trimmed": "true", "newstyle_gettext": "true", "trim_blocks": "true", "silent": "false"}
    for path in sorted(TEMPLATES.glob("*.html")):
        with path.open("rb") as file:
            yield from map(_texts, extract("jinja2.ext:babel_extract", file, options=options))
    for path in sorted((ROOT / "web").rglob("*.py")):
        with path.open("rb") as file:
            yield from map(_texts, extract("python", file, keywords=CALLS))


def _texts(message: Any) -> tuple[str, ...]:
    text = message[1]
    return (text,) if isinstance(text, str) else tuple(filter(None, text))
