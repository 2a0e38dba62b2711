"""The tracker's recursion does not map and unmap memory at each step."""

import pytest

from detachlint.tracking.room import with_room

resource = pytest.importorskip("resource", reason="page faults are counted on Unix only")


def up_and_down(depth: int, times: int) -> int:
    """Calls `times` functions at this depth, and at all depths above it."""
    if depth == 0:
        return 0
    for _ in range(times):
        up_and_down(0, 0)
    return 1 + up_and_down(depth - 1, times)


def faults_of(function) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    function()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_calls_across_the_end_of_a_chunk_cost_nothing():
    def climb() -> int:
        return up_and_down(400, 500)

    with_room(climb)
    assert faults_of(lambda: with_room(climb)) < 450  # 1,500 without room: three chunks end here


def test_it_gives_what_the_function_gives():
    assert with_room(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        with_room(lambda: 1 // 0)
