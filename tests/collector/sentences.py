"""Sentences that programs write and a page can show: the texts of two words or more in these modules.

A sentence is represented by its skeleton, with `{}` for each value. Docstrings, log entries and `NOT_SHOWN` do not
count.
"""

import ast
import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Errors of forms and addresses, refused messages, what a trap says of itself.
WRITERS = {
    "collector/uncia_collector": (
        "catalogue/clocks/correction.py", "catalogue/filters.py", "catalogue/people.py", "catalogue/review.py",
        "effort/tables.py", "exports/camtrap_dp.py", "exports/kinds.py", "exports/left_out.py",
        "exports/strip_locations.py", "ingest/store.py", "ingest/subscriber.py", "ingest/wire_messages.py",
        "observations/answer.py", "web/**/*.py",
    ),
    "contract/uncia_contract": (
        "archive/camtrap_deployments.py", "messages/records.py", "messages/topics.py", "model/activation.py",
        "model/bundle.py", "model/classifier.py", "model/heads.py", "model/interpreter.py", "model/manifest.py",
        "model/probes.py", "model/tflite_check.py", "pictures/jpeg.py",
    ),
    "edge/uncia_edge": (
        "bundles/keys.py", "bundles/last_good.py", "bundles/loads.py", "bundles/releases.py", "bundles/trust.py",
        "camera/cameras.py", "camera/picamera.py", "camera/watched.py", "outbox/state_folder.py", "scoring/delegate.py",
        "scoring/edgetpu_fallback.py", "service/health.py", "service/link_report.py", "service/runtime.py",
    ),
}  # fmt: skip
# Commands, logs, exported files and protocols have these; no page does.
NOT_SHOWN = {
    "clock corrected by {}; {} sequences, {} of them moved now",
    "{} has answered since you opened this page",
    "Panthera uncia",
    "sequences: {}; left out: {}",
    "broker {}: no answer within {} s",
    "broker {}: no connection",
    "broker {}: no connection within {} s; is it running?",
    "({}, {}) is not on Earth",
    "no column {}",
    "{}, line {}: {}; expected Camtrap DP's deployments.csv",
    "{}: cannot be read: {}",
    "topic root {}: expected levels of letters, digits, _ and -, such as {}",
    "this trap takes every bundle: its trap.toml has no bundle_key to replace",
    "[camera] pir_pin = {}: {}",
    "[camera] pir_pin: gpiozero is not installed; pip install 'uncia[pi]'",
    "state {}: another trap works on it; systemctl status uncia-trap",
    "state {}: {}; only the service may read it: run this as root",
    "state {}: {}; only the service may write to it: run this as root",
    "not connected yet",
    "latitude and longitude are ignored: take them off the card; deployments say where a trap stands",
    "planned sleep", "probes reproduced", "proved before", "room on the card", "the bundle", "the card",
    "text/plain; version=0.0.4", 'attachment; filename="{}"', 'attachment; filename="{}.csv"',
    "too many connections", "cannot be read: ", "the broker closed the connection",
    "0 while nothing can be stored", "1 when silent beyond its rhythm", "1 when subscribed",
    "Batches not stored at once", "Chunks of unfinished frames", "Events that show the animal",
    "Messages not taken in, unacknowledged", "Since a trap was heard", "What arrived, by kind; faults by trap",
    "private, max-age=604800, immutable", "geolocation=(), camera=(), microphone=()",
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "[http] certificate {}: {}",
    "bundle_key {}: {}; expected a PEM file with a public key", "statement about keys: {}",
    "statement about keys {}: expected the next one, {}", "expected an Ed25519 key, got {}",
    "no camera: {}: {}",  # told apart from "no camera: {}" in `FOREIGN`
}  # fmt: skip
# Sentences of the system, SQLite, msgspec and Starlette inside ours, two of ours combined, and short ones.
FOREIGN = {
    *map(os.strerror, (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES, errno.ENOENT, errno.ENODEV, errno.EDQUOT)),
    *map(os.strerror, (errno.ESTALE, errno.EHOSTDOWN, errno.ENOTCONN)),
    "database is locked", "database or disk is full", "attempt to write a readonly database", "disk I/O error",
    "database disk image is malformed", "unable to open database file",
    "[Errno {}] {}", "[Errno {}] {}: {}",
    "{}: Object missing required field `{}`", "{}: Object missing required field `{}` - at `{}`",
    "{}: Object contains unknown field `{}`", "{}: Object contains unknown field `{}` - at `{}`",
    "{}: Expected `{}`, got `{}`", "{}: Expected `{}`, got `{}` - at `{}`", "{}: Expected `{}` - at `{}`",
    "{}: Expected `{}` matching regex {} - at `{}`", "{}: Expected `{}` of length {} - at `{}`",
    "{}: Invalid enum value {} - at `{}`", "{}: Invalid value {} - at `{}`",
    "{}: JSON is malformed: {}", "{}: Input data was truncated",
    "no TFLite runtime: expected {}; install it with pip install 'uncia[edge]'",
    "{}: {} codec can't decode byte {} in position {}: {}",
    "{}.uncia: {}", "{} bytes, expected at most {}", "cannot be read ({}); expected a .uncia bundle",
    "Too many files. Maximum number of files is {}.", "Too many fields. Maximum number of fields is {}.",
    "Missing boundary in multipart.", "Invalid multipart data.",
    # Of refused messages that release 0.1 and earlier versions stored.
    "record of trap {} on the topic of {}: a trap speaks for itself", "{}: nobody asked",
    "state of trap {} on the topic of {}: a trap speaks for itself",
    "camera folder is away", "bundle refused: /{}: {}", "no camera: /{}: {}",
    "no such folder; expected the one that the camera writes into",
    "delegate {}: {}", "score {}: expected 0 to 1",
    "{} V", "{}° N", "{}° S", "{}° E", "{}° W",
}  # fmt: skip
DESCRIPTION = "Event-level rows hold"  # of an exported package
TWO_WORDS = re.compile(r"[A-Za-z]{2,}\W* [a-z]{2,}|[a-z]{3,}: ")


def english_in(texts: Iterable[str]) -> list[str]:
    """The texts that have two English words side by side, outside of quotes and parentheses."""
    return [text for text in texts if re.search(r"[A-Za-z]{2,},? [a-z]{2,}", re.sub(r"'.*?'|`.*?`|\(.*?\)", "", text))]


def sentences() -> set[str]:
    """The skeletons of all sentences."""
    paths = [path for folder, names in WRITERS.items() for name in names for path in (ROOT / folder).glob(name)]
    found = {_skeleton(node) for path in paths for node in _texts(ast.parse(path.read_text(encoding="utf-8")))}
    return {text for text in found if TWO_WORDS.search(text) and not text.startswith(DESCRIPTION)} - NOT_SHOWN | FOREIGN


def _skeleton(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def _texts(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts below a node, except docstrings and log entries."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).split(".")[0] in ("_log", "log"):
            continue
        if isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Constant) and isinstance(child.value, str)):
            yield child
        else:
            yield from _texts(child)
