"""Files of one project: what stands in another file counts, and only events of the asked file are told."""

import ast
import re
import textwrap

import pytest
from programs import marked

from detachlint.models import load
from detachlint.tracking import forget, track

NETWORK = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x)
"""
CLEAN = """
def clean(y):
    return y.detach().cpu()
def pass_on(y):
    return y
"""
# Each project is a list of files; the first is the one that is asked about.
HEAD = "import torch\nimport numpy as np\nx = torch.randn(2, 4)\n"
PROJECTS = {
    "absolute": {
        "main.py": "from nets import Net\nNet()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "import of the module": {
        "main.py": "import nets\nnets.Net()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "import as": {
        "main.py": "import nets as n\nn.Net()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "from import as": {
        "main.py": "from nets import Net as Model\nModel()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "in a package": {
        "main.py": "from models.nets import Net\nNet()(x).numpy()  #! numpy",
        "models/__init__.py": "",
        "models/nets.py": NETWORK,
    },
    "dotted module": {
        "main.py": "import models.nets\nmodels.nets.Net()(x).numpy()  #! numpy",
        "models/__init__.py": "",
        "models/nets.py": NETWORK,
    },
    "in a folder without an init": {
        "main.py": "from models.nets import Net\nNet()(x).numpy()  #! numpy",
        "models/nets.py": NETWORK,
    },
    "submodule of a package": {
        "main.py": "from models import nets\nnets.Net()(x).numpy()  #! numpy",
        "models/__init__.py": "",
        "models/nets.py": NETWORK,
    },
    "re-exported by the package": {
        "main.py": "from models import Net\nNet()(x).numpy()  #! numpy",
        "models/__init__.py": "from .nets import Net",
        "models/nets.py": NETWORK,
    },
    "re-exported by a star": {
        "main.py": "from models import Net\nNet()(x).numpy()  #! numpy",
        "models/__init__.py": "from .nets import *",
        "models/nets.py": NETWORK,
    },
    "re-exported twice": {
        "main.py": "from lib import Net\nNet()(x).numpy()  #! numpy",
        "lib/__init__.py": "from .models import Net",
        "lib/models/__init__.py": "from .nets import Net",
        "lib/models/nets.py": NETWORK,
    },
    "star": {
        "main.py": "from nets import *\nNet()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "star with __all__": {
        "main.py": "from nets import *\nNet()(x).numpy()  #! numpy",
        "nets.py": '__all__ = ["Net"]\n' + NETWORK,
    },
    "relative": {
        "lib/train.py": "from .nets import Net\nNet()(x).numpy()  #! numpy",
        "lib/__init__.py": "",
        "lib/nets.py": NETWORK,
    },
    "relative module": {
        "lib/train.py": "from . import nets\nnets.Net()(x).numpy()  #! numpy",
        "lib/__init__.py": "",
        "lib/nets.py": NETWORK,
    },
    "relative, one up": {
        "lib/run/train.py": "from ..nets import Net\nNet()(x).numpy()  #! numpy",
        "lib/__init__.py": "",
        "lib/run/__init__.py": "",
        "lib/nets.py": NETWORK,
    },
    "src layout": {
        "src/lib/train.py": "from lib.nets import Net\nNet()(x).numpy()  #! numpy",
        "src/lib/__init__.py": "",
        "src/lib/nets.py": NETWORK,
    },
    "src layout, from a script": {
        "scripts/train.py": "from lib.nets import Net\nNet()(x).numpy()  #! numpy",
        "src/lib/__init__.py": "",
        "src/lib/nets.py": NETWORK,
    },
    "beside the script": {
        "tools/train.py": "from nets import Net\nNet()(x).numpy()  #! numpy",
        "tools/nets.py": NETWORK,
    },
    "import inside a function": {
        "main.py": "def f():\n    from nets import Net\n    return Net()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "import in a try": {
        "main.py": "try:\n    from nets import Net\nexcept ImportError:\n    Net = None\nNet()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "import under TYPE_CHECKING": {
        "main.py": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from nets import Net\ndef f(net: Net):\n    return net(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "an annotated argument": {
        "main.py": "from nets import Net\ndef f(net: Net):\n    return net(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "cycle": {
        "a.py": "from b import make\nclass Base:\n    pass\nmake()(x).numpy()  #! numpy",
        "b.py": "from a import Base\nfrom nets import Net\nclass Other(Base):\n    pass\ndef make():\n    return Net()",
        "nets.py": NETWORK,
    },
    "a file that imports itself": {
        "main.py": "import main\nfrom nets import Net\nNet()(x).numpy()  #! numpy",
        "nets.py": NETWORK,
    },
    "an instance of another file": {
        "main.py": "from nets import net\nnet(x).numpy()  #! numpy",
        "nets.py": NETWORK + "net = Net()",
    },
    "a factory in another file": {
        "main.py": "from nets import build\nbuild('net')(x).numpy()  #! numpy",
        "nets.py": NETWORK + "def build(name):\n    return Net()",
    },
    "a registry in another file": {
        "main.py": "from nets import MODELS\nMODELS['net']()(x).numpy()  #! numpy",
        "nets.py": NETWORK + "MODELS = {'net': Net}",
    },
    "a helper that detaches": {
        "main.py": "from nets import Net\nfrom utils import clean, pass_on\n"
        "clean(Net()(x)).numpy()\npass_on(Net()(x)).numpy()  #! numpy",
        "nets.py": NETWORK,
        "utils.py": CLEAN,
    },
    "a helper's module that detaches": {
        "main.py": "from nets import Net\nimport utils\n"
        "utils.clean(Net()(x)).numpy()\nutils.pass_on(Net()(x)).numpy()  #! numpy",
        "nets.py": NETWORK,
        "utils.py": CLEAN,
    },
    "a helper under no_grad": {
        "main.py": "from nets import Net\nfrom utils import predict\npredict(Net(), x).numpy()",
        "nets.py": NETWORK,
        "utils.py": "import torch\n@torch.no_grad()\ndef predict(net, x):\n    return net(x)",
    },
    "a helper that converts": {
        "main.py": "from nets import Net\nfrom utils import to_numpy\nto_numpy(Net()(x))  #! numpy\nto_numpy(x)",
        "nets.py": NETWORK,
        "utils.py": "def to_numpy(y):\n    return y.cpu().numpy()",
    },
    "a helper that detaches and converts": {
        "main.py": "from nets import Net\nfrom utils import to_numpy\nto_numpy(Net()(x))",
        "nets.py": NETWORK,
        "utils.py": "def to_numpy(y):\n    return y.detach().cpu().numpy()",
    },
    "a meter that keeps": {
        "main.py": """
            from nets import Net
            from meters import Meter
            net = Net()
            def f(loader):
                meter = Meter()
                for a in loader:
                    loss = net(a).sum()
                    loss.backward()
                    meter.update(loss, len(a))  #! logger
            """,
        "nets.py": NETWORK,
        "meters.py": "class Meter:\n    def __init__(self):\n        self.sum = 0\n"
        "    def update(self, value, n):\n        self.sum += value * n",
    },
    "a meter that takes the number": {
        "main.py": """
            from nets import Net
            from meters import Meter
            net = Net()
            def f(loader):
                meter = Meter()
                for a in loader:
                    loss = net(a).sum()
                    loss.backward()
                    meter.update(loss, len(a))
            """,
        "nets.py": NETWORK,
        "meters.py": "class Meter:\n    def __init__(self):\n        self.sum = 0\n"
        "    def update(self, value, n):\n        self.sum += value.item() * n",
    },
    "a step that backpropagates": {
        "main.py": """
            from steps import step
            def f(model, criterion, loader, optimizer):
                losses = []
                for a, b in loader:
                    loss = criterion(model(a), b)
                    step(loss, optimizer)
                    losses.append(loss)  #! collect
                return losses
            """,
        "steps.py": "def step(loss, optimizer):\n    loss.backward()\n    optimizer.step()",
    },
    "the base class's forward": {
        "main.py": """
            from nets import Net
            class Deep(Net):
                def __init__(self):
                    super().__init__()
                    self.name = "deep"
            Deep()(x).numpy()  #! numpy
            """,
        "nets.py": NETWORK,
    },
    "the base class's base is torch's": {
        "main.py": """
            from torch import nn
            from base import BaseModel
            class Net(BaseModel):
                def __init__(self):
                    super().__init__()
                    self.fc = nn.Linear(4, 4)
                def forward(self, x):
                    return self.fc(x)
            Net()(x).numpy()  #! numpy
            """,
        "base.py": "from torch import nn\nclass BaseModel(nn.Module):\n    pass",
    },
    "the base class detaches": {
        "main.py": """
            from trainer import Trainer
            from nets import Net
            class Mine(Trainer):
                def compute(self):
                    return Net()(x)
            Mine().result().numpy()
            """,
        "nets.py": NETWORK,
        "trainer.py": "class Trainer:\n    def result(self):\n        return self.compute().detach()",
    },
    "the base class runs it under no_grad": {
        "main.py": """
            from trainer import Trainer
            from nets import Net
            class Mine(Trainer):
                def predict(self):
                    return Net()(x).numpy()
            Mine().run()
            """,
        "nets.py": NETWORK,
        "trainer.py": "import torch\nclass Trainer:\n    @torch.no_grad()\n"
        "    def run(self):\n        return self.predict()",
    },
    "the base class holds the model": {
        "main.py": """
            from trainer import Trainer
            class Mine(Trainer):
                def show(self, a):
                    return self.model(a).numpy()  #! numpy
            """,
        "nets.py": NETWORK,
        "trainer.py": "from nets import Net\nclass Trainer:\n    def __init__(self):\n        self.model = Net()",
    },
    "events of other files are not told": {
        "main.py": "import other\nother.f()",
        "other.py": "from nets import Net\ndef f():\n    return Net()(1).numpy()",
        "nets.py": NETWORK,
    },
    "only the script's main part runs": {
        "main.py": "import other\nother.y.numpy()",
        "other.py": "import torch\nfrom nets import Net\ny = torch.zeros(3)\n"
        "if __name__ == '__main__':\n    y = Net()(y)",
        "nets.py": NETWORK,
    },
    "a module that does not parse": {
        "main.py": "from broken import Net\nfrom nets import Net as Good\nGood()(x).numpy()  #! numpy\nNet()(x).numpy()",
        "broken.py": "class Net(:",
        "nets.py": NETWORK,
    },
    "a module that is not there": {
        "main.py": "from missing import Net\nNet()(x).numpy()",
    },
    "a name that is not there": {
        "main.py": "from nets import Other\nOther()(x).numpy()",
        "nets.py": NETWORK,
    },
    "two modules of one name": {
        "lib/train.py": "from utils import clean\nfrom .nets import Net\nclean(Net()(x)).numpy()",
        "lib/__init__.py": "",
        "lib/nets.py": NETWORK,
        "lib/utils.py": "def clean(y):\n    return y",
        "utils.py": CLEAN,
    },
}
WRONG = {
    "dotted module": "`import a.b` binds `a` without its submodule",
}


def written(folder, files):
    """The project's files on disk; the path of the first."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = textwrap.dedent(text).lstrip("\n")
        future = re.match(r"from __future__ import annotations\n", body)
        head = HEAD if name == next(iter(files)) else ""
        path.write_text((future[0] + head + body[future.end() :]) if future else head + body)
    return folder / next(iter(files))


def told(folder, files, root=True):
    """What is told of the first file, and what it says itself must be told."""
    path = written(folder, files)
    source = path.read_text()
    found = track(str(path), source, ast.parse(source), load(), folder if root else None)
    lines = sorted((event.node.lineno, event.sink) for event in found)
    return lines, marked(source)


def params():
    for name in PROJECTS:
        marks = [pytest.mark.xfail(strict=True, reason=WRONG[name])] if name in WRONG else []
        yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", list(params()))
def test_projects(tmp_path, name):
    found, expected = told(tmp_path, PROJECTS[name])
    assert found == expected


def test_a_file_larger_than_memory_is_not_read(tmp_path):
    with (tmp_path / "huge.py").open("wb") as file:
        file.truncate(1 << 42)
    found, expected = told(tmp_path, PROJECTS["absolute"])
    assert found == expected


def test_without_a_root_other_files_are_not_looked_at(tmp_path):
    files = PROJECTS["absolute"]
    assert told(tmp_path, files, root=False)[0] == []


def test_nothing_outside_the_root_is_read(tmp_path):
    (tmp_path / "nets.py").write_text(NETWORK)
    inside = tmp_path / "project"
    assert told(inside, {"main.py": "from nets import Net\nNet()(x).numpy()"})[0] == []
    assert told(inside, {"lib/a.py": "from ...nets import Net\nNet()(x).numpy()"})[0] == []


def test_a_project_that_is_a_library_keeps_the_library_s_name(tmp_path):
    files = {
        "main.py": "import torch\ntorch.relu(x).numpy()",
        "torch/__init__.py": "def relu(x):\n    return x",
    }
    assert told(tmp_path, files)[0] == []


def test_an_import_is_not_run(tmp_path):
    found, _ = told(tmp_path, {"main.py": "import bad", "bad.py": "open('touched', 'w')\nraise SystemExit"})
    assert found == []
    assert not (tmp_path / "touched").exists()


def test_notes_name_the_file_in_which_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, PROJECTS["a helper that converts"])
    source = path.read_text()
    (event,) = track(str(path), source, ast.parse(source), load(), tmp_path)
    assert event.callee == "to_numpy"
    assert [note.path for note in event.notes] == ["nets.py", str(path)]
    assert [ast.unparse(node) for node in event.detach] == ["Net()(x)"]


def test_a_step_in_another_file_can_be_opened_from_where_the_command_runs(tmp_path, monkeypatch):
    """Not from the project's root: a report that is read in a folder below it would name files that are not there."""
    (tmp_path / ".git").mkdir()
    package = tmp_path / "package"
    other = tmp_path / "other"
    for folder in (package, other):
        folder.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("import torch\nw = torch.ones(3, requires_grad=True)\n")
    (package / "main.py").write_text("from package.helper import w\nprint(w.numpy())\n")
    for folder, said in (
        (tmp_path, "package/helper.py"),
        (package, "helper.py"),
        (other, str(package / "helper.py")),
    ):
        monkeypatch.chdir(folder)
        main = package / "main.py"
        text = main.read_text()
        forget()
        events = track(str(main), text, ast.parse(text), load(), tmp_path)
        assert events[0].notes[0].path == said
    forget()
