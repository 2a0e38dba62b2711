"""Which values hang on a graph that a backward has consumed, on which path."""

from detachlint.tracking.consumption import Consumption, carried, comes_from_before
from detachlint.tracking.environment import State, join_states
from detachlint.tracking.values import CLEAR, Carry, Container, Grad, Lineage, Tensor, Tuple

H, C = (1, "h"), (1, "c")
FROM_BEFORE = Carry(spent=True, name="h")


def made(*parents, opaque=False):
    return Lineage(7, parents, tracks=True, opaque=opaque)


def tensor(lineage):
    return Tensor(Grad.TRACKS, lineage=lineage)


def state(h, spent=()):
    found = State()
    found.cells[H] = h
    found.spent = dict.fromkeys(spent, True)
    return found


def test_a_value_is_consumed_with_what_it_was_made_of():
    old = made()
    assert Consumption({old: True}).of(tensor(made(old)))
    assert not Consumption({old: False}).of(tensor(made(old)))


def test_code_out_of_sight_may_have_cut_the_graph():
    old = made()
    assert not Consumption({old: True}).of(tensor(made(old, opaque=True)))


def test_one_item_of_a_pair_is_enough():
    old = made()
    assert Consumption({old: True}).of(Tuple((CLEAR, tensor(old))))


def test_what_was_carried_over_is_consumed_unless_only_this_iteration_is_asked_about():
    value = carried(tensor(made()), FROM_BEFORE)
    assert Consumption({}).of(value)
    assert not Consumption({}, marks=False).of(value)
    assert comes_from_before(value)


def test_a_state_that_is_whole_on_each_path_stays_whole():
    graph = made()
    cut, waiting = state(CLEAR, spent=[graph]), state(tensor(graph))
    joined = join_states(cut, waiting)
    assert joined is not None
    assert not Consumption(joined.spent).of(joined.cells[H])


def test_a_state_that_is_consumed_on_one_path_is_consumed():
    graph = made()
    kept, waiting = state(tensor(graph), spent=[graph]), state(tensor(graph))
    joined = join_states(kept, waiting)
    assert joined is not None
    assert Consumption(joined.spent).of(joined.cells[H])


def test_a_later_backward_consumes_what_was_whole():
    graph = made()
    joined = join_states(state(CLEAR, spent=[graph]), state(tensor(graph)))
    assert joined is not None
    mark = joined.cells[H].lineage
    assert Consumption({**joined.spent, mark: True}).of(joined.cells[H])


def test_the_same_condition_brings_back_what_was_spent_on_its_side():
    graph = made()
    joined = join_states(state(tensor(graph), spent=[graph]), state(tensor(graph)), "train")
    assert joined is not None
    otherwise = joined.copy()
    joined.assume("train", outcome=True)
    otherwise.assume("train", outcome=False)
    assert graph in joined.spent
    assert graph not in otherwise.spent


def test_a_list_that_nothing_leads_to_is_not_consumed():
    graph, site = made(), 5
    emptied, waiting = State(), State()
    for each in (emptied, waiting):
        each.born[site] = 1
        each.cells[site, "[*]"] = tensor(graph)
    emptied.cells[C] = Container((6,))
    emptied.spent[graph] = True
    waiting.cells[C] = Container((site,))
    joined = join_states(emptied, waiting)
    assert joined is not None
    assert not Consumption(joined.spent).of(joined.cells[site, "[*]"])
