"""Tensors on their way to another library or another process."""

import multiprocessing
import queue

import numpy as np
import torch
import torch.multiprocessing as mp
from torch import nn


def policy_output():
    torch.manual_seed(1)
    policy = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return policy(torch.ones(1, 3))


class Worker:
    """An actor that sends what its policy says to a learner."""

    def __init__(self, results):
        self.policy = nn.Linear(3, 2)
        self.results = results

    def rollout(self, count):
        for _ in range(count):
            out = self.policy(torch.ones(3))
            self.results.put(out)  # DTL103


def bad_worker_with_a_queue_loses_its_items():  # harm: lost
    results = mp.Queue()
    Worker(results).rollout(2)
    return [results.get(timeout=3).tolist() for _ in range(2)]


def bad_loss_through_a_queue():  # harm: lost
    channel = multiprocessing.Queue()
    loss = policy_output().pow(2).mean()
    loss.backward()
    channel.put(loss)  # DTL103
    received = channel.get(timeout=3)
    return received.item()


def bad_simple_queue():  # harm: raises: Cowardly refusing to serialize non-leaf tensor
    channel = mp.SimpleQueue()
    channel.put(policy_output())  # DTL103
    return channel.get().tolist()


def bad_pipe_between_processes():  # harm: raises: Cowardly refusing to serialize non-leaf tensor
    here, there = mp.Pipe()
    out = policy_output()
    with torch.no_grad():
        here.send(out)  # DTL103
    return there.recv().tolist()


def bad_export_to_another_library():  # harm: raises: Can't export tensors that require gradient
    out = policy_output()
    shared = np.from_dlpack(out)  # DTL103
    return shared.copy()


def bad_round_trip_of_a_capsule():  # harm: raises: Can't export tensors that require gradient
    features = torch.relu(policy_output())
    capsule = features.__dlpack__()  # DTL103
    return torch.from_dlpack(capsule).clone()


def good_detached_on_a_queue():
    channel = mp.SimpleQueue()
    channel.put(policy_output().detach())
    return channel.get().tolist()


def good_numbers_on_a_queue(steps):
    channel = mp.Queue()
    for _ in range(steps):
        channel.put(policy_output().pow(2).mean().item())
    return [channel.get(timeout=60) for _ in range(steps)]


def good_a_queue_between_threads_passes_the_same_object():
    channel = queue.Queue()
    out = policy_output()
    channel.put(out)
    channel.get().sum().backward()
    return out.shape[0]


def good_weights_on_a_queue():
    channel = mp.SimpleQueue()
    layer = nn.Linear(2, 2)
    channel.put({name: value.clone() for name, value in layer.state_dict().items()})
    return channel.get()


def good_arrays_through_a_pipe():
    here, there = mp.Pipe()
    here.send(policy_output().detach().numpy())
    return there.recv()


def good_export_of_plain_data():
    out = policy_output()
    return torch.from_dlpack(out.detach()).clone(), np.from_dlpack(out > 0).copy()
