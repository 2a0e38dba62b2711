"""What a run can be told on the command line."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 0.1
    center_weight: float = 0.1
    log_every: int = 16
    seed: int = 0
    reports: bool = False
    output: Path = Path("trainer-output")


def parse(arguments: list[str] | None = None) -> Config:
    parser = argparse.ArgumentParser(description="Train a small classifier on two spirals.")
    parser.add_argument("--epochs", type=int, default=Config.epochs)
    parser.add_argument("--batch-size", type=int, default=Config.batch_size)
    parser.add_argument("--learning-rate", type=float, default=Config.learning_rate)
    parser.add_argument("--seed", type=int, default=Config.seed)
    parser.add_argument("--reports", action="store_true", help="calibration, ranking and plots at the end")
    parser.add_argument("--output", type=Path, default=Config.output)
    return Config(**vars(parser.parse_args(arguments)))
