"""A person's answer to a sequence: one observation or several, and the values that are allowed in them.

Field names and values are those of Camtrap DP; `certainty` is uncia's own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uncia_collector.observations.checklist import LABEL
from uncia_contract.errors import DataError

SEXES = ("female", "male")
LIFE_STAGES = ("adult", "subadult", "juvenile")
CERTAINTIES = ("certain", "probable", "possible")
MOST_COUNTED, LONGEST_NOTE, MOST_OBSERVATIONS = 999, 1000, 10
_WORDS = {"sex": SEXES, "life_stage": LIFE_STAGES, "certainty": CERTAINTIES}


@dataclass(frozen=True)
class Observation:
    """One observation. `name` is the person's word for what the sequence shows; None if the person gave no name."""

    name: str | None = None
    count: int | None = None
    sex: str = ""
    life_stage: str = ""
    certainty: str = ""
    note: str = ""

    @classmethod
    def from_form(cls, name: str | None, form: Mapping[str, str], end: str = "") -> "Observation":
        """The observation in a form's fields `count`, `sex`, ..., whose names end in `end`.

        Raises:
            DataError: a value is not allowed.
        """
        number = form.get(f"count{end}", "").strip()
        if number and not re.fullmatch(r"\d{1,9}", number):
            raise DataError(f"count {number[:20]!r}: expected 1 to {MOST_COUNTED}, or nothing")
        sex, stage, certainty, note = (form.get(f"{word}{end}", "").strip() for word in (*_WORDS, "note"))
        return cls(name, int(number) if number else None, sex, stage, certainty, note).checked()

    def checked(self) -> "Observation":
        """Return this observation if all its values are allowed.

        Raises:
            DataError: a value is not allowed.
        """
        if self.name is not None and not re.fullmatch(LABEL, self.name):
            raise DataError(f"label {self.name[:80]!r}: expected 1 to 80 letters, digits, spaces and _ . ' ( ) / -")
        if self.count is not None and not 1 <= self.count <= MOST_COUNTED:
            raise DataError(f"count {self.count}: expected 1 to {MOST_COUNTED}, or nothing")
        for word, known in _WORDS.items():
            if (value := getattr(self, word)) and value not in known:
                raise DataError(f"{word} {value[:20]!r}: expected one of {', '.join(known)}, or nothing")
        if len(self.note) > LONGEST_NOTE or "\0" in self.note:
            raise DataError(f"note of {len(self.note)} characters: expected at most {LONGEST_NOTE}, none of them NUL")
        return self


def answer_of_form(form: Mapping[str, str]) -> list[Observation]:
    """The observations of a form: `label`, `count`, ... and, for more, `label-2`, `count-2`, ...

    Raises:
        DataError: a value is not allowed.
    """
    ends = ["", *(f"-{n}" for n in range(2, MOST_OBSERVATIONS + 1))]
    return [Observation.from_form(name.strip(), form, end) for end in ends if (name := form.get(f"label{end}"))]


def checked_answer(observations: Sequence[Observation]) -> list[Observation]:
    """Return these observations as a list if they are a valid answer.

    Raises:
        DataError: there are none or too many, or a value is not allowed.
    """
    if not 1 <= len(observations) <= MOST_OBSERVATIONS:
        raise DataError(f"an answer of {len(observations)} observations: expected 1 to {MOST_OBSERVATIONS}")
    return [one.checked() for one in observations]
