"""Decides which sightings are sent on which channel, and when: the rules of `[[alerts.rules]]`.

One matching rule is enough to send a sighting on a channel; without rules, every channel gets every sighting. Hours and
quiet hours are in station time; 22:00-06:00 passes midnight.
"""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from uncia_collector.settings import AlertRule
from uncia_contract.messages.records import camera_name

_SAID_TO_SHOW_IT = ("confirmed", "relabelled")


def told_now(rules: Sequence[AlertRule], channel: str, row: Any, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the rules send a sequence (a row of `sequences`) on a channel now."""
    if not rules:
        return True
    of_channel = (rule for rule in rules if not rule.channels or channel in rule.channels)
    return any(_matches(rule, row, zone) and not _within(rule.quiet, now, zone) for rule in of_channel)


def _matches(rule: AlertRule, row: Any, zone: ZoneInfo) -> bool:
    return (
        (not rule.labels or not {row.called, *row.also_called}.isdisjoint(rule.labels))
        and (not rule.traps or not {row.trap, camera_name(row.trap, row.camera)}.isdisjoint(rule.traps))
        and row.confidence >= rule.min_score
        and (not rule.hours or _within(rule.hours, row.started_at, zone))
        and {"any": True, "yes": row.review in _SAID_TO_SHOW_IT, "no": row.review == "open"}[rule.confirmed]
    )


def _within(hours: str, moment: datetime, zone: ZoneInfo) -> bool:
    """Whether a moment lies within "HH:MM-HH:MM"; never within an empty text."""
    if not hours:
        return False
    start, end = map(time.fromisoformat, hours.split("-"))
    at = moment.astimezone(zone).time()
    return start <= at < end if start <= end else at >= start or at < end
