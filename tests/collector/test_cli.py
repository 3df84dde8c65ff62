"""`uncia-collect` as a person or a program meets it."""

import json

import pytest
from tests.collector.conftest import NOW

from uncia_collector.arrivals import arrival
from uncia_collector.cli import main
from uncia_collector.database import Database
from uncia_collector.exports.kinds import KINDS
from uncia_collector.frame_folder import FrameFolder
from uncia_collector.people import ROLES
from uncia_collector.store import Store


def test_list_prints_the_catalogue_as_json(on_sqlite, sent, capsys):
    """Every key that other tools rely on."""
    on_sqlite.take(*sent.wires())

    assert main(["list", "--data", str(on_sqlite.root), "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    keys = "id trap started_at frames frames_scored confidence threshold positive complete files"
    assert set(row) == set(keys.split()) and set(row["files"][0]) == {"n", "name", "sha256", "size", "path"}


def test_list_prints_a_table_that_tells_what_is_missing(on_sqlite, sent, capsys):
    """A sequence whose frames have not all come says so."""
    on_sqlite.take(sent.record_wire(), *sent.chunk_wires(0))

    main(["list", "--data", str(on_sqlite.root)])

    assert "(1 of 2 frames here)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[broker]\nhots = 'x'", "unknown key 'hots' in [broker]; did you mean host"),
        ("datta = 'x'", "did you mean data"),
        ("[broker]\nport = 70000", "65535"),
        ("[broker", "not TOML"),
        ("[broker]\ncertificate = 'c.pem'", "certificate and key belong together"),
        ("database = 'mysql://x'", "mysql"),
        ("database = 'nonsense'", "nonsense"),
    ],
    ids=["nested key", "key", "range", "no toml", "half a certificate", "other database", "no url"],
)
def test_bad_configuration_is_one_line_and_exit_2(tmp_path, capsys, text, message):
    """Each mistake is named in one line; no traceback."""
    config = tmp_path / "collector.toml"
    config.write_text(text)

    assert main(["check", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_missing_configuration_is_one_line_and_exit_2(tmp_path, capsys):
    """A path that is not there."""
    assert main(["serve", "--config", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_folder_without_a_catalogue_is_one_line_and_exit_2(tmp_path, capsys):
    """`list` makes no catalogue where there is none."""
    assert main(["list", "--data", str(tmp_path)]) == 2
    assert "holds no catalogue.sqlite" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_commands_work_on_postgresql(postgresql, tmp_path, sent, capsys):
    """Users of every role, deployments, list and every export, with `--database`."""
    url, password, places = postgresql.new_database(), tmp_path / "password", tmp_path / "places.csv"
    password.write_text("snow and rocks")
    places.write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\nd,1,2,2026-01-01,,ridge\n"
    )
    where = ["--database", url, "--data", str(tmp_path)]
    for role in ROLES:
        assert main(["user", "add", role, "--role", role, "--password-file", str(password), *where]) == 0
    assert main(["deployments", str(places), *where]) == 0
    database = Database(url)
    Store(database, FrameFolder(tmp_path)).take([arrival(wire) for wire in sent.wires()], NOW)
    database.close()
    capsys.readouterr()

    assert [main(["export", kind, "--out", str(tmp_path / kind), *where]) for kind in KINDS] == [0] * len(KINDS)
    capsys.readouterr()
    assert main(["list", "--json", *where]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [sent.id]


def test_check_says_ready(mosquitto, tmp_path, capsys):
    """Configuration, catalogue and broker in order: exit 0."""
    config = tmp_path / "collector.toml"
    config.write_text(f"data = 'data'\n[broker]\nport = {mosquitto.port}\n")

    assert main(["check", "--config", str(config)]) == 0
    assert (tmp_path / "data" / "catalogue.sqlite").is_file()
