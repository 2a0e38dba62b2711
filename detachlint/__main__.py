"""The command `detachlint`, and `python -m detachlint`.

Python puts the current folder first among those that modules are imported from. There stands the code to be
linted, of which nothing may run: a `click.py` among it must not be taken for the library.
"""

import contextlib
import gc
import os
import sys


def main() -> None:
    """Run the command. Modules are no garbage: the collector looks for none while they are loaded."""
    gc.disable()
    from detachlint.cli import main as command

    gc.freeze()
    gc.enable()
    command(prog_name="detachlint")


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # the current folder may be gone
        if not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", os.getcwd()):
            del sys.path[0]
    main()
