"""`python -m detachlint`.

Python puts the current folder first among those that modules are imported from. There stands the code to be
linted, of which nothing may run: a `click.py` among it must not be taken for the library.
"""

import contextlib
import os
import sys

if __name__ == "__main__":
    with contextlib.suppress(OSError):  # the current folder may be gone
        if not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", os.getcwd()):
            del sys.path[0]

    from detachlint.cli import main

    main(prog_name="detachlint")
