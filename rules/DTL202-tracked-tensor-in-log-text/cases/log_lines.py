"""Log lines with tensors in them: which show the graph, and which show a number."""

import logging

import torch
import torch.nn.functional as F
from torch import nn

logger = logging.getLogger(__name__)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, x):
        return self.layers(x)


def setup():
    model = Classifier()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def batch():
    return torch.randn(6, 4), torch.randint(0, 3, (6,))


def update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def bad_lazy_argument(steps):
    model, optimizer = setup()
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        update(optimizer, loss)
        logger.info("step %d loss %s", step, loss)  # DTL202
    return loss.item()


def bad_str_in_the_message(steps):
    model, optimizer = setup()
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if step % 2 == 0:
            logging.info("loss: " + str(loss))  # DTL202
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def bad_percent_formatting(steps):
    model, optimizer = setup()
    for epoch in range(steps):
        x, y = batch()
        logits = model(x)
        loss, spread = F.cross_entropy(logits, y), logits.std()
        update(optimizer, loss)
        logger.warning("epoch %d: loss %.3f, spread %s" % (epoch, loss.item(), spread))  # DTL202
    return spread.item()


def bad_repr_in_an_f_string(steps):
    model, optimizer = setup()
    for _ in range(steps):
        x, y = batch()
        try:
            loss = F.cross_entropy(model(x), y)
            if loss.item() > 0.0:
                raise FloatingPointError("too large")
            update(optimizer, loss)
        except FloatingPointError:
            logger.error(f"skipped a batch with {loss!r}")  # DTL202
    return loss.item()


class Trainer:
    """Has a logger of its own, as most trainers do."""

    def __init__(self, name="trainer"):
        self.model, self.optimizer = setup()
        self.log = logging.getLogger(name)

    def fit(self, steps):
        for _ in range(steps):
            x, y = batch()
            logits = self.model(x)
            parts = {"ce": F.cross_entropy(logits, y), "norm": logits.norm()}
            update(self.optimizer, parts["ce"] + 0.01 * parts["norm"])
            self.log.log(logging.INFO, "ce=%s norm=%.2f", parts["ce"], parts["norm"].item())  # DTL202
        return parts["norm"].item()


def bad_logger_of_a_trainer(steps):
    return Trainer().fit(steps)


def bad_the_tensor_is_the_message(steps):
    model, _ = setup()
    model.eval()
    for _ in range(steps):
        x, y = batch()
        per_sample = F.cross_entropy(model(x), y, reduction="none")
        logger.debug(per_sample)  # DTL202
    return per_sample.max().item()


def good_numbers(steps):
    model, optimizer = setup()
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        update(optimizer, loss)
        logger.info("step %d loss %.4f", step, loss.item())
    return loss.item()


def good_formatted_scalars(steps):
    model, optimizer = setup()
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        update(optimizer, loss)
        logger.info(f"step {step} loss {loss:.4f}")
        logger.info("plain {} rounded {:.2f}".format(loss, loss))
        logger.debug(f"loss={loss}")
    return loss.item()


def good_detached_argument(steps):
    model, optimizer = setup()
    for step in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        update(optimizer, loss)
        logger.info("step %d loss %s logits %s", step, loss.detach(), logits.data[0])
    return loss.item()


def good_shapes_and_decisions(steps):
    model, optimizer = setup()
    for _ in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        update(optimizer, loss)
        logger.info("logits %s on %s, predicted %s", logits.shape, logits.device, logits.argmax(1))
        logger.info("confident: %s", (logits.softmax(1) > 0.5).any(1))
    return loss.item()


def good_evaluation_without_grad(steps):
    model, _ = setup()
    model.eval()
    total = 0.0
    for _ in range(steps):
        with torch.no_grad():
            x, y = batch()
            loss = F.cross_entropy(model(x), y)
        logger.info("validation loss %s", loss)
        total += loss.item()
    return total


def good_gradient_norm(steps):
    model, optimizer = setup()
    for _ in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        logger.info("gradient norm %s, first %s", norm, model.layers[0].bias.grad[0])
        optimizer.step()
    return norm.item()


class Throttled:
    """Formats numbers itself, every so often."""

    def __init__(self, every):
        self.every, self.calls = every, 0

    def info(self, message, value):
        self.calls += 1
        if self.calls % self.every == 0:
            logger.info(message, value.item())


def good_helper_takes_the_item(steps):
    model, optimizer = setup()
    log = Throttled(2)
    for _ in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        update(optimizer, loss)
        log.info("loss %.3f", loss)
    return log.calls


def good_targets_are_data(steps):
    model, optimizer = setup()
    for _ in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        update(optimizer, loss)
        logger.info("inputs %s targets %s mean %s", x[0], y, x.mean())
    return loss.item()


def optimizer_by_name(kind, parameters):
    return getattr(torch.optim, kind)(parameters, lr=0.1)


def good_settings_of_an_optimizer_chosen_by_name(steps):
    model = Classifier()
    optimizer = optimizer_by_name("SGD", model.parameters())
    scheduler = getattr(torch.optim.lr_scheduler, "StepLR")(optimizer, 2)
    logger.warning("%s", optimizer)
    for _ in range(steps):
        x, y = batch()
        update(optimizer, F.cross_entropy(model(x), y))
        scheduler.step()
    return len(optimizer.param_groups)
