"""Word error rates: numbers count the same in words and in digits."""

import re
from collections.abc import Sequence

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen""".split()  # noqa: SIM905 - shorter than twenty lines
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def words(text: str) -> list[str]:
    """Returns the words of a text without case, punctuation and ways to write numbers."""
    text = re.sub(r"(\d)\.(\d)", r"\1 point \2", text.lower())
    text = re.sub(r"\d+", lambda match: _number(int(match[0])), text)
    text = re.sub(r"[^a-z']+", " ", text)
    return text.replace("hundred and", "hundred").split()


def errors(said: Sequence[str], understood: Sequence[str]) -> int:
    """Returns how many words have to be changed, left out or put in."""
    row = list(range(len(understood) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[0], number
        for at, other in enumerate(understood, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (word != other))
    return row[-1]


def _number(value: int) -> str:
    if value < len(_ONES):
        return _ONES[value]
    if value < 100:
        tens, ones = divmod(value, 10)
        return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        return f"{_ONES[hundreds]} hundred" + (f" {_number(rest)}" if rest else "")
    return " ".join(_ONES[int(digit)] for digit in str(value))
