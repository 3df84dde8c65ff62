"""The page's languages by their codes, read from the .po files beside this module.

Decides:
#1 English texts are the keys. A text that a catalogue lacks stays English.
#2 A person's choice comes first, then the browser's languages, then English.
#3 `X-Read-By-Native-Speaker` in a catalogue's header names the native speaker who has read it. While it is `no`, the
   page says that nobody has.
"""

import gettext
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from uncia_collector.languages.sentences import Sentence, sentences

SOURCE = "en"
READ_BY = re.compile(r"^# X-Read-By-Native-Speaker: (?!no\b)\S", re.MULTILINE)


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        code: such as `ru`.
        name: the language's name in the language itself.
        texts: its translations.
        unread: no native speaker has read them yet (#3).
        sentences: its translations of sentences with values.
    """

    code: str
    name: str
    texts: gettext.NullTranslations
    unread: bool = False
    sentences: tuple[Sentence, ...] = ()

    def said(self, text: str) -> str:
        """The translation of an English sentence of a program or a trap; unchanged if the catalogue lacks it (#1)."""
        if text and (whole := self.texts.gettext(text)) != text:
            return whole
        for sentence in self.sentences:
            if match := sentence.pattern.fullmatch(text):
                values = match.groupdict("")
                values["why"] = self.said(values.get("why", ""))
                values["words"] = ", ".join(map(self.texts.gettext, filter(None, values.get("words", "").split(", "))))
                return sentence.translation % values
        return text


@cache
def languages() -> Mapping[str, Language]:
    """All languages of the page by their codes, English first. The catalogues are read once."""
    found = {SOURCE: Language(SOURCE, "English", gettext.NullTranslations())}
    catalogues = (file for file in files("uncia_collector.languages").iterdir() if file.name.endswith(".po"))
    for file in sorted(catalogues, key=lambda file: file.name):
        code = file.name.removesuffix(".po")
        catalogue = read_po(io.BytesIO(file.read_bytes()), locale=code)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        name = str(Locale.parse(code).get_display_name(code)).capitalize()
        unread = READ_BY.search(catalogue.header_comment) is None
        found[code] = Language(code, name, gettext.GNUTranslations(compiled), unread, sentences(catalogue))
    return found


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Return the text unchanged. The call marks it for Babel; it is translated later."""
    return text


def chosen(own: str, accepted: str) -> Language:
    """The language in which a page is shown (#2).

    Args:
        own: the person's choice, empty without one.
        accepted: the browser's `Accept-Language`.
    """
    known = languages()
    asked = [own] + [part.split(";")[0].strip().split("-")[0].lower() for part in accepted[:200].split(",")]
    return next((known[code] for code in asked if code in known), known[SOURCE])
