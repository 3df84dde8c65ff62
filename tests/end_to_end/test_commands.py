"""Commands of the base station to a trap, with the shipped broker configuration and mutual TLS."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.end_to_end.conftest import STARTER
from tests.end_to_end.test_trust import Maker
from tests.systemd.test_units import station

from support.records import make_record, write_frames
from support.shipped_broker import Authority
from uncia_collector.cli.main import main
from uncia_collector.station import trap_commands
from uncia_contract.errors import MessageError
from uncia_contract.messages.records import TrapState, decode
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_contract.model.manifest import PROBES
from uncia_edge.delivery.link import Link
from uncia_edge.service.renewal import Renewal
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings

__all__ = ["station"]


class Base:
    """The configurations of a base station and a trap, on one broker."""

    def __init__(self, folder: Path, station: Any) -> None:
        broker, authority = station
        self.folder, self.stop_broker = folder, broker.stop
        collector, ask, trap = map(authority.issue, ("Collector", "Ask", "ridge-01"))
        self.toml = folder / "collector.toml"
        self.toml.write_text(
            f'data = "data"\n[broker]\nhost = "localhost"\nport = {broker.port}\nca = "{authority.path}"\n'
            f'certificate = "{collector.certificate}"\nkey = "{collector.key}"\n'
            f'ask_certificate = "{ask.certificate}"\nask_key = "{ask.key}"\n'
        )
        (folder / "DCIM").mkdir()
        self.trap = TrapSettings(
            trap="ridge-01", bundle=str(STARTER), state=str(folder / "state"),
            camera=CameraSettings(kind="watched", folder=str(folder / "DCIM"), watch="polling"),
            broker=BrokerSettings("localhost", broker.port, str(authority.path), str(trap.certificate), str(trap.key)),
        )  # fmt: skip

    def ask(self, *words: str, patience_s: float = 30.0) -> int:
        return main(["ask", "ridge-01", *words, "--config", str(self.toml), "--wait-s", str(patience_s)])


@pytest.fixture
def base(tmp_path: Path, station: Any) -> Base:
    return Base(tmp_path, station)


@pytest.fixture
def trap(base: Base) -> Iterator[Runtime]:
    with Runtime(base.trap) as trap:
        wait(lambda: trap.delivery.connected)
        yield trap


def wait(condition: Callable[[], Any], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.02)


def next_version(path: Path, **changed: bytes) -> Path:
    """The starter bundle with the next version."""
    starter = read_bundle(STARTER)
    manifest = msgspec.structs.replace(starter.manifest, version=starter.manifest.version + 1)
    path.write_bytes(write_bundle(manifest, {**starter.members, **changed}))
    return path


def test_a_trap_is_asked_and_answers(base: Base, trap: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    """Ping; a threshold within bounds, stored with its revision, and one out of bounds; frames that are gone."""
    assert base.ask("ping") == 0
    assert base.ask("set", "threshold", "0.9") == 0
    assert capsys.readouterr().out.splitlines() == [
        "ridge-01: pong (configuration revision 0)", "ridge-01: threshold = 0.9 (configuration revision 1)",
    ]  # fmt: skip
    assert trap.classifier.manifest.decision_rule.threshold == 0.9
    assert base.ask("set", "budget_bytes", "1000000") == 0
    assert trap.delivery.budget.bytes_per_day == 1_000_000
    assert decode(trap._state().payload, TrapState).configuration_revision == 2
    assert base.ask("set", "budget_bytes", "0") == 0
    assert (trap.delivery.budget.is_limited, trap.delivery.budget.left()) == (True, 0)
    assert base.ask("set", "budget_bytes", "default") == 0
    assert not trap.delivery.budget.is_limited
    assert [base.ask("set", "threshold", "7"), base.ask("send-frames", "nothing")] == [2, 2]
    told = capsys.readouterr().err
    assert "ridge-01 refused: threshold = 7" in told
    assert "nothing is not here any more" in told


def test_a_test_sighting_is_asked_for_from_the_base_station(
    base: Base, trap: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trap says what it will do; `tests/end_to_end/test_trial.py` shows that it does."""
    assert base.ask("try") == 0
    assert "the next burst is sent as a test, whatever its verdict" in capsys.readouterr().out
    assert trap._trial.is_wanted


def test_frames_that_the_budget_holds_back_can_be_asked_for(base: Base, trap: Runtime) -> None:
    """They are sent next."""
    trap.outbox.add(make_record("s1", [b"x" * 9]), write_frames(base.folder / "spool", [b"x" * 9]))
    assert base.ask("send-frames", "s1") == 0
    [item] = trap.outbox.next()
    assert item.asked_for


def test_a_trap_that_is_away_is_one_clear_line(base: Base, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2."""
    assert base.ask("ping", patience_s=0.5) == 2
    assert "ridge-01: no answer within 0.5 s; is the trap online?" in capsys.readouterr().err


def test_a_trap_that_comes_back_is_asked_again(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker keeps no command for a trap that is away."""
    monkeypatch.setattr(trap_commands.CommandClient.__init__, "__defaults__", (60.0, 0.3))
    real, opened = Link.open, time.monotonic() + 1.0
    monkeypatch.setattr(
        Link, "open", lambda link: real(link) if time.monotonic() > opened else link.events.put(_gone())
    )
    with Runtime(base.trap):
        assert base.ask("ping") == 0


def _gone() -> Any:
    from uncia_edge.delivery.link import Disconnected

    return Disconnected("not yet")


def test_an_offered_bundle_proves_itself_and_decides_after_the_restart(
    base: Base, trap: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only new members are sent; the trap restarts with the bundle; offered again, it is in use already."""
    sent: list[int] = []
    real = trap_commands.BundlePiece
    monkeypatch.setattr(
        trap_commands, "BundlePiece", lambda sha, start, data: sent.append(len(data)) or real(sha, start, data)
    )
    offered = next_version(base.folder / "better-3.uncia")
    assert base.ask("offer-bundle", str(offered)) == 0
    assert "snow-leopard-starter 3 proved itself here" in capsys.readouterr().out
    assert sum(sent) < 50_000 < offered.stat().st_size / 50
    assert trap.stopped
    trap.__exit__(None, None, None)
    with Runtime(base.trap) as again:
        assert again.bundle.identity == read_bundle(offered).identity
        wait(lambda: again.delivery.connected)
        assert base.ask("offer-bundle", str(offered)) == 0
        assert "in use already" in capsys.readouterr().out


def test_a_trap_with_a_key_takes_only_what_its_maker_signed(base: Base, capsys: pytest.CaptureFixture[str]) -> None:
    """Offered and at its start; an unsigned one in place of the last good one changes nothing."""
    maker, offered = Maker(base.folder), next_version(base.folder / "better-3.uncia")
    configured = base.folder / "configured.uncia"
    configured.write_bytes(maker.signed(STARTER.read_bytes()))
    settings = msgspec.structs.replace(base.trap, bundle=str(configured), bundle_key=str(maker.pem))
    with Runtime(settings) as trap:
        wait(lambda: trap.delivery.connected)
        assert base.ask("offer-bundle", str(offered)) == 2
        assert "unsigned: expected a signature by a trusted key" in capsys.readouterr().err
        offered.write_bytes(maker.signed(offered.read_bytes()))
        assert base.ask("offer-bundle", str(offered)) == 0
    Runtime(settings).outbox.close()  # its first start
    configured.write_bytes(STARTER.read_bytes())
    again = Runtime(settings)
    assert again.bundle.identity == read_bundle(offered).identity
    assert any("unsigned" in reason for reason in again._degraded)
    again.outbox.close()


def test_an_offered_bundle_whose_probes_differ_is_refused(
    base: Base, trap: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    """A child process on the trap finds that; the bundle in use stays, and the trap goes on."""
    from tests.edge.bundles.test_last_good import other_answers

    assert base.ask("offer-bundle", str(next_version(base.folder / "worse-3.uncia", **{PROBES: other_answers()}))) == 2
    assert "does not run here: " in capsys.readouterr().err
    assert not trap.stopped
    assert base.ask("ping") == 0


def test_a_file_that_is_no_bundle_is_one_clear_line(base: Base, capsys: pytest.CaptureFixture[str]) -> None:
    """Before a byte is sent."""
    (base.folder / "x.uncia").write_bytes(b"PK nothing")
    assert base.ask("offer-bundle", str(base.folder / "x.uncia")) == 2
    assert "not a bundle, or truncated" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("set", "threshold"), ("ping", "now"), ("set", "threshold", "high")])
def test_a_question_with_other_words_is_one_clear_line(
    base: Base, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what was expected and what it got."""
    assert base.ask(*words) == 2
    assert "expected" in capsys.readouterr().err


def test_a_certificate_is_renewed_over_mqtt(base: Base, station: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The trap makes the key. Both certificates are valid until the older is revoked; then the trap still connects."""
    broker, authority = station
    folder, trap = str(authority.folder.path), Path(base.trap.broker.certificate)
    before = trap.read_bytes()
    with Runtime(base.trap) as running:
        wait(lambda: running.delivery.connected)
        assert main(["certificates", "renew", folder, "ridge-01", "--over-mqtt", str(base.toml)]) == 0
        wait(lambda: running.stopped)
    assert "the renewed certificate is here; restarting with it" in capsys.readouterr().out
    with Runtime(base.trap) as running:
        wait(lambda: running.delivery.connected)
        place = ["--port", str(broker.port), "--crl", str(broker.folder / "crl.pem"), "--reload", broker.reload]
        assert main(["certificates", "revoke", "--older", folder, "ridge-01", *place]) == 0
        wait(lambda: running.delivery.connected)
        assert base.ask("ping") == 0
    assert trap.read_bytes() == before  # the configured file is unchanged; if a person replaced it, it would be used
    renewed = Path(base.trap.state) / "identity" / "renewed.pem"
    assert renewed.stat().st_mode & 0o077 == 0 and not renewed.with_name("new.key").exists()


def test_a_certificate_that_is_not_for_this_traps_key_is_not_taken(base: Base, station: Any, trap: Runtime) -> None:
    """Another trap's, another authority's, and no certificate; the trap goes on with its own."""
    _, authority = station
    other = authority.issue("valley-02").certificate.read_text()
    renewal = Renewal(base.folder / "identity", "ridge-01", base.trap.broker)
    renewal.request()
    for pem in (other, Authority(base.folder / "foreign").issue("ridge-01").certificate.read_text(), "none"):
        with pytest.raises(MessageError):
            renewal.install(pem)
    assert renewal.broker == base.trap.broker
