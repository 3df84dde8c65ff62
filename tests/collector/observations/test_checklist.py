"""The checklist: its taxa, their names, and what a station may add."""

from pathlib import Path

import pytest

from uncia_collector.observations.checklist import KINDS, read_checklist, shipped_checklist
from uncia_collector.settings import CollectorSettings
from uncia_contract.archive.species import SPECIES
from uncia_contract.errors import DataError

SHIPPED = shipped_checklist()


def test_the_shipped_list_is_complete():
    """Every taxon has an English and a Russian name, every kind occurs, no name belongs to two taxa."""
    assert [taxon.label for taxon in SHIPPED if not {"en", "ru"} <= {*taxon.names}] == []
    assert {taxon.kind for taxon in SHIPPED} == {*KINDS} and len([*SHIPPED]) > 60
    names = [name for taxon in SHIPPED for name in taxon.all_names]
    assert len(names) == len(set(names))


def test_it_agrees_with_the_labels_of_models():
    """The contract's labels have the same scientific names in the list."""
    assert {label: SHIPPED.find(label).scientific_name for label in SPECIES} == SPECIES


def test_every_label_that_a_station_offers_by_default_is_known():
    """The page's buttons without `labels` in collector.toml."""
    assert SHIPPED.unknown(CollectorSettings().labels) == []


@pytest.mark.parametrize(
    ("name", "label"),
    [("Fox ", "fox"), ("Red fox", "fox"), ("Vulpes vulpes", "fox"), ("snow leopard", "snow_leopard"),
     ("СНЕЖНЫЙ  БАРС", "snow_leopard"), ("Uncia uncia", "snow_leopard"), ("Степной хорек", "steppe_polecat"),
     ("Pallas’s cat", "manul"), ("Red fox 2", "red fox 2")],
)  # fmt: skip
def test_a_taxon_has_one_label_however_it_is_named(name, label):
    """Case, spaces, language and synonyms do not matter; an unknown name stays the same, in small letters."""
    assert SHIPPED.label_of(name) == label


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Herder", "human"), ("Human", "human"), ("Чабан", "human"), ("car", "vehicle"), ("nothing", "blank"),
     ("Horse", "animal")],
)  # fmt: skip
def test_people_and_cars_are_no_animals(name, kind):
    """Each taxon has one kind."""
    assert SHIPPED.find(name).kind == kind


def own(tmp_path: Path, text: str) -> Path:
    """A station's own species.csv."""
    path = tmp_path / "species.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_a_stations_own_taxa_are_added_and_have_priority(tmp_path):
    """A new taxon, a new language, a replaced shipped taxon; a file with semicolons, as spreadsheets write."""
    path = own(
        tmp_path,
        "label;scientificName;kind;en;tg\n;Felis margarita;animal;Sand cat;Гурбаи регзор\nprey;;animal;Prey;\n"
        "fox;Vulpes ferrilata;animal;Fox;\n",
    )
    known = read_checklist(path)
    assert known.find("гурбаи регзор").label == "sand_cat" and known.find("sand_cat").name("ru") == "Sand cat"
    assert (known.find("prey").scientific_name, known.find("fox").scientific_name) == ("", "Vulpes ferrilata")
    assert known.find("Snow leopard").label == "snow_leopard"


REFUSED = {
    "no kind": ("label,en\nx,X\n", "line 1: no column 'kind'"),
    "another column": ("kind,en,colour\nanimal,X,red\n", "line 1: column 'colour'"),
    "another kind": ("kind,en\nplant,X\n", "line 2: kind 'plant': expected one of animal"),
    "no scientific name": ("kind,scientificName,en\nanimal,red fox,X\n", "line 2: scientificName 'red fox'"),
    "a name twice": ("kind,en\nanimal,Fox\nanimal,fox \n", "line 3: 'fox' is a name of 'fox' already"),
    "no name": ("kind,en\nanimal,\n", "line 2: label ''"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_list_is_refused_with_its_line(tmp_path, text, message):
    """The message says what, where and what was expected."""
    with pytest.raises(DataError, match=message):
        read_checklist(own(tmp_path, text))
