"""JSON files that carry a seal: the fingerprint of all else that they say, so that a change is noticed."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fame_cli.config import fingerprint
from fame_cli.disk import write_json

SEAL = "seal"


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values and their seal, whole or not at all."""
    write_json(path, {**values, SEAL: fingerprint(dict(values))})


def read_sealed(path: Path | str, *, seal_required: bool = True) -> dict[str, Any]:
    """The values that ``write_sealed`` wrote.

    Args:
        path: the file. Bytes that are not UTF-8 are kept as surrogates, as in names of files.
        seal_required: refuse a file without a seal; older versions wrote some kinds without.

    Raises:
        OSError: the system does not let us read it, or it is not there.
        ValueError: it is not what was written.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise ValueError("it is no regular file")
        with open(path, "rb") as file:
            values = json.loads(file.read().decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(values, dict):
        raise ValueError("it holds no table")
    if SEAL not in values and not seal_required:
        return values
    if values.pop(SEAL, None) != fingerprint(values):
        raise ValueError("it was damaged or changed by hand")
    return values
