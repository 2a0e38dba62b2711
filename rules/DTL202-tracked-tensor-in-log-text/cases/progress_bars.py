"""Progress bars: what stands behind the bar is text."""

import torch
from torch import nn
from tqdm import tqdm, trange


def setup():
    model = nn.Linear(3, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def bad_postfix_keyword(steps):
    model, optimizer = setup()
    bar = tqdm(range(steps), desc="train")
    for _ in bar:
        loss = (model(torch.randn(4, 3)) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix(loss=loss)  # DTL202
    return loss.item()


def bad_postfix_dict(steps):
    model, optimizer = setup()
    losses = []
    with trange(steps) as bar:
        for epoch in bar:
            out = model(torch.randn(4, 3))
            loss = nn.functional.mse_loss(out, torch.ones(4, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            bar.set_postfix({"epoch": epoch, "mean": out.mean()})  # DTL202
    return losses


def bad_postfix_text(steps):
    model, optimizer = setup()
    bar = tqdm(total=steps)
    while bar.n < steps:
        loss = model(torch.randn(4, 3)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.update(1)
        bar.set_postfix_str("loss %s" % loss)  # DTL202
    bar.close()
    return loss.item()


def good_postfix_numbers(steps):
    model, optimizer = setup()
    bar = tqdm(range(steps))
    for _ in bar:
        loss = (model(torch.randn(4, 3)) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix(loss=loss.item(), shown=f"{loss:.3f}")
        bar.set_description(f"loss {loss:.2f}")
    return loss.item()


def good_postfix_detached(steps):
    model, optimizer = setup()
    with tqdm(total=steps) as bar:
        for _ in range(steps):
            loss = (model(torch.randn(4, 3)) - 1).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.set_postfix({"loss": loss.detach(), "lr": 0.1})
            bar.update()
    return loss.item()


def good_bar_over_an_evaluation(steps):
    model, _ = setup()
    bar = tqdm(range(steps))
    with torch.no_grad():
        for _ in bar:
            loss = (model(torch.randn(4, 3)) - 1).pow(2).mean()
            bar.set_postfix(loss=loss)
    return loss.item()
