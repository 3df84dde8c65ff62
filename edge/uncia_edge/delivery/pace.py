"""Delivery's patience: how long it waits for what, and how much it works on at once."""

from dataclasses import dataclass, field

from uncia_edge.delivery.send_window import Limits


@dataclass(frozen=True)
class Pace:
    """Delivery's patience, in seconds, and how many sequences it works on at once.

    `asking` bounds the records whose receipt is awaited, `sending` the sequences whose frames flow.
    """

    limits: Limits = field(default_factory=Limits)
    asking: int = 32
    sending: int = 4
    receipt_timeout_s: float = 20.0
    receipt_patience_s: float = 3600.0
    puback_timeout_s: float = 240.0
    retry_first_s: float = 1.0
    retry_most_s: float = 120.0
    historical_after_s: float = 60.0
    release_parked_s: float = 6 * 3600.0
    strikes: int = 5
