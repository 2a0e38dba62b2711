"""Checkpoints, features and embeddings written to files."""

import io
import pickle

import joblib
import torch
from torch import nn
from torch.nn import functional as F


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x):
        return self.layers(x) - self.mean


def reread(file):
    file.seek(0)
    return torch.load(file)


def bad_features_of_one_batch():
    encoder, file = Encoder(), io.BytesIO()
    features = encoder(torch.randn(3, 4))
    torch.save(features, file)  # DTL402
    return reread(file)


def bad_checkpoint_with_its_loss(steps):
    model, file = Encoder(), io.BytesIO()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(steps):
        loss = model(torch.randn(3, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save({"model": model.state_dict(), "epoch": epoch, "loss": loss}, file)  # DTL402
    return reread(file)["loss"]


def bad_moved_to_the_cpu_is_not_detached():
    encoder, file = Encoder(), io.BytesIO()
    encoder.eval()
    embedding = encoder(torch.randn(3, 4)).cpu().clone()
    torch.save([embedding, ["a", "b", "c"]], file)  # DTL402
    return reread(file)[0]


def bad_pickled():
    encoder = Encoder()
    data = pickle.dumps(F.normalize(encoder(torch.randn(3, 4))))  # DTL402
    return pickle.loads(data)


class Cache:
    """Keeps embeddings on disk, by name."""

    def __init__(self, encoder):
        self.encoder, self.files = encoder, {}

    def fill(self, name, x):
        self.files[name] = io.BytesIO()
        joblib.dump(self.encoder(x), self.files[name])  # DTL402

    def read(self, name):
        self.files[name].seek(0)
        return joblib.load(self.files[name])


def bad_cache_on_disk():
    cache = Cache(Encoder())
    cache.fill("train", torch.randn(3, 4))
    return cache.read("train")


def bad_no_grad_around_the_save_alone():
    encoder, file = Encoder(), io.BytesIO()
    out = encoder(torch.randn(3, 4))
    with torch.no_grad():
        torch.save(out, file)  # DTL402
    return reread(file)


def good_weights_and_optimizer():
    model, file = Encoder(), io.BytesIO()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    return reread(file)["model"]


def good_detached_features():
    encoder, file = Encoder(), io.BytesIO()
    features = encoder(torch.randn(3, 4)).detach()
    torch.save(features, file)
    return reread(file)


def good_features_under_no_grad(steps):
    encoder, file = Encoder(), io.BytesIO()
    with torch.no_grad():
        features = torch.cat([encoder(torch.randn(3, 4)) for _ in range(steps)])
    torch.save(features, file)
    return reread(file)


def good_loss_as_a_number():
    model, file = Encoder(), io.BytesIO()
    loss = model(torch.randn(3, 4)).pow(2).mean()
    loss.backward()
    torch.save({"loss": loss.item(), "state": model.state_dict()}, file)
    return reread(file)


def good_whole_module():
    model, file = Encoder(), io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False).mean


def good_predicted_classes():
    encoder, file = Encoder(), io.BytesIO()
    out = encoder(torch.randn(3, 4))
    torch.save({"classes": out.argmax(dim=1), "positive": out > 0, "list": out.tolist()}, file)
    return reread(file)


def good_buffers_and_gradients():
    model, file = Encoder(), io.BytesIO()
    model(torch.randn(3, 4)).sum().backward()
    torch.save([model.mean, model.layers[0].weight.grad, model.layers[0].weight.data], file)
    return reread(file)


def good_pickled_arrays():
    encoder = Encoder()
    array = encoder(torch.randn(3, 4)).detach().numpy()
    return pickle.loads(pickle.dumps({"array": array, "labels": [0, 1, 2]}))


def good_frozen_encoder():
    encoder, file = Encoder(), io.BytesIO()
    encoder.requires_grad_(False)
    torch.save(encoder(torch.randn(3, 4)), file)
    return reread(file)
