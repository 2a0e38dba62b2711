"""Steps that are methods: the trainer's loop keeps what they return."""

import torch
import torch.nn.functional as F
from torch import nn


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 3))

    def forward(self, z):
        return self.net(z)


class AdversarialTrainer:
    """Two optimizers, two losses, one history."""

    def __init__(self):
        self.generator = Generator()
        self.critic = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), lr=1e-3)
        self.d_optimizer = torch.optim.Adam(self.critic.parameters(), lr=1e-3)

    def step(self, real):
        fake = self.generator(torch.randn(len(real), 2))
        d_loss = F.softplus(self.critic(fake.detach())).mean() + F.softplus(-self.critic(real)).mean()
        self.d_optimizer.zero_grad()
        d_loss.backward()
        self.d_optimizer.step()

        g_loss = F.softplus(-self.critic(fake)).mean()
        self.g_optimizer.zero_grad()
        g_loss.backward()
        self.g_optimizer.step()
        return d_loss, g_loss  # DTL203

    def fit(self, steps):
        history = {"d": [], "g": []}
        for _ in range(steps):
            d_loss, g_loss = self.step(torch.randn(4, 3))
            history["d"].append(d_loss)
            history["g"].append(g_loss)
        return {name: [round(v.item(), 4) for v in values] for name, values in history.items()}


class BaseTrainer:
    """The loop stands in the base, the step in the subclass."""

    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def run_step(self, x):
        raise NotImplementedError

    def fit(self, steps):
        epoch = []
        for _ in range(steps):
            epoch.append(self.run_step(torch.randn(4, 3)))
        return sum(loss.item() for loss in epoch) / len(epoch)


class ReconstructionTrainer(BaseTrainer):
    def run_step(self, x):
        loss = F.mse_loss(self.model(x), x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss  # DTL203


class NumberTrainer(BaseTrainer):
    def run_step(self, x):
        loss = F.mse_loss(self.model(x), x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class PolicyLearner:
    """Early return on an empty batch, statistics otherwise."""

    def __init__(self):
        self.policy = nn.Linear(3, 2)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=0.01)

    def update(self, states, rewards):
        if len(states) == 0:
            return {}
        distribution = torch.distributions.Categorical(logits=self.policy(states))
        actions = distribution.sample()
        entropy = distribution.entropy().mean()
        loss = -(distribution.log_prob(actions) * rewards).mean() - 0.01 * entropy
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.item(), "entropy": entropy, "reward": rewards.mean()}  # DTL203


class StepwiseModule(nn.Module):
    """`training_step` returns the loss for its trainer's backward."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def training_step(self, x):
        out = self.linear(x)
        return {"loss": F.mse_loss(out, x), "shift": out.mean()}


class SmallTrainer:
    def fit(self, module, steps):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
        logged = []
        for _ in range(steps):
            result = module.training_step(torch.randn(4, 3))
            optimizer.zero_grad()
            result["loss"].backward()
            optimizer.step()
            logged.append({name: value.item() for name, value in result.items()})
        return logged


def bad_adversarial_step(steps):
    return AdversarialTrainer().fit(steps)


def bad_step_of_a_subclass(steps):
    return ReconstructionTrainer(nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 3))).fit(steps)


def bad_statistics_of_an_update(steps):
    learner = PolicyLearner()
    infos = []
    for _ in range(steps):
        infos.append(learner.update(torch.randn(5, 3), torch.randn(5)))
    return [info["entropy"].item() for info in infos], infos[-1]["loss"]


def good_step_of_a_subclass_detaches(steps):
    return NumberTrainer(nn.Linear(3, 3)).fit(steps)


def good_training_step_for_its_trainer(steps):
    return SmallTrainer().fit(StepwiseModule(), steps)


def good_only_the_newest_output_is_held(steps):
    learner = PolicyLearner()
    newest = None
    for _ in range(steps):
        newest = learner.update(torch.randn(5, 3), torch.randn(5))
    return newest["loss"]
