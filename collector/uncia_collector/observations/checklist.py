"""The checklist of taxa, `species.csv`: what people and models may call what a sequence shows.

Decides: #1 a name is found whatever its case, with spaces, `_` or `-` between its words, in any language of the list,
by scientific name or by another name (`also`, divided by `|`); #2 a station's own list adds taxa and
replaces those with its labels and names; #3 only a row of a list gives a scientific name: free text stays what it is.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from uncia_contract.errors import DataError

KINDS = ("animal", "human", "vehicle", "blank")
LABEL = r"^\w[\w .'()/-]{0,79}$"  # what people may call what they see
_COLUMNS = ("label", "scientificName", "kind", "also")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SCIENTIFIC = re.compile(r"[A-Z][a-z]+( [a-z-]+){0,2}")


@dataclass(frozen=True)
class Taxon:
    """A row: `label` is what tables and models call it, `names` are by language (`en`, `ru`)."""

    label: str
    kind: str
    scientific_name: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def name(self, language: str = "en") -> str:
        """Its name in a language; in English where that is missing, else its label in words."""
        return self.names.get(language) or self.names.get("en") or self.label.replace("_", " ")

    @property
    def all_names(self) -> set[str]:
        """Every name by which it is found (#1)."""
        return {comparable(text) for text in (self.label, self.scientific_name, *self.names.values(), *self.also)} - {
            ""
        }


class Checklist:
    """Taxa by their names."""

    def __init__(self, taxa: Iterable[Taxon]) -> None:
        self._taxa = (*taxa,)
        self._by_name = {name: taxon for taxon in self._taxa for name in taxon.all_names}

    def __iter__(self) -> Iterator[Taxon]:
        return iter(self._taxa)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all names with their labels: equal for lists that know the same names."""
        names = sorted((name, taxon.label) for name, taxon in self._by_name.items())
        return hashlib.sha256(repr(names).encode()).hexdigest()

    def find(self, name: str | None) -> Taxon | None:
        """The taxon of that name (#1); None where the list knows none."""
        return None if name is None else self._by_name.get(comparable(name))

    def label_of(self, name: str) -> str:
        """The label of that name; of a name that the list does not know, its words in small letters."""
        taxon = self.find(name)
        return comparable(name) if taxon is None else taxon.label

    def same(self, one: str, other: str) -> bool:
        """Whether both names are of one taxon."""
        return self.label_of(one) == self.label_of(other)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """The names that the list does not know."""
        return [name for name in names if self.find(name) is None]

    def with_own(self, own: Iterable[Taxon]) -> "Checklist":
        """This list and a station's own (#2)."""
        own = [*own]
        claimed = {name for taxon in own for name in taxon.all_names}
        return Checklist([*(taxon for taxon in self if comparable(taxon.label) not in claimed), *own])


def comparable(name: str) -> str:
    """A name without what tells no two apart: case, spaces, `_`, `-`, the dots of ё, an apostrophe's shape."""
    plain = name.casefold().replace("ё", "е").replace("’", "'")
    return " ".join(re.sub(r"[\s_-]+", " ", plain).split())


@cache
def shipped_checklist() -> Checklist:
    """The list of the high mountains of Asia."""
    text = files("uncia_collector.observations").joinpath("species.csv").read_text("utf-8")
    return Checklist(_taxa(text.splitlines(), "species.csv"))


def read_checklist(path: Path) -> Checklist:
    """The shipped list and a station's own.

    Raises:
        DataError: not such a table; file, line and what was expected are named.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: {getattr(error, 'strerror', None) or error}; expected species.csv in UTF-8"
        ) from error
    return shipped_checklist().with_own(_taxa(text.splitlines(), str(path)))


def _taxa(lines: list[str], where: str) -> list[Taxon]:
    delimiter = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    reader = csv.DictReader(lines, delimiter=delimiter, restval="", strict=True)
    columns = [name or "" for name in reader.fieldnames or ()]
    if "kind" not in columns:
        raise DataError(f"{where}, line 1: no column 'kind'; expected label, scientificName, kind, en, ...")
    strange = [name for name in columns if name not in _COLUMNS and not _LANGUAGE.fullmatch(name)]
    if strange:
        raise DataError(f"{where}, line 1: column {strange[0]!r}: expected {', '.join(_COLUMNS)} or a language as en")
    found: list[Taxon] = []
    known: dict[str, str] = {}
    for row in reader:
        at = f"{where}, line {reader.line_num}"
        taxon = _taxon({name: value.strip() for name, value in row.items() if isinstance(value, str)}, at)
        for name in sorted(taxon.all_names):
            if name in known:
                raise DataError(
                    f"{at}: {name!r} is a name of {known[name]!r} already; expected names of one taxon each"
                )
            known[name] = taxon.label
        found.append(taxon)
    return found


def _taxon(row: dict[str, str], at: str) -> Taxon:
    names = {name: row[name] for name in row if name not in _COLUMNS and row[name]}
    scientific, kind = row.get("scientificName", ""), row["kind"].lower()
    label = row.get("label") or comparable(names.get("en") or next(iter(names.values()), scientific)).replace(" ", "_")
    if kind not in KINDS:
        raise DataError(f"{at}: kind {kind[:20]!r}: expected one of {', '.join(KINDS)}")
    if scientific and not _SCIENTIFIC.fullmatch(scientific):
        raise DataError(f"{at}: scientificName {scientific[:60]!r}: expected one such as Panthera uncia, or nothing")
    if not re.fullmatch(LABEL, label):
        raise DataError(f"{at}: label {label[:80]!r}: expected 1 to 80 letters, digits, spaces and _ . ' ( ) / -")
    return Taxon(label, kind, scientific, names, tuple(filter(None, map(str.strip, row.get("also", "").split("|")))))
