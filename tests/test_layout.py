"""Files of tests have names of their own: pytest imports them without their folders, and takes the first of a name."""

from collections import Counter
from pathlib import Path


def test_no_two_files_of_tests_have_one_name():
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, number in names.items() if number > 1] == []
