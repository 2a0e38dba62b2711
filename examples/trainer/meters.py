"""Running numbers for progress lines, and the record of a run."""

from collections import defaultdict


class AverageMeter:
    """The mean of numbers, each with its weight. Takes numbers, not tensors."""

    def __init__(self) -> None:
        self.sum = 0.0
        self.count = 0

    def update(self, value: float, count: int = 1) -> None:
        self.sum += value * count
        self.count += count

    @property
    def mean(self) -> float:
        return self.sum / max(1, self.count)


class History:
    """Everything that was recorded, by name."""

    def __init__(self) -> None:
        self.values: dict[str, list] = defaultdict(list)

    def record(self, name: str, value: object) -> None:
        self.values[name].append(value)
