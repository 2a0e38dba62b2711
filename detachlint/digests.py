"""What stands for a file's content where contents are compared and not kept."""

from __future__ import annotations

import hashlib


def digest(data: bytes) -> str:
    """What stands for these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_of(path: str) -> str | None:
    """What stands for a file's content; None if it can't be read."""
    try:
        with open(path, "rb") as file:
            return digest(file.read())
    except OSError:
        return None
