"""Grad mode in every form: what is made under it, what is asked of it, and what looks like a mode and is none."""

import pytest
from programs import cases, check

# `#! numpy` stands where torch raises: a tensor that tracks, asked while grad mode is on.
OFF = cases("""
=== no_grad block
with torch.no_grad():
    y = net(x)
y.numpy()
=== no_grad block through the alias
from torch import no_grad
with no_grad():
    y = net(x)
y.numpy()
=== no_grad object in a name
off = torch.no_grad()
with off:
    y = net(x)
y.numpy()
=== no_grad of torch.autograd
with torch.autograd.no_grad():
    y = net(x)
y.numpy()
=== inference_mode block
with torch.inference_mode():
    y = net(x)
y.numpy()
=== inference_mode(True)
with torch.inference_mode(mode=True):
    y = net(x)
y.numpy()
=== inference_mode(False) is no mode
with torch.inference_mode(False):
    y = net(x)
y.numpy()  #! numpy
=== set_grad_enabled(False) block
with torch.set_grad_enabled(False):
    y = net(x)
y.numpy()
=== set_grad_enabled(mode=False) block
with torch.set_grad_enabled(mode=False):
    y = net(x)
y.numpy()
=== set_grad_enabled(True) block
with torch.set_grad_enabled(True):
    y = net(x)
y.numpy()  #! numpy
=== set_grad_enabled(variable) may be on
def f(train):
    with torch.set_grad_enabled(train):
        y = net(x)
    return y.numpy()  #! numpy
=== it is off where the phase is another one
def f(phase, y):
    with torch.set_grad_enabled(phase == "train"):
        out = net(y)
        if phase == "val":
            net(y).numpy()
        if phase != "train":
            net(y).numpy()
        else:
            net(y).numpy()  #! numpy
        if phase == "train":
            net(y).numpy()  #! numpy
        phase = next(y)
        if phase == "val":
            net(y).numpy()  #! numpy
=== as a statement, and by a flag
def f(training, y):
    torch.set_grad_enabled(training)
    if not training:
        net(y).numpy()
    net(y).numpy()  #! numpy
=== set_grad_enabled(phase == "train") may be on
def f(phase):
    with torch.set_grad_enabled(phase == "train"):
        y = net(x)
        y.numpy()  #! numpy
=== no_grad() or no context at all, by a flag: whoever asks for numbers may have asked for the mode too
def f(quiet):
    with torch.no_grad() if quiet else contextlib.nullcontext():
        y = net(x)
        y.numpy()
=== no context at all or no_grad(), made before the block
def f(learn):
    if learn:
        mode = contextlib.nullcontext()
    else:
        mode = torch.no_grad()
    with mode:
        y = net(x)
    return y.numpy()
=== no_grad() by a flag that this program never raises
def f(quiet=False):
    with torch.no_grad() if quiet else contextlib.nullcontext():
        return net(x)
f(quiet=False).numpy()  #! numpy
=== no_grad() by a flag that this program always raises
def f(quiet):
    with torch.no_grad() if quiet else contextlib.nullcontext():
        return net(x)
f(True).numpy()
=== no_grad() or enable_grad(), by a flag: one of two modes may be on
def f(learn):
    with torch.enable_grad() if learn else torch.no_grad():
        y = net(x)
    return y.numpy()  #! numpy
=== set_grad_enabled(variable), and the same variable asked | a mode by a variable is not tied to the variable
def f(loader, train):
    with torch.set_grad_enabled(train):
        for a in loader:
            y = net(a)
            if train:
                y.sum().backward()
            else:
                y.numpy()
=== set_grad_enabled(phase == "train"), and the phase asked | a mode by a variable is not tied to the variable
def f(loader, phase):
    for a in loader:
        with torch.set_grad_enabled(phase == "train"):
            y = net(a)
            if phase == "train":
                y.sum().backward()
        if phase == "val":
            y.numpy()
=== set_grad_enabled statement
torch.set_grad_enabled(False)
y = net(x)
y.numpy()
=== set_grad_enabled statement, on again
torch.set_grad_enabled(False)
y = net(x)
torch.set_grad_enabled(True)
z = net(x)
y.numpy()
z.numpy()  #! numpy
=== set_grad_enabled statement in a function lasts | a callee's set_grad_enabled ends with the call
def setup():
    torch.set_grad_enabled(False)
setup()
y = net(x)
y.numpy()
=== set_grad_enabled statement at the top of a script holds in its functions
torch.set_grad_enabled(False)
def main():
    y = net(x)
    return y.numpy()
main()
=== bare no_grad statement does nothing
torch.no_grad()
y = net(x)
y.numpy()  #! numpy
=== enable_grad inside
with torch.no_grad():
    with torch.enable_grad():
        y = net(x)
    z = net(x)
y.numpy()  #! numpy
z.numpy()
=== enable_grad inside inference_mode does not help
with torch.inference_mode():
    with torch.enable_grad():
        y = net(x)
y.numpy()
=== no_grad inside enable_grad
with torch.enable_grad():
    with torch.no_grad():
        y = net(x)
y.numpy()
=== two items, the later counts
with torch.enable_grad(), torch.no_grad():
    y = net(x)
y.numpy()
=== next to another context
with torch.no_grad(), torch.autocast("cpu"):
    y = net(x)
y.numpy()
=== autocast is no mode
with torch.autocast("cpu"):
    y = net(x)
y.numpy()  #! numpy
=== conditional context
def f(train):
    with torch.enable_grad() if train else torch.no_grad():
        y = net(x)
    return y.numpy()  #! numpy
=== conditional context, nullcontext
def f(train):
    context = contextlib.nullcontext() if train else torch.no_grad()
    with context:
        y = net(x)
    return y.numpy()
=== exit stack | ExitStack.enter_context is not followed
with contextlib.ExitStack() as stack:
    stack.enter_context(torch.no_grad())
    y = net(x)
    y.numpy()
=== decorator
@torch.no_grad()
def f():
    return net(x)
f().numpy()
=== decorator without parentheses
@torch.no_grad
def f():
    return net(x)
f().numpy()
=== inference_mode decorator
@torch.inference_mode()
def f():
    y = net(x)
    return y.numpy()
=== inference_mode decorator without parentheses
@torch.inference_mode
def f():
    return net(x)
f().numpy()
=== set_grad_enabled decorator
@torch.set_grad_enabled(False)
def f():
    return net(x)
f().numpy()
=== enable_grad decorator under no_grad
@torch.enable_grad()
def f():
    return net(x)
with torch.no_grad():
    y = f()
y.numpy()  #! numpy
=== decorator on a method
class Trainer:
    @torch.no_grad()
    def run(self):
        y = net(x)
        return y.numpy()
=== decorator under another decorator
@functools.lru_cache
@torch.no_grad()
def f():
    return net(x)
f().numpy()
=== decorator on forward
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    @torch.no_grad()
    def forward(self, x):
        return self.fc(x)
Net()(x).numpy()
=== decorator on a generator
@torch.no_grad()
def f():
    yield net(x)
for y in f():
    y.numpy()
=== a generator suspended under no_grad leaves the mode to its caller
def f():
    with torch.no_grad():
        for _ in range(3):
            yield net(x)
for y in f():
    net(y).numpy()
for i, y in enumerate(f()):
    net(y).numpy()
    break
net(x).numpy()  #! numpy
=== a decorated generator does not
@torch.no_grad()
def f():
    yield net(x)
for y in f():
    net(y).numpy()  #! numpy
=== a generator that is suspended under no_grad sometimes
def f(quick):
    with torch.no_grad():
        yield net(x)
    yield net(x)
for y in f(True):
    y.numpy()  #! numpy
=== decorator on an async def does nothing
@torch.no_grad()
async def f():
    y = net(x)
    return y.numpy()  #! numpy
=== decorator on a class wraps its init alone
@torch.no_grad()
class Runner:
    def run(self):
        return net(x).numpy()  #! numpy
=== no_grad called on a function
f = torch.no_grad()(lambda: net(x))
f().numpy()
=== no_grad called on a method
class Trainer:
    def run(self):
        return net(x)
run = torch.no_grad()(Trainer().run)
run().numpy()
=== no_grad called on a function of arguments, and what runs after it
f = torch.no_grad()(lambda a, scale=1: net(a) * scale)
f(x, scale=2).numpy()
net(x).numpy()  #! numpy
=== no_grad called on a class wraps the making alone
class Runner:
    def run(self):
        return net(x)
torch.no_grad()(Runner)().run().numpy()  #! numpy
=== enable_grad called on a function under no_grad
f = torch.enable_grad()(lambda: net(x))
with torch.no_grad():
    y = f()
y.numpy()  #! numpy
=== a function that enables grad, called in inference mode
@torch.enable_grad()
def f():
    return net(x)
with torch.inference_mode():
    y = f()
y.numpy()
net(x).numpy()  #! numpy
=== every caller is in inference mode or under no_grad
def f():
    return net(x).numpy()
with torch.inference_mode():
    f()
with torch.no_grad():
    f()
=== inference mode or no_grad, on two paths
def g(flag):
    if flag:
        torch.set_grad_enabled(False)
    else:
        torch.set_grad_enabled(False)
    return net(x).numpy()
=== a thread started under no_grad tracks, its starter does not
import threading
def work():
    net(x).numpy()  #! numpy
with torch.no_grad():
    threading.Thread(target=work).start()
    net(x).numpy()
=== own context manager
@contextlib.contextmanager
def evaluating(model):
    model.eval()
    with torch.no_grad():
        yield
    model.train()
with evaluating(net):
    y = net(x)
y.numpy()
=== own context manager that hands out a module
@contextlib.contextmanager
def evaluating(model):
    with torch.no_grad():
        yield model
with evaluating(net) as model:
    y = model(x)
y.numpy()
=== own context manager that is no mode
@contextlib.contextmanager
def timed():
    yield
with timed():
    y = net(x)
y.numpy()  #! numpy
=== own context manager that is no mode, as a decorator
@contextlib.contextmanager
def timed():
    yield
@timed()
def forward(x):
    return net(x)
with torch.no_grad():
    y = forward(x)
y.numpy()
z = forward(x)
z.numpy()  #! numpy
=== own context manager that switches off, as a decorator
@contextlib.contextmanager
def evaluating():
    with torch.no_grad():
        yield
@evaluating()
def forward(x):
    return net(x)
forward(x).numpy()
=== own context manager class | set_grad_enabled in an own `__enter__` is lost
class Evaluating:
    def __enter__(self):
        self.before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
    def __exit__(self, *error):
        torch.set_grad_enabled(self.before)
with Evaluating():
    y = net(x)
y.numpy()
=== own decorator
def evaluating(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with torch.no_grad():
            return function(*args, **kwargs)
    return wrapper
@evaluating
def f():
    return net(x)
f().numpy()
=== own decorator, its body is under no_grad too
def evaluating(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with torch.no_grad():
            return function(*args, **kwargs)
    return wrapper
@evaluating
def f():
    return net(x).numpy()
=== break out of a block
for _ in range(3):
    with torch.no_grad():
        y = net(x)
        break
z = net(x)
y.numpy()
z.numpy()  #! numpy
=== continue out of a block
for _ in range(3):
    z = net(x)
    z.numpy()  #! numpy
    with torch.no_grad():
        if x.sum() > 0:
            continue
=== return out of a block
def f():
    with torch.no_grad():
        return net(x)
f().numpy()
net(x).numpy()  #! numpy
=== return out of a block on one path
def f(flag):
    with torch.no_grad():
        if flag:
            return net(x)
    return net(x)
f(len(x)).numpy()  #! numpy
=== raise out of a block
try:
    with torch.no_grad():
        raise ValueError
except ValueError:
    net(x).numpy()  #! numpy
=== exception inside a block
try:
    with torch.no_grad():
        y = net(x)
        print("risky")
except ValueError:
    y = x
z = net(x)
y.numpy()
z.numpy()  #! numpy
=== mode of a called function ends with it
@torch.no_grad()
def f():
    return net(x)
f()
net(x).numpy()  #! numpy
=== every caller is under no_grad
def f():
    return net(x).numpy()
def g():
    with torch.no_grad():
        return f()
=== one caller is not
def f():
    return net(x).numpy()  #! numpy
def g():
    with torch.no_grad():
        return f()
def h():
    return f()
=== method of which every caller is under no_grad
class Trainer:
    def step(self):
        return net(x).numpy()
    @torch.no_grad()
    def run(self):
        return self.step()
=== is_grad_enabled
def f():
    y = net(x)
    if not torch.is_grad_enabled():
        return y.numpy()
    return y.numpy()  #! numpy
=== lambda under no_grad runs later
with torch.no_grad():
    f = lambda: net(x)
f().numpy()  #! numpy
=== function defined under no_grad runs later
with torch.no_grad():
    def f():
        return net(x)
f().numpy()  #! numpy
=== generator expression under no_grad
with torch.no_grad():
    rows = [net(x) for _ in range(3)]
rows[0].numpy()
=== lightning's validation step
import lightning.pytorch as pl
class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def validation_step(self, batch, index):
        return self.fc(batch).cpu().numpy()
    def training_step(self, batch, index):
        y = self.fc(batch)
        y.numpy()  #! numpy
        return y.sum()
""")

AT_THE_SINK = cases("""
=== numpy of a tracking tensor under no_grad
y = net(x)
with torch.no_grad():
    y.numpy()
    np.asarray(y)
y.numpy()  #! numpy
=== numpy of a parameter under no_grad
with torch.no_grad():
    net.weight.numpy()
net.weight.numpy()  #! numpy
=== a view under no_grad stays tracked
y = net(x)
with torch.no_grad():
    z = y.view(-1)
z.numpy()  #! numpy
=== an item under no_grad stays tracked
y = net(x)
with torch.no_grad():
    z = y[0]
z.numpy()  #! numpy
=== a move under no_grad stays tracked
y = net(x)
with torch.no_grad():
    z = y.cpu()
z.numpy()  #! numpy
=== float, squeeze, T under no_grad stay tracked
y = net(x)
with torch.no_grad():
    a, b, c = y.float(), y.squeeze(), y.T
a.numpy()  #! numpy
b.numpy()  #! numpy
c.numpy()  #! numpy
=== arithmetic under no_grad is free
y = net(x)
with torch.no_grad():
    a, b, c = y * 1, y.clone(), y.softmax(-1)
a.numpy()
b.numpy()
c.numpy()
=== a loss made under no_grad is free
y = net(x)
with torch.no_grad():
    loss = F.mse_loss(y, x)
loss.numpy()
=== deepcopy under no_grad raises
y = net(x)
with torch.no_grad():
    copy.deepcopy(y)  #! copy
=== a list under no_grad keeps the graph
def f(loader):
    kept = []
    for batch in loader:
        y = net(batch)
        y.sum().backward()
        with torch.no_grad():
            kept.append(y)  #! collect
    return kept
=== a sum under no_grad keeps none
def f(loader):
    total = 0
    for batch in loader:
        loss = net(batch).sum()
        loss.backward()
        with torch.no_grad():
            total += loss
    return total
=== a tensor that requires grad, made under no_grad
with torch.no_grad():
    w = torch.zeros(3, requires_grad=True)
    p = nn.Parameter(torch.zeros(3))
w.numpy()  #! numpy
p.numpy()  #! numpy
=== a module made under no_grad is trainable
with torch.no_grad():
    inner = nn.Linear(4, 4)
inner(x).numpy()  #! numpy
=== in place under no_grad
y = torch.zeros(2, 4)
z = net(x)
with torch.no_grad():
    y.copy_(z)
    y += z
y.numpy()
""")


@pytest.mark.parametrize("body", OFF)
def test_forms_of_grad_mode(body):
    check(body)


@pytest.mark.parametrize("body", AT_THE_SINK)
def test_the_mode_where_it_is_asked(body):
    check(body)
