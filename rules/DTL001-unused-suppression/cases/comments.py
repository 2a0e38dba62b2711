"""Suppressions that silence something, and suppressions that do not."""

import torch
import torch.nn.functional as F
from torch import nn


def setup():
    model = nn.Linear(3, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def bad_the_total_is_a_number(steps):
    model, optimizer = setup()
    total = 0.0
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()  # detachlint: ignore[DTL301]  # DTL001
    return total


def bad_another_code_than_the_findings(steps):
    model, optimizer = setup()
    losses = []
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)  # detachlint: ignore[DTL302, DTL101]  # DTL001
    return [loss.item() for loss in losses]


def bad_noqa_with_our_code(steps):
    model, _ = setup()
    out = model(torch.randn(steps, 3)).detach()
    return out.numpy().mean()  # noqa: DTL101  # DTL001


def bad_bare_ignore(steps):
    model, _ = setup()
    with torch.no_grad():
        array = model(torch.randn(steps, 3)).numpy()  # detachlint: ignore  # DTL001
    return array.shape


def bad_code_that_no_rule_has(steps):
    x = torch.ones(steps)
    return x.sum().item()  # detachlint: ignore[DTL999]  # DTL001


def bad_header_of_a_block(steps):
    model, _ = setup()
    total = 0.0
    for batch in torch.randn(steps, 4, 3):  # detachlint: ignore[DTL302]  # DTL001
        with torch.no_grad():
            total += F.relu(model(batch)).sum()
    return total.item()


def good_used_ignore(steps):
    model, optimizer = setup()
    losses = []
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)  # detachlint: ignore[DTL302] short runs only
    return [loss.item() for loss in losses]


def good_used_noqa(steps):
    model, optimizer = setup()
    total = 0.0
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss  # noqa: DTL301
    return total.item()


def good_used_bare_ignore(steps):
    model, optimizer = setup()
    total = 0.0
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = total + loss  # detachlint: ignore
    return total.item()


def good_used_prefix(steps):
    model, optimizer = setup()
    average = 0.0
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average = 0.9 * average + 0.1 * loss  # detachlint: ignore[DTL3]
    return average.item()


def good_on_one_line_of_a_long_statement(steps):
    model, optimizer = setup()
    records = []
    for step in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        records.append(
            {
                "step": step,
                "loss": loss,  # detachlint: ignore[DTL302]
            }
        )
    return len(records)


def good_rule_that_does_not_run(steps):
    model, _ = setup()
    loss = model(torch.randn(steps, 3)).pow(2).mean()
    return float(loss.detach())  # detachlint: ignore[DTL104] opt-in


def good_other_tools(steps):
    model, _ = setup()
    x = torch.randn(steps, 3)  # noqa
    y = model(x).detach()  # noqa: E501, F841
    return y.shape  # type: ignore[no-any-return]


def good_in_a_string(steps):
    text = "# detachlint: ignore[DTL301]"
    note = """
    total += loss.item()  # noqa: DTL301
    """
    return len(text) + len(note) + steps
