"""The forms that a backbone is exported in, and the check that each gives the same features.

TorchScript and ONNX files bring the network along: normalised clips (B, 3, T, S, S) to features (B, D), for
any B; T and S are those of the pretraining. ``fame eval --weights`` reads both.
"""

import importlib.util
import io
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from fame_cli.config import ExportForm
from fame_cli.disk import remove_abandoned, write_json, write_text, write_whole
from fame_cli.errors import ConfigurationError, FameError
from fame_cli.export.card import write_card
from fame_cli.export.source import Source
from fame_cli.learning.checkpoint import HUB_FILE, METADATA, save_backbone
from fame_cli.learning.foreign import read_network

SUFFIXES: dict[ExportForm, str] = {"torchscript": ".pt", "onnx": ".onnx", "safetensors": ".safetensors"}
"""Of the forms that are one file; ``hub`` is a folder."""

HUB_FILES = (HUB_FILE, "config.json", "README.md")
"""In the order in which they are written."""

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

TOLERANCE = 1e-3
"""Largest difference from the backbone's features that is let through, as a share of the largest feature.

Orders of summation differ; found are 0 for TorchScript and about 1e-6 for ONNX.
"""


def require_exportable(form: ExportForm, output: Path, overwrite: bool) -> None:
    """Raise ConfigurationError unless such a form can be made here and be written to ``output``."""
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if form == "onnx" and missing:
        raise ConfigurationError(
            f"--to onnx needs {', '.join(missing)}, which is not installed.", "pip install 'fame-cli[onnx]'"
        )
    again = "Name another with -o, or replace it with --overwrite."
    if form == "hub":
        if output.exists() and not output.is_dir():
            raise ConfigurationError(f"-o {output} is a file; --to hub writes a folder.", "Name a folder.")
        if output.is_dir() and not overwrite and not may_continue(output):
            raise ConfigurationError(f"-o {output} is a folder that is not empty.", again)
        return
    suffix = SUFFIXES[form]
    if output.is_dir() or output.suffix != suffix:
        what = "is a folder" if output.is_dir() else f"does not end in {suffix}"
        raise ConfigurationError(
            f"-o {output} {what}; --to {form} writes one file.", f"Name a file such as backbone{suffix}."
        )
    if output.exists() and not overwrite:
        raise ConfigurationError(f"-o {output} is there already.", again)


def may_continue(folder: Path) -> bool:
    """Whether a folder is empty, or holds what an export left that was killed before its last file."""
    remove_abandoned(folder)
    return {path.name for path in folder.iterdir()} <= {*HUB_FILES[:-1]}


def write_export(source: Source, form: ExportForm, output: Path, license: str) -> list[Path]:
    """Write the backbone in a form; returns the files.

    Raises FameError where the file would give other features, and writes nothing then.
    """
    match form:
        case "safetensors":
            save_backbone(output, source.backbone, source.config.backbone, source.metadata)
        case "hub":
            return write_hub(source, output, license)
        case _:
            content = as_onnx(source) if form == "onnx" else as_torchscript(source)
            require_same_features(source, form, content)
            write_whole(output, content)
    return [output]


def example(source: Source, count: int) -> torch.Tensor:
    """Clips to try a network with, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *source.clip_shape[1:], generator=generator)


def as_torchscript(source: Source) -> bytes:
    """The network as torch traces it, with the metadata as the extra file ``fame``."""
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # torch advises whoever makes such a file to use another format: it is the user's to choose. What a
        # trace may miss is found by trying it on another number of clips.
        warnings.simplefilter("ignore")
        script = torch.jit.trace(source.backbone, example(source, 2), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(script, file, _extra_files={METADATA: json.dumps(source.metadata)})  # type: ignore[no-untyped-call]
    return file.getvalue()


def as_onnx(source: Source) -> bytes:
    """The network in ONNX, ``clips`` to ``features``, with the metadata as properties of the model."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what its own exporter does
        program: Any = torch.onnx.export(
            source.backbone,
            (example(source, 2),),
            input_names=["clips"],
            output_names=["features"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    for name, value in sorted(source.metadata.items()):
        model.metadata_props.add(key=name, value=value)
    content: bytes = model.SerializeToString()
    return content


@torch.no_grad()
def require_same_features(source: Source, form: ExportForm, content: bytes) -> None:
    """Raise FameError unless the file, read as ``fame eval`` reads it, gives the features of the backbone."""
    clips = example(source, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{SUFFIXES[form]}"
        path.write_bytes(content)
        found = read_network(path, None).eval()(clips)
    wanted = source.backbone(clips)
    difference = (found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-12)
    if not difference <= TOLERANCE:
        raise FameError(
            f"the {form} file gives other features than the backbone (by {difference:.1%} of the largest).",
            "Nothing was written. Export with --to safetensors, which changes nothing.",
        )


def write_hub(source: Source, folder: Path, license: str) -> list[Path]:
    """A folder as the Hugging Face Hub keeps models: weights, config.json and a model card."""
    weights, config, card = (folder / name for name in HUB_FILES)
    save_backbone(weights, source.backbone, source.config.backbone, source.metadata)
    write_json(config, {"library_name": "fame-cli", **source.about, "recipe": source.config.to_dict()})
    write_text(card, write_card(source, folder.resolve().name, license))
    return [weights, config, card]
