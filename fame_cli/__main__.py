"""Where the ``fame`` command begins."""

from fame_cli import streams


def main() -> None:
    # Before all else, since the imports take a moment in which Ctrl-C may come.
    streams.interrupts_end_at_once()
    from fame_cli.cli.app import main

    main()


if __name__ == "__main__":
    main()
