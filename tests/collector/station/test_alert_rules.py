"""Alert rules: which sightings are sent, on which channel, and when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.collector.conftest import StoreUnderTest

from uncia_collector.settings import AlertRule, AlertSettings, CollectorSettings, read_settings
from uncia_collector.station.alert_channels import Channel
from uncia_collector.station.alerts import Alerts
from uncia_contract.errors import ConfigurationError

EVENING = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)  # 21:30 in Dushanbe


class Told:
    """Collects what the rules send on two channels."""

    def __init__(self, stored: StoreUnderTest, *rules: AlertRule, per_hour: int = 6) -> None:
        settings = AlertSettings(rules=rules, per_hour=per_hour)
        self.alerts = Alerts(
            CollectorSettings(data=str(stored.root), time_zone="Asia/Dushanbe", alerts=settings), stored.database
        )
        self.said = list[tuple[str, str]]()
        self.alerts.channels = [Channel(name, self._hear(name), digests=False) for name in ("mail", "command")]

    def _hear(self, name: str):
        return lambda _subject, content: self.said.append((name, f"{content['trap']}/{content['sequence']}"))

    def at(self, now: datetime) -> list[tuple[str, str]]:
        self.said.clear()
        self.alerts.send_due(now)
        return self.said


def mail_of(*rules_and_stored, now: datetime = EVENING) -> list[str]:
    stored, *rules = rules_and_stored
    return sorted(key for name, key in Told(stored, *rules).at(now) if name == "mail")


@pytest.fixture
def two(on_sqlite, make_sequence) -> StoreUnderTest:
    """A leopard at the ridge at 20:30, with a high score; a fox in the valley at 04:00 two nights later, lower."""
    ridge = make_sequence(id="a", trap="ridge", started_at=EVENING - timedelta(hours=1), score=0.95)
    valley = make_sequence(
        id="b", trap="valley", started_at=EVENING - timedelta(hours=17, minutes=30), score=0.6, label="fox"
    )
    on_sqlite.commit(*ridge.messages(), *valley.messages(), now=EVENING)
    return on_sqlite


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (AlertRule(), ["ridge/a", "valley/b"]),
        (AlertRule(labels=("fox", "wolf")), ["valley/b"]),
        (AlertRule(traps=("ridge",)), ["ridge/a"]),
        (AlertRule(min_score=0.9), ["ridge/a"]),
        (AlertRule(hours="18:00-22:00"), ["ridge/a"]),
        (AlertRule(hours="22:00-06:00"), ["valley/b"]),
        (AlertRule(confirmed="yes"), []),
        (AlertRule(confirmed="no"), ["ridge/a", "valley/b"]),
        (AlertRule(channels=("command",)), []),
        (AlertRule(quiet="21:00-07:00"), []),
        (AlertRule(quiet="07:00-21:00"), ["ridge/a", "valley/b"]),
        (AlertRule(labels=("fox",), traps=("ridge",)), []),
    ],
    ids=[
        *("none", "label", "trap", "score", "hours", "hours over midnight", "confirmed", "not yet", "another channel"),
        *("quiet now", "not quiet now", "both must hold"),
    ],
)
def test_each_key_of_a_rule_selects(two: StoreUnderTest, rule: AlertRule, told: list[str]) -> None:
    """Label, trap, hour of the station, score, answers, channel and quiet hours."""
    assert mail_of(two, rule) == told


def test_one_rule_of_several_is_enough(two: StoreUnderTest) -> None:
    """A sighting that two rules select is sent once."""
    rules = AlertRule(labels=("fox",)), AlertRule(min_score=0.5, traps=("valley",)), AlertRule(hours="20:00-21:00")
    assert mail_of(two, *rules) == ["ridge/a", "valley/b"]


def test_a_sighting_of_quiet_hours_is_sent_once_when_they_end(two: StoreUnderTest) -> None:
    """Quiet hours delay an alert and do not drop it."""
    told = Told(two, AlertRule(quiet="21:00-22:00", channels=("mail",)))
    counts = [len(told.at(EVENING + timedelta(minutes=minutes))) for minutes in (0, 29, 30, 31)]
    assert counts == [0, 0, 2, 0]


def test_a_trap_with_sightings_without_end_does_not_delay_others(on_sqlite, make_sequence) -> None:
    """One trap has reached its limit per hour; the other's sighting is sent at once."""
    for hour in range(40):
        at = EVENING - timedelta(hours=40 - hour)
        on_sqlite.commit(*make_sequence(id=f"{hour:02d}", trap="noisy", started_at=at).messages(), now=EVENING)
    told = Told(on_sqlite, per_hour=3)
    newest = [("mail", f"noisy/{hour}") for hour in (39, 38, 37)]
    assert [one for one in told.at(EVENING) if one[0] == "mail"] == newest
    late = make_sequence(id="one", trap="ridge", started_at=EVENING - timedelta(hours=30))
    on_sqlite.commit(*late.messages(), now=EVENING)
    assert told.at(EVENING + timedelta(seconds=10)) == [("mail", "ridge/one"), ("command", "ridge/one")]


def test_a_thousand_sequences_of_one_sighting_are_one_alert(on_sqlite, make_sequence, monkeypatch) -> None:
    """A round reads the newest sequences of each trap, and those that were sent."""
    monkeypatch.setattr("uncia_collector.station.alerts.NEWEST", 3)
    told = Told(on_sqlite)
    for minute in range(12):
        at = EVENING + timedelta(minutes=minute)
        on_sqlite.commit(*make_sequence(id=f"{minute:02d}", started_at=at).messages(), now=at)
        assert len(told.at(at)) == (2 if minute == 0 else 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[alerts.rules]]\nhours = '25:00-06:00'\n", "hours"),
        ("[[alerts.rules]]\nlabel = ['fox']\n", "did you mean labels"),
        ("[[alerts.rules]]\nchannels = ['pager']\n", "pager"),
        ("[[alerts.rules]]\nchannels = ['mail']\n", "channel mail is not configured in [alerts]"),
        ("[[alerts.rules]]\nmin_score = 2\n", "min_score"),
    ],
    ids=["no hour", "misspelt", "no channel of ours", "a channel that is off", "no score"],
)
def test_a_mistake_in_a_rule_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    """The line names the place of the mistake."""
    path = tmp_path / "collector.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_settings(path)
    assert says in str(raised.value) and "\n" not in str(raised.value)
