"""Where values live, and the numbers that name it."""

import ast

import pytest
from programs import cases, check

from detachlint.tracking.places import Keys, attribute, element, is_item, item


def test_places_of_one_base_differ():
    places = {attribute(1, "x"), item(1, "x"), item(1, 0), item(1, "0"), element(1), (1, "x")}
    assert len(places) == 6


def test_items_are_inside_of_containers():
    assert is_item(item(1, "x"))
    assert is_item(element(1))
    assert not is_item(attribute(1, "x"))
    assert not is_item((1, "x"))


def test_keys_number_things_once():
    keys, node = Keys(), ast.Name(id="x")
    first = keys("site", node, 0)
    assert keys("site", node, 0) == first
    assert len({first, keys("site", node, 1), keys("scope", node, 0), keys("site", ast.Name(id="x"), 0)}) == 4
    assert keys.thing(first) == ("site", node, 0)


# What outlives an iteration is reported when it is given a spent graph in each of them; what is made anew is not.
LIVES = cases("""
=== a name from before the loop
def f(loader):
    kept = []
    for a in loader:
        y = net(a).sum()
        y.backward()
        kept.append(y)  #! collect
=== a name made in the loop
def f(loader):
    for a in loader:
        y = net(a).sum()
        y.backward()
        kept = []
        kept.append(y)
=== a name of the outer loop
def f(loader):
    for epoch in range(3):
        kept = []
        for a in loader:
            y = net(a).sum()
            y.backward()
            kept.append(y)  #! collect
=== a name of the outer loop, used there
def f(loader):
    for epoch in range(3):
        kept = []
        y = net(loader).sum()
        y.backward()
        kept.append(y)
=== made in an earlier loop
def f(loader):
    for _ in range(3):
        kept = []
    for a in loader:
        y = net(a).sum()
        y.backward()
        kept.append(y)  #! collect
=== a total that starts anew
def f(loader):
    for epoch in range(3):
        total = 0
        for a in loader:
            y = net(a).sum()
            y.backward()
            total += y  #! add
=== a total of this iteration
def f(loader):
    for a in loader:
        total = 0
        total += net(a).sum()
        total.backward()
=== a list made by a function
def make():
    return []
def f(loader):
    kept = make()
    for a in loader:
        y = net(a).sum()
        y.backward()
        kept.append(y)  #! collect
=== a list made by a function in every iteration
def make():
    return []
def f(loader):
    for a in loader:
        kept = make()
        y = net(a).sum()
        y.backward()
        kept.append(y)
=== a function's own list
def f(a):
    kept = []
    y = net(a).sum()
    y.backward()
    kept.append(y)
    return len(kept)
=== a function's own list, called in a loop
def step(a):
    kept = []
    y = net(a).sum()
    y.backward()
    kept.append(y)
    return len(kept)
def f(loader):
    for a in loader:
        step(a)
=== an argument outlives the call
def step(a, kept):
    y = net(a).sum()
    y.backward()
    kept.append(y)  #! store
=== an argument outlives the loop that calls
def step(a, kept):
    y = net(a).sum()
    y.backward()
    kept.append(y)  #! store
def f(loader):
    kept = []
    for a in loader:
        step(a, kept)
=== an object from before the loop
class Box:
    def __init__(self):
        self.rows = []
def f(loader):
    box = Box()
    for a in loader:
        y = net(a).sum()
        y.backward()
        box.rows.append(y)  #! collect
=== an object made in the loop
class Box:
    def __init__(self):
        self.rows = []
def f(loader):
    for a in loader:
        box = Box()
        y = net(a).sum()
        y.backward()
        box.rows.append(y)
=== two objects of one class
class Box:
    def __init__(self):
        self.total = 0
    def add(self, y):
        self.total += y
def f(loader):
    first = Box()
    for a in loader:
        second = Box()
        y = net(a).sum()
        y.backward()
        first.add(y)  #! logger
        second.add(y)
=== one attribute, overwritten
class Box:
    pass
def f(loader):
    box = Box()
    for a in loader:
        y = net(a).sum()
        y.backward()
        box.last = y
=== a dict in a dict
def f(loader):
    history = {"train": {"loss": []}}
    for a in loader:
        y = net(a).sum()
        y.backward()
        history["train"]["loss"].append(y)  #! collect
=== a nonlocal total
def f(loader):
    total = 0
    def step(a):
        nonlocal total
        y = net(a).sum()
        y.backward()
        total += y  #! add
    for a in loader:
        step(a)
    return total
=== a while loop
def f(loader):
    kept, n = [], 0
    while n < 10:
        y = net(next(loader)).sum()
        y.backward()
        kept.append(y)  #! collect
        n += 1
=== a bounded deque
from collections import deque
def f(loader):
    kept = deque(maxlen=5)
    for a in loader:
        y = net(a).sum()
        y.backward()
        kept.append(y)
    return kept
=== an attribute of self
class Box:
    def __init__(self):
        self.rows = []
    def run(self, loader):
        for a in loader:
            y = net(a).sum()
            y.backward()
            self.rows.append(y)  #! collect
=== an attribute of self that starts anew
class Box:
    def step(self, a):
        self.rows = []
        y = net(a)
        self.rows.append(y)
        torch.cat(self.rows).sum().backward()
=== an attribute of self, reset
class Box:
    def run(self, loader):
        for a in loader:
            y = net(a).sum()
            y.backward()
            self.rows = []
            self.rows.append(y)
""")


@pytest.mark.parametrize("body", LIVES)
def test_what_outlives_an_iteration(body):
    check(body)
