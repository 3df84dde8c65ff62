"""Translates English sentences with values in them: errors, reasons of refusals, problems that traps report.

Decides:
#1 A catalogue's message with the context `said` is such a sentence; `%(name)s` is the place of a value. A whole English
   sentence is matched against these messages, because traps and earlier releases send only the finished sentence.
#2 If several messages match, the one with the longest beginning is used, then the one with the most text.
#3 The value `why` is a sentence itself, and `words` a list of words: both are translated, too.
"""

import re
from dataclasses import dataclass

from babel.messages.catalog import Catalog, Message

CONTEXT = "said"
_VALUE = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Sentence:
    """`pattern` matches the English sentence and has a group for each value; `translation` has their names."""

    pattern: re.Pattern[str]
    translation: str


def sentences(catalogue: Catalog) -> tuple[Sentence, ...]:
    """The sentences of a catalogue, in the order in which they are tried (#2)."""
    said = [message for message in catalogue if message.context == CONTEXT and message.string]
    return tuple(map(_sentence, sorted(said, key=_own_text, reverse=True)))


def _own_text(message: Message) -> tuple[int, int]:
    """The lengths of the text before the first value, and of the text after it without the other values."""
    first, *rest = _VALUE.split(str(message.id))
    return len(first), sum(map(len, rest[1::2]))


def _sentence(message: Message) -> Sentence:
    """The pattern of a message: a value ends where the next text begins.

    The pattern does not backtrack: the sentence may come from a trap, and a hostile one must not cost time.
    """
    first, *rest = _VALUE.split(str(message.id))
    *values, (last, end) = zip(rest[::2], map(re.escape, rest[1::2]), strict=True)
    between = "".join(f"(?>(?P<{name}>.*?){text})" for name, text in values)
    pattern = f"{re.escape(first)}{between}(?P<{last}>.*){end}"
    return Sentence(re.compile(pattern, re.DOTALL), str(message.string))
