"""Predictions put into pandas tables."""

import pandas as pd
import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(1, 4, batch_first=True)
        self.out = nn.Linear(4, 1)

    def forward(self, series):
        hidden, _ = self.cell(series)
        return self.out(hidden).squeeze(-1)


def bad_column_of_predictions():
    model = Forecaster()
    series = torch.randn(1, 6, 1)
    frame = pd.DataFrame({"seen": series.flatten()})
    frame["forecast"] = model(series).flatten()  # DTL102
    return frame["forecast"].tolist()


def bad_table_of_one_batch():
    model = Forecaster()
    forecast = model(torch.randn(3, 6, 1))
    table = pd.DataFrame(forecast)  # DTL102
    return table.shape


def bad_series_by_name():
    model = Forecaster()
    forecast = model(torch.randn(1, 6, 1)).squeeze(0)
    match forecast.dim():
        case 1:
            return pd.Series(forecast, name="forecast").mean()  # DTL102
        case _:
            return None


def bad_several_columns_at_once():
    model = Forecaster()
    series = torch.randn(1, 6, 1)
    with torch.no_grad():
        baseline = model(series).flatten()
    table = pd.DataFrame({"baseline": baseline, "forecast": model(series).flatten()})  # DTL102
    return table.shape


def good_detached_column():
    model = Forecaster()
    series = torch.randn(1, 6, 1)
    frame = pd.DataFrame({"seen": series.flatten()})
    frame["forecast"] = model(series).detach().flatten()
    return frame["forecast"].tolist()


def good_numbers_in_rows(steps):
    model = Forecaster()
    rows = []
    for step in range(steps):
        forecast = model(torch.randn(1, 6, 1))
        loss = forecast.pow(2).mean()
        loss.backward()
        rows.append({"step": step, "loss": loss.item(), "last": forecast[0, -1].item()})
    return pd.DataFrame(rows)["loss"].tolist()


def good_forecast_under_no_grad():
    model = Forecaster()
    with torch.no_grad():
        forecast = model(torch.randn(1, 6, 1)).squeeze(0)
    return pd.Series(forecast).tolist()


def good_lists_of_numbers():
    model = Forecaster()
    forecast = model(torch.randn(1, 6, 1)).squeeze(0)
    return pd.DataFrame({"forecast": forecast.tolist(), "up": (forecast > 0).numpy()}).shape
