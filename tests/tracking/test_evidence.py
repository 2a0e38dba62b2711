"""What the code shows of its values: which ones track, and which ones do not although they look like it."""

import pytest
from programs import cases, check

# Nothing here names a type: what tracks is shown by what is done with it.
BACKWARD = cases("""
=== backward proves the loss
def f(model, loader, criterion):
    for a, b in loader:
        loss = criterion(model(a), b)
        loss.backward()
        loss.numpy()  #! numpy
=== backward proves the loss before it
def f(model, loader, criterion):
    for a, b in loader:
        loss = criterion(model(a), b)
        loss.numpy()  #! numpy
        loss.backward()
=== backward proves the model's output
def f(model, loader, criterion):
    for a, b in loader:
        out = model(a)
        loss = criterion(out, b)
        loss.backward()
        out.numpy()  #! numpy
=== backward says nothing of the target
def f(model, loader, criterion):
    for a, b in loader:
        loss = criterion(model(a), b)
        loss.backward()
        a.numpy()
        b.numpy()
=== a flag makes no loss function of a method that takes a batch
def f(agent, buffer):
    batch = buffer.sample()
    loss = agent.loss(batch, training=True)
    loss.backward()
    batch.numpy()
    loss.numpy()  #! numpy
=== no backward, no evidence
def f(model, loader, criterion):
    for a, b in loader:
        loss = criterion(model(a), b)
        loss.numpy()
=== no evidence across functions of one name
def f(loss):
    loss.backward()
def g(loss):
    loss.numpy()
=== evidence goes from the training loop to the evaluation of the same module
class Trainer:
    def __init__(self, model):
        self.model = model
    def train(self, loader):
        for a in loader:
            self.model(a).sum().backward()
    def evaluate(self, loader):
        for a in loader:
            self.model(a).numpy()  #! numpy
=== evidence by the optimizer goes to another method
class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters())
    def evaluate(self, loader):
        for a in loader:
            self.model(a).numpy()  #! numpy
=== evidence by the optimizer in another method
class Trainer:
    def __init__(self, model):
        self.model = model
    def train(self):
        self.optimizer = torch.optim.Adam(self.model.parameters())
    def evaluate(self, loader):
        for a in loader:
            self.model(a).numpy()  #! numpy
=== evidence goes from one call of a model to another
def f(model, a, b):
    model(a).sum().backward()
    model(b).numpy()  #! numpy
=== scaler
def f(model, loader, criterion, scaler):
    for a, b in loader:
        loss = criterion(model(a), b)
        scaler.scale(loss).backward()
        loss.numpy()  #! numpy
=== scaler of torch
def f(model, loader, criterion):
    scaler = torch.amp.GradScaler()
    for a, b in loader:
        loss = criterion(model(a), b)
        scaler.scale(loss).backward()
        scaler.step(None)
        loss.numpy()  #! numpy
=== accelerator
from accelerate import Accelerator
def f(model, loader, criterion):
    accelerator = Accelerator()
    for a, b in loader:
        loss = criterion(model(a), b)
        accelerator.backward(loss)
        loss.numpy()  #! numpy
=== accelerator as an argument
def f(model, loader, criterion, accelerator):
    for a, b in loader:
        loss = criterion(model(a), b)
        accelerator.backward(loss)
        loss.numpy()  #! numpy
=== manual backward
import lightning.pytorch as pl
class Lit(pl.LightningModule):
    def training_step(self, batch, index):
        loss = self.compute(batch)
        self.manual_backward(loss)
        loss.numpy()  #! numpy
=== engine's backward
def f(engine, loader, criterion):
    for a, b in loader:
        loss = criterion(engine(a), b)
        engine.backward(loss)
        loss.numpy()  #! numpy
=== backward with a gradient
def f(model, a):
    y = model(a)
    y.backward(torch.ones_like(y))
    y.numpy()  #! numpy
=== torch.autograd.backward
def f(model, a):
    y = model(a).sum()
    torch.autograd.backward(y)
    y.numpy()  #! numpy
=== torch.autograd.backward of several
def f(first, second, a):
    y, z = first(a).sum(), second(a).sum()
    torch.autograd.backward([y, z])
    y.numpy()  #! numpy
    z.numpy()  #! numpy
=== autograd.grad proves its outputs
def f(model, a):
    y = model(a).sum()
    torch.autograd.grad(y, model.parameters())
    y.numpy()  #! numpy
=== autograd.grad proves its inputs
def f(model, a):
    y = a * 2
    z = model(y).sum()
    torch.autograd.grad(z, y)
    y.numpy()  #! numpy
=== autograd.grad gives clear gradients
def f(model, a):
    y = model(a).sum()
    grads = torch.autograd.grad(y, model.parameters())
    grads[0].numpy()
=== autograd.grad with create_graph gives tracking ones
def f(model, a):
    a.requires_grad_(True)
    y = model(a).sum()
    grad = torch.autograd.grad(y, a, create_graph=True)[0]
    grad.numpy()  #! numpy
=== training_step's return
import lightning.pytorch as pl
class Lit(pl.LightningModule):
    def training_step(self, batch, index):
        loss = self.compute(batch)
        loss.numpy()  #! numpy
        return loss
=== training_step's dict
import lightning.pytorch as pl
class Lit(pl.LightningModule):
    def training_step(self, batch, index):
        loss = self.compute(batch)
        loss.numpy()  #! numpy
        return {"loss": loss, "n": len(batch)}
=== compute_loss gives the loss, or the loss and the outputs
from transformers import Trainer
class Mine(Trainer):
    seen, rows = [], []
    def compute_loss(self, model, inputs, return_outputs=False):
        outputs = model(**inputs)
        loss = F.mse_loss(outputs.logits, inputs["labels"])
        self.seen.append(loss)  #! store
        self.rows.append(outputs.logits.detach())
        return (loss, outputs) if return_outputs else loss
=== compute_loss of no framework
class Mine:
    seen = []
    def compute_loss(self, model, inputs):
        loss = F.mse_loss(model(**inputs), inputs["labels"])
        self.seen.append(loss)
        return loss
=== training_step of no framework
class Trainer:
    def training_step(self, batch, index):
        loss = self.compute(batch)
        loss.numpy()
        return loss
=== helper that backpropagates
def step(loss, optimizer):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
def f(model, loader, criterion, optimizer):
    for a, b in loader:
        loss = criterion(model(a), b)
        step(loss, optimizer)
        loss.numpy()  #! numpy
=== loss from a helper
def loss_of(model, criterion, a, b):
    return criterion(model(a), b)
def f(model, loader, criterion):
    for a, b in loader:
        loss = loss_of(model, criterion, a, b)
        loss.backward()
        loss.numpy()  #! numpy
=== loss of a dict
def f(model, loader):
    for batch in loader:
        losses = model(batch)
        losses["total"].backward()
        losses["total"].numpy()  #! numpy
=== loss of an output object
def f(model, loader):
    for batch in loader:
        outputs = model(**batch)
        loss = outputs.loss
        loss.backward()
        loss.numpy()  #! numpy
=== loss and something else from one call
def f(model: nn.Module, loader, criterion):
    for a, b in loader:
        loss, items = criterion(model(a), b)
        loss.backward()
        items.numpy()
        loss.numpy()  #! numpy
=== output and hidden state from one call, both in the loss
def f(model, loader, criterion):
    for a, b in loader:
        out, hidden = model(a)
        (criterion(out, b) + hidden.norm()).backward()
        hidden.numpy()  #! numpy
=== nothing is said of what stands beside the output: token numbers, as often as not
def f(model: nn.Module, loader):
    for a, b in loader:
        out, tokens = model(a)
        F.cross_entropy(out, b).backward()
        tokens.cpu().numpy()
        out.cpu().numpy()  #! numpy
=== nor of the first item, where the loss is made of the second
def f(model: nn.Module, loader):
    for a in loader:
        sampled, log_probs = model(a)
        words = sampled.cpu().numpy()
        (-log_probs.mean()).backward()
        log_probs.numpy()  #! numpy
=== closure for the optimizer
def f(model, a, b, optimizer, criterion):
    def closure():
        loss = criterion(model(a), b)
        loss.backward()
        loss.numpy()  #! numpy
        return loss
    optimizer.step(closure)
=== backward through mean
def f(model, a):
    y = model(a)
    y.mean().backward()
    y.numpy()  #! numpy
=== backward through a division
def f(model, loader, criterion, steps):
    for a, b in loader:
        loss = criterion(model(a), b)
        (loss / steps).backward()
        loss.numpy()  #! numpy
=== backward on one path
def f(model, loader, criterion, train):
    for a, b in loader:
        loss = criterion(model(a), b)
        if train:
            loss.backward()
        loss.numpy()  #! numpy
""")

SUMS = cases("""
=== summands that are calls
def f(model, a, b, first, second):
    out = model(a)
    one = first(out, b)
    two = second(out, b)
    loss = one + two
    loss.backward()
    one.numpy()  #! numpy
    two.numpy()  #! numpy
=== weighted summands
def f(model, a, b, first, second, weight):
    out = model(a)
    one = first(out, b)
    two = second(out, b)
    loss = one + weight * two
    loss.backward()
    one.numpy()  #! numpy
    two.numpy()  #! numpy
=== summand that is an argument
def f(model, a, b, first, offset):
    loss = first(model(a), b) + offset
    loss.backward()
    offset.numpy()
=== summed in steps
def f(model, a, b, first, second):
    out = model(a)
    loss = 0
    one = first(out, b)
    loss += one
    two = second(out, b)
    loss += two
    loss.backward()
    one.numpy()  #! numpy
    two.numpy()  #! numpy
=== sum of a list
def f(model, a, b, first, second):
    out = model(a)
    losses = [first(out, b), second(out, b)]
    sum(losses).backward()
    losses[0].numpy()  #! numpy
=== sum of a dict's values
def f(model, batch):
    losses = model(batch)
    total = sum(losses.values())
    total.backward()
    total.numpy()  #! numpy
=== factors are no summands
def f(model, a, weight_of):
    y = model(a)
    weight = weight_of(a)
    (y * weight).sum().backward()
    weight.numpy()
=== a clear summand stays clear
def f(model, a, b, first):
    one = first(model(a), b)
    two = first(b, b).detach()
    (one + two).backward()
    two.numpy()
    one.numpy()  #! numpy
=== summand made under no_grad
def f(model, a, b, first):
    one = first(model(a), b)
    with torch.no_grad():
        two = first(model(a), b)
    (one + two).backward()
    two.numpy()
""")

MODULES = cases("""
=== library module
nn.Linear(4, 4)(x).numpy()  #! numpy
=== library module looked up by name
import torchvision
def f(arch):
    torchvision.models.__dict__[arch](pretrained=True)(x).numpy()  #! numpy
    getattr(torchvision.models, arch)()(x).numpy()  #! numpy
    getattr(F, arch)(x).numpy()
=== library module without parameters
nn.ReLU()(x).numpy()
nn.ReLU()(net(x)).numpy()  #! numpy
=== loss module
nn.MSELoss()(x, x).numpy()
nn.MSELoss()(net(x), x).numpy()  #! numpy
=== sequential
nn.Sequential(nn.Linear(4, 4), nn.ReLU())(x).numpy()  #! numpy
=== sequential without parameters
nn.Sequential(nn.ReLU(), nn.Flatten())(x).numpy()
=== first-party module
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x)
Net()(x).numpy()  #! numpy
=== first-party module without parameters
class Net(nn.Module):
    def forward(self, x):
        return x * 2
Net()(x).numpy()
=== first-party module that detaches
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x).detach()
Net()(x).numpy()
=== first-party module that returns a pair
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        y = self.fc(x)
        return y, y.argmax(-1)
y, best = Net()(x)
y.numpy()  #! numpy
best.numpy()
=== inherited forward
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x)
class Net(Base):
    pass
Net()(x).numpy()  #! numpy
=== module list
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
Net()(x).numpy()  #! numpy
=== own parameter
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(4))
    def forward(self, x):
        return x * self.w
Net()(x).numpy()  #! numpy
=== own buffer
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.ones(4))
    def forward(self, x):
        return x * self.w
Net()(x).numpy()
=== annotated argument
def f(model: nn.Module, a: torch.Tensor):
    model(a).numpy()  #! numpy
    a.numpy()
=== optimizer's parameters
def f(model, a):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(a).numpy()  #! numpy
=== optimizer's parameters of two
def f(first, second, a):
    optimizer = torch.optim.Adam(list(first.parameters()) + list(second.parameters()))
    first(a).numpy()  #! numpy
    second(a).numpy()  #! numpy
=== train() shows a module
def f(model, a):
    model.train()
    model(a).numpy()  #! numpy
=== eval() stops nothing
def f(model, a):
    model.eval()
    model(a).numpy()  #! numpy
=== load_state_dict shows a module
def f(model, a, state):
    model.load_state_dict(state)
    model(a).numpy()  #! numpy
=== to() alone shows nothing
def f(model, a, device):
    model = model.to(device)
    model(a).numpy()
=== wrappers
def f(model: nn.Module, a):
    nn.DataParallel(model)(a).numpy()  #! numpy
    torch.compile(model)(a).numpy()  #! numpy
=== factory of torchvision
import torchvision
model = torchvision.models.resnet18()
model(x).numpy()  #! numpy
=== factory of timm
import timm
timm.create_model("resnet18")(x).numpy()  #! numpy
=== frozen module
net.requires_grad_(False)
net(x).numpy()
=== frozen module, tracking input
net.requires_grad_(False)
other = nn.Linear(4, 4)
net(other(x)).numpy()  #! numpy
=== frozen by a loop over the parameters
for p in net.parameters():
    p.requires_grad = False
net(x).numpy()
=== frozen by a loop with the method
for p in net.parameters():
    p.requires_grad_(False)
net(x).numpy()
=== frozen by a loop over named parameters
for name, p in net.named_parameters():
    p.requires_grad = False
net(x).numpy()
=== frozen in part | a condition around the freezing is not looked at
for name, p in net.named_parameters():
    if "bias" in name:
        p.requires_grad = False
net(x).numpy()  #! numpy
=== frozen in an own module
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        for p in self.parameters():
            p.requires_grad = False
    def forward(self, x):
        return self.fc(x)
Net()(x).numpy()
=== frozen own module, by a loop outside
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x)
teacher = Net()
for p in teacher.parameters():
    p.requires_grad = False
teacher(x).numpy()
=== frozen own module, by its method outside
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x)
Net().requires_grad_(False)(x).numpy()
=== frozen part of an own module
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 4)
        for p in self.body.parameters():
            p.requires_grad = False
    def features(self, x):
        return self.body(x).numpy()
    def forward(self, x):
        return self.head(self.body(x)).numpy()  #! numpy
=== frozen by a helper
def freeze(model):
    for p in model.parameters():
        p.requires_grad = False
freeze(net)
net(x).numpy()
=== parameter
nn.Parameter(x).numpy()  #! numpy
=== weight
net.weight.numpy()  #! numpy
net.weight.data.numpy()
net.weight.grad.numpy()
=== elements of parameters()
for p in net.parameters():
    p.numpy()  #! numpy
    p.data.numpy()
=== state_dict is clear
for name, p in net.state_dict().items():
    p.numpy()
=== requires_grad=True
w = torch.zeros(3, requires_grad=True)
w.numpy()  #! numpy
(w * 2).numpy()  #! numpy
=== requires_grad_()
w = torch.zeros(3)
w.requires_grad_()
w.numpy()  #! numpy
=== requires_grad = True
w = torch.zeros(3)
w.requires_grad = True
w.numpy()  #! numpy
=== detach().requires_grad_()
y = net(x).detach().requires_grad_()
y.numpy()  #! numpy
=== distribution
d = torch.distributions.Categorical(logits=net(x))
d.log_prob(d.sample()).numpy()  #! numpy
d.sample().numpy()
d.entropy().numpy()  #! numpy
=== distribution of clear parameters
d = torch.distributions.Normal(x, 1.0)
d.log_prob(d.sample()).numpy()
d.rsample().numpy()
=== rsample
d = torch.distributions.Normal(net(x), 1.0)
d.rsample().numpy()  #! numpy
=== likes are clear
y = net(x)
torch.zeros_like(y).numpy()
y.new_zeros(3).numpy()
=== torch.tensor cuts
torch.tensor([net(x).sum()])
=== recurrent
rnn = nn.LSTM(4, 4)
out, (h, c) = rnn(x)
out.numpy()  #! numpy
h.numpy()  #! numpy
c.numpy()  #! numpy
""")

HOOKS = cases("""
=== a forward hook keeps the output
features = {}
def hook(module, inputs, output):
    features["y"] = output
net.register_forward_hook(hook)
net(x)
features["y"].numpy()  #! numpy
=== a forward hook that detaches
features = {}
def hook(module, inputs, output):
    features["y"] = output.detach()
net.register_forward_hook(hook)
net(x)
features["y"].numpy()
=== a forward hook made by a factory
features = {}
def make(name):
    def hook(module, inputs, output):
        features[name] = output
    return hook
net.register_forward_hook(make("y"))
net(x)
features["y"].numpy()  #! numpy
=== a forward hook run under no_grad
features = {}
def hook(module, inputs, output):
    features["y"] = output
net.register_forward_hook(hook)
with torch.no_grad():
    net(x)
features["y"].numpy()
=== a forward hook collects
features = []
net.register_forward_hook(lambda module, inputs, output: features.append(output))  #! store
for _ in range(3):
    net(x).sum().backward()
=== a backward hook gets clear gradients
grads = []
net.register_full_backward_hook(lambda module, grad_in, grad_out: grads.append(grad_out[0].numpy()))
net(x).sum().backward()
=== a tensor hook gets a clear gradient
y = net(x)
y.register_hook(lambda grad: print(grad.numpy()))
y.sum().backward()
""")


@pytest.mark.parametrize("body", BACKWARD)
def test_backward_is_evidence(body):
    check(body)


@pytest.mark.parametrize("body", SUMS)
def test_a_sum_speaks_for_its_summands(body):
    check(body)


@pytest.mark.parametrize("body", MODULES)
def test_modules_parameters_and_what_they_give(body):
    check(body)


@pytest.mark.parametrize("body", HOOKS)
def test_hooks(body):
    check(body)
