"""NumPy's own functions called with tensors: they convert what they are given."""

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, Normal


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Linear(3, 2)
        self.log_std = nn.Parameter(torch.zeros(2))

    def forward(self, observation):
        return self.mean(observation), self.log_std.exp()


class Line:
    """An environment made of one number per dimension."""

    def __init__(self):
        self.state = np.ones(3, dtype=np.float32)

    def step(self, action):
        self.state = self.state + 0.1 * np.float32(action.sum())
        return self.state, -float(np.abs(self.state).sum())


def bad_action_of_a_policy(steps):
    actor, env = Actor(), Line()
    observation, rewards = env.state, []
    for _ in range(steps):
        mean, std = actor(torch.from_numpy(observation))
        action = Normal(mean, std).rsample()
        observation, reward = env.step(action.numpy())  # DTL101
        rewards.append(reward)
    return rewards


def bad_two_conversions_in_one_place():
    actor = Actor()
    mean, std = actor(torch.ones(4, 3))
    dist = Normal(mean, std)
    action = dist.sample()
    low = np.minimum(dist.log_prob(action), 0.0)  # DTL101
    entropy = np.asarray(dist.entropy())  # DTL101
    return action.numpy(), low, entropy


def bad_list_of_outputs(steps):
    critic = nn.Linear(3, 1)
    values = []
    for _ in range(steps):
        values.append(critic(torch.randn(3)))  # DTL302
    return np.array(values)  # DTL101


def bad_display_of_two_tensors():
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    x = torch.randn(4, 3)
    return np.concatenate([first(x), second(x)], axis=1)  # DTL101


def bad_ufunc_on_probabilities():
    head = nn.Linear(3, 5)
    probabilities = torch.softmax(head(torch.randn(4, 3)), dim=1)
    surprise = -np.log(probabilities)  # DTL101
    return surprise.sum(axis=1)


def bad_comparison_that_is_silently_false():  # harm: raises: the copy differs
    layer = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    first = layer(x)
    second = layer(x).detach().numpy()
    if not np.array_equal(first, second):  # DTL101
        raise ValueError("the copy differs")
    return second


def bad_slice_of_an_array(steps):
    encoder = nn.Linear(3, 2)
    features = np.zeros((steps * 4, 2), dtype=np.float32)
    for i in range(steps):
        features[i * 4 : (i + 1) * 4] = encoder(torch.randn(4, 3))  # DTL101
    return features


def bad_early_return_leaves_the_last_one():
    model = nn.Linear(3, 2)

    def scores(x, as_list):
        out = model(x)
        if as_list:
            return out.tolist()
        return np.argsort(out)  # DTL101

    return scores(torch.ones(1, 3), True), scores(torch.ones(1, 3), False)


def good_samples_carry_no_gradient(steps):
    policy, env = nn.Linear(3, 4), Line()
    actions = []
    for _ in range(steps):
        dist = Categorical(logits=policy(torch.from_numpy(env.state)))
        action = dist.sample()
        env.step(action.numpy())
        actions.append(np.array(action))
    return np.stack(actions)


def good_actor_under_no_grad(steps):
    actor, env = Actor(), Line()
    observation = env.state
    for _ in range(steps):
        with torch.no_grad():
            mean, _ = actor(torch.from_numpy(observation))
            action = mean.numpy()
        observation, _ = env.step(action)
    return observation


def good_detached_elements_of_a_list(steps):
    critic = nn.Linear(3, 1)
    values = []
    for _ in range(steps):
        value = critic(torch.randn(3))
        values.append(value.detach())
    return np.array(values)


def good_kept_tracked_for_the_loss_detached_for_the_array(steps):
    policy = nn.Linear(3, 4)
    log_probs, rewards = [], []
    for step in range(steps):
        dist = Categorical(logits=policy(torch.randn(3)))
        action = dist.sample()
        log_probs.append(dist.log_prob(action))
        rewards.append(float(step))
    returns = np.cumsum(rewards[::-1])[::-1].copy()
    stacked = torch.stack(log_probs)
    (-stacked * torch.from_numpy(returns)).sum().backward()
    return np.exp(stacked.detach().numpy()), returns


def good_the_method_detaches_itself():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x)

        def encode(self, x):
            return self(x).detach()

        @torch.no_grad()
        def project(self, x):
            return self(x) * 2

    encoder = Encoder()
    x = torch.randn(4, 3)
    return np.hstack([encoder.encode(x), encoder.project(x).numpy()])


def good_arrays_among_tensors(steps):
    layer = nn.Linear(3, 1)
    table = np.zeros((steps, 3), dtype=np.float32)
    for i in range(steps):
        table[i] = np.sin(np.arange(3) + i)
        loss = layer(torch.as_tensor(table[i])).sum()
        loss.backward()
    return table, np.abs(table).sum()


def good_rebound_before_the_array():
    layer = nn.Linear(3, 2)
    out = layer(torch.randn(4, 3))
    out.sum().backward()
    out = np.ones(3)
    return np.asarray(out), np.asarray([1.0, 2.0])


def good_lengths_and_shapes():
    layer = nn.Linear(3, 2)
    out = layer(torch.randn(4, 3))
    sizes = np.array(out.shape)
    return sizes, np.array([len(out), out.dim(), out.numel()]), np.zeros_like(sizes)
