"""The checklist of taxa (`species.csv`): finds a taxon by any of its names, and adds a station's own list.

#1 A taxon is found by its label, its name in any language of the list, its scientific name, or another name (column
`also`, divided by `|`). Case does not matter, nor do spaces, `_` or `-` between words.
#2 A station's own list adds taxa; it replaces a shipped taxon whose label is among its names.
#3 Only a row of a list gives a scientific name; text that is in no list gets none.
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
LABEL = r"^\w[\w .'()/-]{0,79}$"  # names that people may give
_COLUMNS = ("label", "scientificName", "kind", "also")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SCIENTIFIC = re.compile(r"[A-Z][a-z]+( [a-z-]+){0,2}")


@dataclass(frozen=True)
class Taxon:
    """A row of the checklist: `label` is the name in tables and models, `names` are by language (`en`, `ru`)."""

    label: str
    kind: str
    scientific_name: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def name(self, language: str = "en") -> str:
        """The name in a language; the English one if that is missing, else the label with spaces."""
        return self.names.get(language) or self.names.get("en") or self.label.replace("_", " ")

    @property
    def all_names(self) -> set[str]:
        """Every name that finds it (#1), as `comparable` writes it."""
        return {comparable(text) for text in (self.label, self.scientific_name, *self.names.values(), *self.also)} - {
            ""
        }


class Checklist:
    """A list of taxa, found by their names."""

    def __init__(self, taxa: Iterable[Taxon]) -> None:
        self._taxa = (*taxa,)
        self._by_name = {name: taxon for taxon in self._taxa for name in taxon.all_names}

    def __iter__(self) -> Iterator[Taxon]:
        return iter(self._taxa)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all names and labels: equal for lists with the same names."""
        names = sorted((name, taxon.label) for name, taxon in self._by_name.items())
        return hashlib.sha256(repr(names).encode()).hexdigest()

    def find(self, name: str | None) -> Taxon | None:
        """The taxon of that name (#1); None if the list has none."""
        return None if name is None else self._by_name.get(comparable(name))

    def label_of(self, name: str) -> str:
        """The label of that name; for a name that is not in the list, the name in small letters."""
        taxon = self.find(name)
        return comparable(name) if taxon is None else taxon.label

    def same(self, one: str, other: str) -> bool:
        """Whether both names belong to one taxon."""
        return self.label_of(one) == self.label_of(other)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are not in the list."""
        return [name for name in names if self.find(name) is None]

    def with_own(self, own: Iterable[Taxon]) -> "Checklist":
        """This list with a station's own taxa added (#2)."""
        own = [*own]
        claimed = {name for taxon in own for name in taxon.all_names}
        return Checklist([*(taxon for taxon in self if comparable(taxon.label) not in claimed), *own])


def comparable(name: str) -> str:
    """A name in the form that is compared: small letters, one space for spaces, `_` and `-`, е for ё, ' for ’."""
    plain = name.casefold().replace("ё", "е").replace("’", "'")
    return " ".join(re.sub(r"[\s_-]+", " ", plain).split())


@cache
def shipped_checklist() -> Checklist:
    """The shipped list: taxa of the high mountains of Asia."""
    text = files("uncia_collector.observations").joinpath("species.csv").read_text("utf-8")
    return Checklist(_taxa(text.splitlines(), "species.csv"))


def read_checklist(path: Path) -> Checklist:
    """The shipped list with the station's own species.csv added (#2).

    Raises:
        DataError: the file cannot be read or is not such a table; the message names file, line and what was expected.
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
