"""`uncia-collect`: its output, error lines and exit codes."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.collector.conftest import NOW

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.people import ROLES, People
from uncia_collector.catalogue.review import review
from uncia_collector.cli.main import main
from uncia_collector.exports.kinds import KINDS
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.wire_messages import parse_message
from uncia_collector.runtime import Collector
from uncia_collector.settings import read_settings


def test_list_prints_the_catalogue_as_json(on_sqlite, sent, capsys):
    """`list --json` has every key that other tools rely on."""
    on_sqlite.commit(*sent.messages())

    assert main(["list", "--data", str(on_sqlite.root), "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    keys = (
        "id trap camera started_at frames frames_scored confidence threshold positive label probabilities test complete"
    )
    keys += " files"
    assert set(row) == set(keys.split()) and set(row["files"][0]) == {"n", "name", "sha256", "size", "path"}


def test_list_prints_a_table_that_counts_missing_frames(on_sqlite, sent, capsys):
    """A row states how many frames of an incomplete sequence have arrived."""
    on_sqlite.commit(sent.record_message(), *sent.chunk_messages(0))

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
        ("[http]\ncertificate = 'c.pem'", "[http] certificate and key belong together"),
        ("[broker]\nca = 'c.pem'", "c.pem: No such file"),
        ("[broker]\nusername = 'u'\npassword_file = 'p'", "p: No such file"),
        ("database = 'mysql://x'", "mysql"),
        ("database = 'nonsense'", "nonsense"),
    ],
    ids=[
        "nested key",
        "key",
        "range",
        "no toml",
        "half a certificate",
        "half of the page's",
        "no authority",
        "no password",
        "other database",
        "no url",
    ],
)
def test_bad_configuration_is_one_line_and_exit_2(tmp_path, capsys, text, message):
    """Each mistake is reported in one line, without a traceback."""
    config = tmp_path / "collector.toml"
    config.write_text(text)

    assert main(["check", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "damaged"])
def test_certificate_of_the_page_that_cannot_be_read_is_one_line_and_exit_2(tmp_path, capsys, content):
    """`serve` ends when the page cannot start: a station must not run without it."""
    if content:
        (tmp_path / "c.pem").write_text(content)
    config = tmp_path / "collector.toml"
    config.write_text("[http]\nport = 0\ncertificate = 'c.pem'\nkey = 'c.pem'")

    assert main(["serve", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert "[http] certificate" in error and "c.pem" in error and error.count("\n") == 1


def test_password_may_come_through_a_pipe(on_sqlite, capfd, monkeypatch):
    """A script can pipe the password in; nothing is printed about a missing terminal."""
    monkeypatch.setattr("sys.stdin", io.StringIO("snow and rocks\n"))
    assert main(["user", "add", "anara", "--role", "viewer", "--data", str(on_sqlite.root)]) == 0
    assert People(on_sqlite.database).log_in("anara", "snow and rocks", datetime.now(UTC))
    assert "password" not in "".join(capfd.readouterr())


def test_check_and_serve_warn_of_labels_that_the_checklist_lacks(mosquitto, tmp_path, capsys, caplog):
    """`check` and the log at start warn once; a species.csv of the station that has the label ends the warning."""
    config, own = tmp_path / "collector.toml", tmp_path / "own.csv"
    text = f"data = 'data'\nlabels = ['wolf', 'Wawa', 'Red fox']\nhttp.port = 0\n[broker]\nport = {mosquitto.port}\n"
    config.write_text(text)
    assert main(["check", "--config", str(config)]) == 0
    warned = capsys.readouterr().err
    expected = "warning: labels: 'Wawa' is not in the checklist; exports will have no scientific name"
    assert warned.startswith(expected) and warned.count("\n") == 1
    collector = Collector(read_settings(config))
    collector.start()
    collector.stop()
    assert [warned.strip()[9:] in logged for logged in caplog.messages if "labels" in logged] == [True]

    capsys.readouterr()
    own.write_text("label,kind,en\nwawa,animal,Wawa\n")
    config.write_text(f"species = 'own.csv'\n{text}")
    assert main(["check", "--config", str(config)]) == 0 and capsys.readouterr().err == ""
    own.write_text("kind\nplant\n")
    assert main(["check", "--config", str(config)]) == 2 and "own.csv, line 2: kind 'plant'" in capsys.readouterr().err


def test_a_command_without_the_configuration_leaves_the_stations_own_taxa(on_sqlite, sent, tmp_path):
    """`list --data` keeps the checklist that `serve` applied: a label of it does not become free text."""
    (tmp_path / "own.csv").write_text("label,kind,en\nsnow_leopard,animal,Ghost\n")
    (tmp_path / "collector.toml").write_text(f"data = '{on_sqlite.root}'\nspecies = 'own.csv'\n")
    on_sqlite.commit(sent.record_message())
    review(on_sqlite.database, ("ridge", sent.id), "relabelled", "anara", NOW, "Ghost")
    states = []
    for where in (["--data", str(on_sqlite.root)], ["--config", str(tmp_path / "collector.toml")]) * 2:
        assert main(["list", *where]) == 0
        with on_sqlite.database.reading() as connection:
            states.append(gallery.sequence(connection, ("ridge", sent.id)).review)
    assert states == ["relabelled", "confirmed", "confirmed", "confirmed"]


def test_relative_paths_begin_at_the_configuration(tmp_path):
    """Relative paths in every table of the configuration are relative to the configuration's folder."""
    config = tmp_path / "collector.toml"
    config.write_text(
        "data = 'd'\n[broker]\nca = 'a'\ncertificate = 'b'\nkey = 'c'\npassword_file = 'p'\n"
        "[http]\ncertificate = 'h'\nkey = 'k'\n[alerts]\nsmtp_ca = 's'\nsmtp_password_file = 'm'\n"
    )
    settings = read_settings(config)
    named = [settings.data, settings.bundles, settings.alerts.smtp_ca, settings.alerts.smtp_password_file]
    named += [settings.http.certificate, settings.http.key, settings.broker.ca, settings.broker.certificate]
    named += [settings.broker.key, settings.broker.password_file]
    assert [Path(text).relative_to(tmp_path).name for text in named] == ["d", "bundles", *"smhkabcp"]


def test_missing_configuration_is_one_line_and_exit_2(tmp_path, capsys):
    """`--config` with a path that does not exist is one line and exit code 2."""
    assert main(["serve", "--config", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_folder_without_a_catalogue_is_one_line_and_exit_2(tmp_path, capsys):
    """`list` does not create a catalogue."""
    assert main(["list", "--data", str(tmp_path)]) == 2
    assert "holds no catalogue.sqlite" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_commands_work_on_postgresql(postgresql, tmp_path, sent, capsys):
    """`user`, `deployments`, `list` and every export work with `--database`."""
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
    Store(database, FrameFolder(tmp_path)).commit([parse_message(message) for message in sent.messages()], NOW)
    database.close()
    capsys.readouterr()

    assert [main(["export", kind, "--out", str(tmp_path / kind), *where]) for kind in KINDS] == [0] * len(KINDS)
    capsys.readouterr()
    assert main(["list", "--json", *where]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [sent.id]


def test_deployments_are_listed_corrected_and_removed(on_sqlite, sent, tmp_path, capsys):
    """`deployments shift` by a difference or a picture, `list`, `remove`; a mistake is one line and exit code 2."""
    on_sqlite.commit(*sent.messages())
    places, where = tmp_path / "places.csv", ["--data", str(on_sqlite.root)]
    places.write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\nd,1,2,2026-01-01,,ridge\n"
    )
    shift = ["deployments", "shift", "d", *where]
    assert main(["deployments", str(places), *where]) == 0
    assert main([*shift, "--by=-2h"]) == 0
    assert main([*shift, "--picture", sent.id, "--taken-at", "23.11.2026 05:00"]) == 0
    assert main(["deployments", "list", *where]) == 0
    told = capsys.readouterr().out
    assert "clock corrected by -2h; 1 sequences, 1 of them moved now" in told and told.rstrip().endswith("+2h")
    assert main(["deployments", "remove", "d", *where]) == 0
    wrong = (
        ["deployments", "remove", "d"],
        ["deployments", "shift", "d"],
        ["deployments", "a", "b", "c"],
        [*shift[:3], "--by", "x"],
    )
    assert [main([*words, *where]) for words in wrong] == [2, 2, 2, 2]
    assert capsys.readouterr().err.count("\n") == 4


def test_check_says_ready(mosquitto, tmp_path, capsys):
    """With a valid configuration, a catalogue and a broker, `check` ends with exit code 0."""
    config = tmp_path / "collector.toml"
    config.write_text(f"data = 'data'\n[broker]\nport = {mosquitto.port}\n")

    assert main(["check", "--config", str(config)]) == 0
    assert (tmp_path / "data" / "catalogue.sqlite").is_file()
