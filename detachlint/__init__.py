"""detachlint finds tensors that should have been detached, explains why, and repairs them."""

__version__ = "0.1.0"
