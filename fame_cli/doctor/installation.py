"""Python, the libraries that are needed, and those that may be there."""

import platform
import shlex
import sys
from collections.abc import Iterator

from fame_cli.doctor.finding import Finding, State
from fame_cli.libraries import installed_version, untested_libraries

OLDEST, NEWEST = (3, 11), (3, 13)
"""Versions of Python that are tested."""

OPTIONAL = {
    "distributed": ("dask", "extract and masks on a dask cluster (--backend dask)"),
    "ray": ("ray", "extract and masks on a ray cluster (--backend ray)"),
    "onnxruntime": ("onnx", "evaluate networks in ONNX files"),
    "onnxscript": ("onnx", "fame export --to onnx"),
    "pyarrow": ("parquet", "fame embed -o FILE.parquet"),
    "mlflow": ("mlflow", "fame pretrain --track mlflow"),
    "wandb": ("wandb", "fame pretrain --track wandb"),
}
"""By distribution: the extra that brings it, and what it is for."""


def look_at_python() -> Iterator[Finding]:
    version, found = sys.version_info[:2], f"{platform.python_version()} in {sys.prefix}"
    if version < OLDEST:
        yield Finding("python", "problem", found, f"Install Python {dotted(OLDEST)} or newer.")
    elif version > NEWEST:
        advice = f"Tested are {dotted(OLDEST)} to {dotted(NEWEST)}: use one of them if something fails."
        yield Finding("python", "warning", found, advice)
    else:
        yield Finding("python", "ok", found)


def dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def pip(*requirements: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


def look_at_libraries() -> Iterator[Finding]:
    untested = untested_libraries()
    for library in untested:
        state: State = "warning" if library.version else "problem"
        yield Finding(library.name, state, str(library), pip(f"{library.name}{library.tested}"))
    if not untested:
        yield Finding("libraries", "ok", "all of the versions that this package asks for")


def look_at_optional_parts() -> Iterator[Finding]:
    for name, (extra, use) in OPTIONAL.items():
        if version := installed_version(name):
            yield Finding(name, "ok", f"{version}: {use}")
        else:
            yield Finding(name, "absent", f"not installed: {use}", pip(f"fame-cli[{extra}]"))
