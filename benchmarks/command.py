"""What every benchmark's command line has, and the toolkit's own as others call it."""

import argparse
import subprocess
import sys
from pathlib import Path


def command_line(doc: str | None) -> argparse.ArgumentParser:
    """A parser that takes a folder of videos; ``doc`` is what it says for --help, line by line."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    return parser


def fame(*words: object) -> None:
    """Run a whole ``fame`` command, in silence unless it fails."""
    command = [sys.executable, "-m", "fame_cli", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"fame {' '.join(command[3:])} failed:\n{result.stdout}{result.stderr}")
