"""Which run is meant, where a comparison left several."""

import pytest

from uncia_contract.errors import DataError
from uncia_contract.runs.run_folder import read_run, run_of


@pytest.fixture
def comparison(tmp_path):
    """The folder of a comparison that left two finished runs and one that was interrupted."""
    for name in ("uncia", "RN1"):
        (tmp_path / "systems" / name).mkdir(parents=True)
        (tmp_path / "systems" / name / "run.json").write_text("{}")
    (tmp_path / "systems" / "RN3").mkdir()
    return tmp_path


def test_a_system_names_its_run(comparison):
    """Its folder lies below `systems`."""
    assert run_of(comparison, "RN1") == comparison / "systems" / "RN1"


@pytest.mark.parametrize("name", ["RN3", "L120", "../x"], ids=["unfinished", "not left", "no name"])
def test_a_system_without_a_run_is_refused_with_those_there_are(comparison, name):
    """One line that lists the finished ones."""
    with pytest.raises(DataError, match="expected RN1 or uncia"):
        run_of(comparison, name)


def test_a_comparison_without_a_system_asks_for_one(comparison):
    """A comparison is no run itself."""
    with pytest.raises(DataError, match="give --system RN1 or uncia"):
        read_run(comparison)
