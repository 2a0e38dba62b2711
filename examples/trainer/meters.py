"""Running numbers for progress lines."""


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
