"""`python -m detachlint`.

`-m` lets Python look for modules in the current folder first. That folder is what is linted: a `queue.py` or
`random.py` in it must neither run nor stand in for the standard library's, so it is taken off the path.
"""

import os
import sys

if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from detachlint.cli import main

if __name__ == "__main__":
    main(prog_name="detachlint")
