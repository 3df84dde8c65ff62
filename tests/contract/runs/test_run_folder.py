"""Which run is read from the folder of a comparison with several systems."""

import pytest

from uncia_contract.errors import DataError
from uncia_contract.runs.run_folder import read_run, run_of


@pytest.fixture
def comparison(tmp_path):
    """The folder of a comparison with two finished runs and one that was interrupted."""
    for name in ("uncia", "RN1"):
        (tmp_path / "systems" / name).mkdir(parents=True)
        (tmp_path / "systems" / name / "run.json").write_text("{}")
    (tmp_path / "systems" / "RN3").mkdir()
    return tmp_path


def test_a_system_names_its_run(comparison):
    """The run's folder is `systems/NAME`."""
    assert run_of(comparison, "RN1") == comparison / "systems" / "RN1"


@pytest.mark.parametrize("name", ["RN3", "L120", "../x"], ids=["unfinished", "not there", "not a name"])
def test_a_system_without_a_run_is_refused_with_a_list_of_runs(comparison, name):
    """The message lists the finished runs."""
    with pytest.raises(DataError, match="expected RN1 or uncia"):
        run_of(comparison, name)


def test_a_comparison_without_a_system_asks_for_one(comparison):
    """The folder of a comparison is not a run folder."""
    with pytest.raises(DataError, match="give --system RN1 or uncia"):
        read_run(comparison)
