"""``fame`` and ``python -m fame_cli``: the command line, and what is said where it cannot even begin."""

import os
import sys

from fame_cli import streams
from fame_cli.errors import BUG
from fame_cli.libraries import advice


def main() -> None:
    # Before all else, since the imports take a moment in which Ctrl-C may come.
    streams.interrupts_end_at_once()
    # A notebook hands over the backend that draws in it, a module that need not be installed here; without it
    # Matplotlib would not be imported. Commands draw to files alone.
    os.environ.pop("MPLBACKEND", None)
    try:
        from fame_cli.cli import app  # an untested Typer or Rich fails here, or as it reads the commands

        app.main()
    except Exception as error:
        if not (told := advice()):
            raise
        sys.stderr.write(f"unexpected error: {type(error).__name__}: {error}\n{told}\n")
        sys.exit(BUG)


if __name__ == "__main__":
    main()
