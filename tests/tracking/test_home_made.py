"""A file that differentiates by itself says nothing of torch by calling its own `backward`."""

import pytest
from programs import told

VARIABLE = """{imports}
import numpy as np

class Variable:
    def __init__(self, held, back=None):
        self.held = held
        self.back = back

    def backward(self, slope=None, reader=None):
        self.back(slope, self)

def doubled(variables, readers):
    for variable in variables:
        slope = readers(variable)
        print(np.expand_dims(slope, -1))
        variable.backward(slope, readers)
"""


@pytest.mark.parametrize(("imports", "expected"), [("", 0), ("import torch", 1)])
def test_own_backward(imports, expected):
    assert len(told(VARIABLE.format(imports=imports))) == expected
