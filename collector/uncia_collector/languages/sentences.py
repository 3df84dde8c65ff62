"""English sentences with values in them, translated: errors, why a message was refused, what a trap says of itself.

Decides: #1 a message with the context `said` in a catalogue is such a sentence; `%(name)s` stands for a value. The
English sentence is matched against them, because traps and earlier releases wrote it; #2 of several that match, the
one with the longest beginning, then the one with the most text; #3 the value `why` is a sentence itself and `words` a
list of words: they are translated, too.
"""

import re
from dataclasses import dataclass

from babel.messages.catalog import Catalog, Message

CONTEXT = "said"
_VALUE = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Sentence:
    """`pattern` matches the English sentence and finds its values; `translation` takes them in."""

    pattern: re.Pattern[str]
    translation: str


def sentences(catalogue: Catalog) -> tuple[Sentence, ...]:
    """Those of a catalogue, in the order in which they are tried (#2)."""
    said = [message for message in catalogue if message.context == CONTEXT and message.string]
    return tuple(map(_sentence, sorted(said, key=_own_text, reverse=True)))


def _own_text(message: Message) -> tuple[int, int]:
    """How long its beginning is, and all of its text without the values."""
    first, *rest = _VALUE.split(str(message.id))
    return len(first), sum(map(len, rest[1::2]))


def _sentence(message: Message) -> Sentence:
    """A value ends where the text after it begins; no backtracking, because a trap may write what it likes."""
    first, *rest = _VALUE.split(str(message.id))
    *values, (last, end) = zip(rest[::2], map(re.escape, rest[1::2]), strict=True)
    between = "".join(f"(?>(?P<{name}>.*?){text})" for name, text in values)
    pattern = f"{re.escape(first)}{between}(?P<{last}>.*){end}"
    return Sentence(re.compile(pattern, re.DOTALL), str(message.string))
