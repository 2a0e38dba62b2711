"""`python -m detachlint`."""

from detachlint.cli import main

if __name__ == "__main__":
    main(prog_name="detachlint")
