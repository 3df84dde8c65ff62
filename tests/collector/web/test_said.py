"""Sentences with values on the pages in Russian: wrong input, traps' problems, what exports leave out."""

import html
import re
from datetime import UTC, datetime

import msgspec
import pytest
from starlette.testclient import TestClient
from tests.collector.sentences import english_in
from tests.collector.web.test_page import ONE, as_role, csrf_of, state_message, station

from uncia_collector.catalogue.people import People
from uncia_collector.exports.left_out import OUTSIDE, LeftOut
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.languages.catalogues import languages
from uncia_contract.messages.records import TrapState, decode, encode

__all__ = ["as_role", "station"]
CLOCK, USERS, REVIEW = "/deployments/clock", "/users", f"{ONE}/review"
MORE = {"verdict": "relabelled", "label": "fox"}
# name: (path, form, what the page says)
WRONG_FORMS = {
    "a difference": (CLOCK, {"deployment": "d1", "by": "two hours"}, "Поправка 'two hours': ожидается"),
    "a huge difference": (CLOCK, {"deployment": "d1", "by": "99999d"}, "Поправка '99999d': допустимо не больше"),
    "no deployment": (CLOCK, {"deployment": "d9", "by": "2h"}, "Установки 'd9' нет"),
    "neither": (CLOCK, {"deployment": "d1"}, "Укажите либо поправку"),
    "a sequence": (CLOCK, {"deployment": "d1", "sequence": "x", "taken_at": "2026-11-01"}, "Серия 'x': не от ridge"),
    "a time": (CLOCK, {"deployment": "d1", "sequence": "000001", "taken_at": "noon"}, "'noon': ожидается время"),
    "a year": (CLOCK, {"deployment": "d1", "sequence": "000001", "taken_at": "0001-10-14"}, "Год 1:"),
    "before it began": (CLOCK, {"deployment": "d1", "sequence": "000001", "taken_at": "2025-10-14"}, "вне срока"),
    "removal": ("/deployments/remove", {"deployment": "d9"}, "Установки 'd9' нет"),
    "a name": (USERS, {"name": "a;b", "password": "long enough", "role": "viewer"}, "Имя 'a;b': ожидается"),
    "a role": (USERS, {"name": "bek", "password": "long enough", "role": "king"}, "Роль 'king'"),
    "a short password": (USERS, {"name": "bek", "password": "short", "role": "viewer"}, "Пароль: 5 знаков"),
    "the last": (USERS, {"name": "administrator", "password": "long enough", "role": "viewer"}, "последний админ"),
    "oneself": (USERS, {"name": "administrator", "remove": "1"}, "Себя удалить нельзя"),
    "a password": ("/password", {"old": "wrong", "new": "long enough"}, "Текущий пароль неверен"),
    "a verdict": (REVIEW, {"verdict": "maybe"}, "Ответ 'maybe': ожидается"),
    "a label": (REVIEW, MORE | {"label": "fox; drop"}, "Вид 'fox; drop': ожидается"),
    "a count": (REVIEW, MORE | {"count": "many"}, "Количество 'many': ожидается от 1 до 999"),
    "a great count": (REVIEW, MORE | {"count": "1000"}, "Количество 1000: ожидается от 1 до 999"),
    "a sex": (REVIEW, MORE | {"sex": "both"}, "sex 'both': ожидается одно из: самка, самец"),
    "a note": (REVIEW, MORE | {"note": "x" * 1001}, "Примечание: 1001 знаков"),
    "nothing": (REVIEW, {"verdict": "relabelled"}, "Наблюдений в ответе: 0"),
    "a language": ("/language", {"language": "xx"}, "Этот язык здесь неизвестен"),
}
WRONG_ADDRESSES = {
    "/?since=yesterday": "Дата 'yesterday': ожидается",
    "/?min_score=much": "Оценка 'much': ожидается",
    "/export/scores?until=01.09.2026": "Дата '01.09.2026'",
    "/export/pdf": "Выгрузки 'pdf' нет",
    "/effort/maps.csv": "Таблицы 'maps' нет",
    f"{ONE}/99.jpg": "Такого кадра нет",
}
# what a trap says of itself, as releases write it: how a page says it
OF_TRAPS = {
    "the card is read-only": "карта памяти только для чтения",
    "the card refuses: [Errno 28] No space left on device": "карта памяти отказывает: нет места на диске (ошибка 28)",
    "state kept in memory: Read-only file system": "состояние в памяти: файловая система только для чтения",
    "no camera: /media/card/DCIM: Input/output error": "нет камеры: папка /media/card/DCIM: ошибка чтения или записи",
    "no camera: /media/card: no such folder; expected the one that the camera writes into":
        "папка /media/card: такой папки нет",
    "camera folder is away": "папка камеры недоступна",
    "3 files cannot be read": "нечитаемых файлов: 3",
    "no progress of delivery": "не работает часть программы: delivery",
    "another program connects as ridge (5 times in ten minutes): two traps with one id?": "подключается как ridge (раз",
    "another trap writes as ridge: give each an id and a certificate of its own": "другая ловушка пишет как ridge",
    "bundle refused: /var/lib/uncia/new.uncia: unsigned: expected a signature by a trusted key (uncia-convert sign)":
        "модель /var/lib/uncia/new.uncia не принята: без подписи",
    "bundle refused: /x/new.uncia: damaged: model.tflite has sha256 0123456789ab, expected ba9876543210":
        "модель /x/new.uncia не принята: повреждена: у model.tflite",
    "bundle refused: bundle 0123456789ab ended the trap 3 times after it was loaded; denied until /x is removed":
        "останавливала ловушку после загрузки (раз: 3)",
    "delegate libedgetpu.so.1: no answer within 60 s": "ускоритель libedgetpu.so.1 не работает: нет ответа 60 с",
}  # fmt: skip


@pytest.fixture
def reader(as_role, stored):
    """An administrator who reads Russian."""
    client = as_role("administrator")
    People(stored.database).set_language("administrator", "ru")
    return client


def alert(text: str) -> str:
    """The alert at the top of a page."""
    return html.unescape(re.search(r'role="alert">(.*?)</p>', text)[1])


@pytest.mark.parametrize(("path", "form", "said"), WRONG_FORMS.values(), ids=WRONG_FORMS)
def test_wrong_input_of_each_form_is_reported_in_russian(reader, path, form, said):
    """The message says what is wrong with the value, and what is expected."""
    told = alert(reader.post(path, data=form | {"csrf": csrf_of(reader)}).text)
    assert said in told and english_in([told]) == []


def test_a_file_in_a_form_is_refused_in_russian(reader):
    """None of our forms has a file."""
    told = alert(reader.post("/users", data={"csrf": "x"}, files={"name": b"x"}).text)
    assert told.startswith("Слишком много файлов") and english_in([told]) == []


@pytest.mark.parametrize(("path", "said"), WRONG_ADDRESSES.items(), ids=WRONG_ADDRESSES)
def test_wrong_addresses_are_reported_in_russian(reader, path, said):
    """Wrong values in an address have a Russian message, too."""
    told = alert(reader.get(path).text)
    assert said in told and english_in([told]) == []


@pytest.mark.parametrize(("sentence", "said"), OF_TRAPS.items(), ids=OF_TRAPS)
def test_sentences_of_a_trap_are_translated(sentence, said):
    """A trap sends English text; the station has its pattern."""
    assert said in languages()["ru"].said(sentence) and languages()["en"].said(sentence) == sentence


def test_a_traps_sentence_is_on_the_page(reader, stored):
    """A known sentence is in Russian, an unknown one unchanged."""
    message, degraded = state_message(), ("3 files cannot be read", "the shutter sticks")
    state = msgspec.structs.replace(decode(message.payload, TrapState), degraded=degraded)
    stored.commit(RawMessage(message.topic, encode(state)), now=datetime.now(UTC))
    page = reader.get("/traps").text
    assert "Ловушка сообщает: нечитаемых файлов: 3." in page and "Ловушка сообщает: the shutter sticks." in page


def test_the_access_log_has_roles_in_russian(reader):
    """The role of a user who was added."""
    form = {"name": "bek", "password": "long enough", "role": "viewer", "csrf": csrf_of(reader)}
    assert reader.post("/users", data=form).status_code == 303
    assert ">bek: наблюдатель</td>" in reader.get("/accesses").text


def test_what_is_left_out_is_reported_in_russian():
    """Reason, count, traps, and the number of further traps."""
    left = LeftOut()
    for n in range(14):
        left.add(OUTSIDE, f"t{n:02d}")
    line = languages()["ru"].said(OUTSIDE)
    assert left.lines(languages()["ru"].said) == [
        f"{line}: 14 ({', '.join(f't{n:02d} 1' for n in range(12))} и ещё ловушек: 2)"
    ]


def test_an_unknown_host_is_refused_in_the_browsers_language(station):
    """This answer is a plain text without a page."""
    headers = {"host": "evil.example", "accept-language": "ru"}
    assert TestClient(station).get("/", headers=headers).text.startswith("Станция не знает этого имени")


@pytest.mark.parametrize("text", ["", "%", "%(x)s", "bundle refused: " * 16, "'" * 300, "sequence " * 30 + ": : :"])
def test_no_text_of_a_trap_breaks_the_page(text):
    """Any text of a trap is shown."""
    assert isinstance(languages()["ru"].said(text), str)
