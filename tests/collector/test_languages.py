"""The languages of the page: every text is translated, and templates hold no text that is not looked up."""

import ast
import re
from importlib.resources import files

import pytest
from babel.messages.pofile import read_po
from tests.collector.sentences import ROOT, sentences
from tests.collector.texts import TEMPLATES, plurals, texts

from uncia_collector.languages.catalogues import SOURCE, chosen, languages
from uncia_collector.web.station_pages import TALLIES

OTHERS = sorted(set(languages()) - {SOURCE})
JINJA = re.compile(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
SHOWN_ATTRIBUTES = re.compile(r'(?:aria-label|alt|placeholder|title)="([^"]*)"')
TAGS = re.compile(r"<(code|kbd)>.*?</\1>|<[^>]*>", re.DOTALL)
NAMES = {"uncia", "looking"}  # of the program; of a kind of page, for the style sheet


def catalogue(code: str):
    """The .po file of a language, parsed."""
    with (files("uncia_collector.languages") / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_is_missing(code):
    """Each text of the page is translated, and the catalogue holds no other text."""
    known = {_ids(message)[0]: message for message in catalogue(code) if not message.context}
    empty = [text for text, message in known.items() if text and not all(_strings(message))]
    assert (sorted(texts() - set(known)), sorted(set(known) - texts() - {""}), empty) == ([], [], [])


@pytest.mark.parametrize("code", OTHERS)
def test_no_sentence_is_missing(code):
    """Each sentence with values that a page can show is translated, and the catalogue holds no other sentence."""
    known = {re.sub(r"%\(\w+\)s", "{}", message.id): message for message in catalogue(code) if message.context}
    wanted = {text for text in sentences() if "{}" in text}
    empty = [text for text, message in known.items() if not message.string]
    assert (sorted(wanted - set(known)), sorted(set(known) - wanted), empty) == ([], [], [])


@pytest.mark.parametrize("code", OTHERS)
def test_each_sentence_finds_its_own_translation(code):
    """No other message of the catalogue matches a sentence, whatever its values."""
    wrong = []
    for message in catalogue(code):
        if message.context:
            values = {name: f"<{name}>" for name in re.findall(r"%\((\w+)\)s", message.id)}
            if languages()[code].said(message.id % values) != message.string % values:
                wrong.append(message.id)
    assert wrong == []


@pytest.mark.parametrize("code", OTHERS)
def test_translations_have_the_values_and_tags_of_their_texts(code):
    """A translation names the same values as its text, and has the same tags."""
    parts = re.compile(r"%\(\w+\)s|%%|</?\w+>")
    wrong = [
        (message.id, one)
        for message in catalogue(code)
        for one in _strings(message)
        if message.id and sorted(parts.findall(_ids(message)[-1])) != sorted(parts.findall(one))
    ]
    assert wrong == []


@pytest.mark.parametrize("code", OTHERS)
def test_plurals_have_all_forms_of_the_language(code):
    """A text with a plural has one in the catalogue, too."""
    found = catalogue(code)
    assert [one for one in plurals() if len(_strings(found.get(one))) != found.num_plurals] == []


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_text_stands_outside_the_catalogue(path):
    """A template's text, between tags and in shown attributes, is looked up in the catalogue."""
    bare = JINJA.sub("", path.read_text())
    shown = " ".join([TAGS.sub(" ", bare), *SHOWN_ATTRIBUTES.findall(bare)])
    assert set(re.findall(r"[A-Za-z]{2,}", shown)) <= NAMES


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_words_of_an_expression_stand_outside_the_catalogue(path):
    """Quoted words inside `{{ }}` or `{% %}` of a template are looked up in the catalogue."""
    inside = " ".join(re.findall(r"\{\{.*?\}\}|\{%.*?%\}", path.read_text(), re.DOTALL))
    quoted = re.findall(r'"([^"]*)"', re.sub(r'_\("[^"]*"\)', "", inside))
    assert [text for text in quoted if re.search(r"[a-z]{2,}\W* [a-z]{2,}", text)] == []


def test_every_count_of_the_store_has_a_name():
    """The page of refused messages has a name for each count of `store`."""
    tree = ast.parse((ROOT / "collector" / "uncia_collector" / "ingest" / "store.py").read_text())
    nodes = [*ast.walk(tree)]
    counted = [
        one.slice.elts[0] for one in nodes if isinstance(one, ast.Subscript) and isinstance(one.slice, ast.Tuple)
    ]
    counted += [one.args[1] for one in nodes if isinstance(one, ast.Call) and ast.unparse(one.func) == "self._refuse"]
    names = {str(node.value) for one in counted for node in ast.walk(one) if isinstance(node, ast.Constant)}
    assert names and names <= set(TALLIES)


@pytest.mark.parametrize(
    ("own", "accepted", "code"),
    [("", "", "en"), ("ru", "en-GB,en;q=0.9", "ru"), ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("", "xx,ru", "ru"),
     ("xx", "", "en"), ("en", "ru", "en")],
    ids=["nothing asked", "own choice", "the browser's", "the first that is known", "unknown choice", "English chosen"],
)  # fmt: skip
def test_own_choice_comes_before_the_browsers(own, accepted, code):
    """A person's choice, then the browser's languages, then English."""
    assert chosen(own, accepted).code == code


def test_russian_is_marked_as_not_read_by_a_native_speaker():
    """The catalogue's header does not name a native speaker yet."""
    assert languages()["ru"].unread and languages()["ru"].name == "Русский" and not languages()["en"].unread


def _ids(message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _strings(message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)
