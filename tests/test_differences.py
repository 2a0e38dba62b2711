"""Differences lead from one text to another, and touch nothing that stays."""

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from detachlint.differences import Change, differences

LINES = st.lists(st.sampled_from(["a\n", "b\n", "aba\n", "ab b\r\n", "\n", "x", "\u2028\n"]), max_size=8).map(
    "".join
)


def applied(text: str, changes: list[Change]) -> str:
    for change in reversed(changes):
        text = text[: change.start] + change.text + text[change.end :]
    return text


@given(LINES, LINES)
def test_they_lead_from_one_text_to_the_other(old: str, new: str) -> None:
    changes = differences(old, new)
    assert applied(old, changes) == new
    assert all(first.end <= second.start for first, second in pairwise(changes))


def test_they_are_as_small_as_people_would_make_them() -> None:
    assert differences("x = 1\ny = f(a)\n", "x = 1\ny = f(a.detach())\n") == [Change(13, 13, ".detach()")]
    assert differences("a\nb\nc\n", "a\nc\n") == [Change(2, 4, "")]
    assert differences("a\nb\n", "a\nb\n") == []


def test_long_texts_of_equal_lines_take_no_time() -> None:
    begun = time.process_time()
    many = "x = 1\n" * 30_000
    assert (
        applied(many, differences(many, "y\n" + many + "z\n" + "x = 1\n" * 3000))
        == "y\n" + many + "z\n" + "x = 1\n" * 3000
    )
    long = "x = " + "a" * 500_000
    assert applied(long, differences(long, long[:-1] + ".b()")) == long[:-1] + ".b()"
    assert time.process_time() - begun < 3
