"""Networks of other programs: any ``nn.Module``, TorchScript and ONNX files, as encoders to evaluate.

They take clips (B, 3, T, H, W) and give features (B, D). Clips reach every network normalised with the mean
colours of Kinetics-400; a network that was trained with others states them, and gets those.
"""

import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor, nn

from fame_cli.data.views import MEAN, STD
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.learning.backbones.backbone import Backbone
from fame_cli.learning.checkpoint import METADATA, parse_metadata

NETWORK = "network."
"""Before the names of a network's entries inside its wrapper, where nobody sees it."""

SCRIPT, ONNX = "torchscript:file", "onnx:file"
"""What networks are called that a file brings along."""


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation of red, green and blue, of colours in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = [*self.mean, *self.std]
        whole = len(self.mean) == len(self.std) == 3
        if not (whole and all(isinstance(value, int | float) for value in numbers) and min(self.std) > 0):
            raise ConfigurationError(
                f"a normalisation is {(self.mean, self.std)}; expected the mean and the deviation of red, "
                "green and blue, deviations above 0.",
                "Colours in [0, 1] as they are: mean 0,0,0 and deviation 1,1,1.",
            )

    @property
    def is_ours(self) -> bool:
        """Whether these are the numbers that clips are normalised with anyway."""
        given = torch.tensor([self.mean, self.std])
        return torch.allclose(given, torch.stack([MEAN.flatten(), STD.flatten()]), atol=1e-5)


class ForeignNetwork(Backbone):
    """Another program's network with its own normalisation; its entries keep their names in files.

    Args:
        network: clips (B, 3, T, H, W) to features (B, D).
        feature_dim: D; 0 where ``measure`` is to find it.
        normalisation: that it was trained with; None: that of Kinetics-400.
    """

    told: Mapping[str, str] = MappingProxyType({})
    """What the file of the network says of it, by name; empty unless ``fame export`` wrote it."""

    def __init__(self, network: nn.Module, feature_dim: int, normalisation: Normalisation | None) -> None:
        super().__init__()
        self.network = network
        self.feature_dim = feature_dim
        self.normalisation = normalisation
        mean, std = MEAN, STD
        if normalisation is not None:
            mean, std = (
                torch.tensor(values, dtype=torch.float32, device="cpu").view(3, 1, 1, 1)
                for values in (normalisation.mean, normalisation.std)
            )
        self.register_buffer("factor", (STD / std)[None], persistent=False)
        self.register_buffer("offset", ((MEAN - mean) / std)[None], persistent=False)
        self.register_state_dict_post_hook(drop_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(add_prefix)  # type: ignore[no-untyped-call]

    def renormalise(self, clips: Tensor) -> Tensor:
        """Clips normalised as ours to clips normalised as the network's."""
        if self.normalisation is None:
            return clips
        factor, offset = self.get_buffer("factor"), self.get_buffer("offset")
        return clips * factor.to(clips.dtype) + offset.to(clips.dtype)

    def forward(self, clips: Tensor) -> Tensor:
        # Other programs' networks look at clips as views, which channels last do not allow.
        clips = clips if isinstance(self.network, Backbone) else clips.contiguous()
        features = self.network(self.renormalise(clips))
        expected = f"({len(clips)}, {self.feature_dim or 'D'})"
        if not isinstance(features, Tensor):
            raise ConfigurationError(
                f"the network gave a {type(features).__name__}; expected a tensor {expected} of features.",
                "Wrap it in a module that returns its features (docs/bias.md).",
            )
        right_width = features.ndim == 2 and self.feature_dim in (0, features.shape[1])
        if not (right_width and len(features) == len(clips)):
            raise ConfigurationError(
                f"the network gave a tensor {tuple(features.shape)}; expected features {expected}.",
                "Wrap it in a module that returns one vector a clip, of length feature_dim (docs/bias.md).",
            )
        return features

    def feature_map(self, clips: Tensor) -> Tensor:
        if isinstance(self.network, Backbone):
            return self.network.feature_map(self.renormalise(clips))
        raise ConfigurationError(
            "this network gives vectors, and no map to draw an activation of.",
            "Derive it from fame_cli.Backbone with a feature_map (docs/extending.md).",
        )

    @torch.no_grad()
    def measure(self, name: str, clip_frames: int, crop_px: int) -> None:
        """Try the network on one clip and note the length of its features.

        Raises ConfigurationError where it cannot take such clips.
        """
        try:
            features = self.eval()(torch.zeros(1, 3, clip_frames, crop_px, crop_px))
        except ConfigurationError:
            raise
        except Exception as error:  # whatever another program's code raises
            reason = (str(error) or repr(error)).strip().splitlines()[-1]
            raise ConfigurationError(
                f"the network in {name} cannot take clips (1, 3, {clip_frames}, {crop_px}, {crop_px}): "
                f"{reason}",
                "Give the clips that it was made for: --clip-frames and --crop-px.",
            ) from error
        self.feature_dim = features.shape[1]


def drop_prefix(_: nn.Module, state: dict[str, Any], prefix: str, __: Any) -> None:
    for key in [key for key in state if key.startswith(prefix + NETWORK)]:
        state[prefix + key.removeprefix(prefix + NETWORK)] = state.pop(key)


def add_prefix(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[prefix + NETWORK + key.removeprefix(prefix)] = state.pop(key)


def adopt(module: nn.Module) -> Backbone:
    """A module with a ``feature_dim``, and perhaps a ``normalisation`` (mean, std), as an encoder."""
    if isinstance(module, Backbone):
        return module
    stated: Any = getattr(module, "normalisation", None)
    try:
        normalisation = None if stated is None else Normalisation(*(tuple(part) for part in stated))
    except TypeError as error:
        raise ConfigurationError(
            f"{type(module).__name__}.normalisation is {stated!r}; expected (mean, std), three numbers each."
        ) from error
    return ForeignNetwork(module, int(getattr(module, "feature_dim")), normalisation)  # noqa: B009


def kind_of_file(path: Path) -> str:
    """``SCRIPT`` or ``ONNX`` where a file brings its own network along, "" elsewhere."""
    if not path.is_file():
        return ""
    if path.suffix.lower() == ".onnx":
        return ONNX
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return ""
    return SCRIPT if any("/code/" in name for name in names) else ""


def read_network(path: Path, normalisation: Normalisation | None) -> ForeignNetwork:
    """The network in a TorchScript or an ONNX file; ``measure`` has to follow.

    A TorchScript file holds a program, in a language of torch's own that computes with tensors.
    """
    network: nn.Module
    told: Mapping[str, str]
    if kind_of_file(path) == ONNX:
        network = onnx = OnnxNetwork(path)
        told = onnx.session.get_modelmeta().custom_metadata_map
    else:
        network, told = read_script(path)
    read = ForeignNetwork(network, 0, normalisation)
    read.told = told
    return read


def read_script(path: Path) -> tuple[nn.Module, dict[str, str]]:
    """The network in a TorchScript file, and what its extra file says."""
    extra = {METADATA: ""}
    try:
        with warnings.catch_warnings():
            # torch advises whoever saves such a file to use another format: it is the user's to choose.
            warnings.simplefilter("ignore", FutureWarning)
            network: nn.Module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ArtefactError(
            f"{path} is no TorchScript file that can be read: {str(error).splitlines()[0]}.",
            "Save it again with torch.jit.save, by a version of torch that is no newer than this one.",
        ) from error
    # A copy of a script has no leaves whose gradients could still be turned off.
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    try:
        return network.eval(), parse_metadata(extra[METADATA] or "{}")
    except ValueError:  # another program's file of the same name
        return network.eval(), {}


class OnnxNetwork(nn.Module):
    """An ONNX file run by onnxruntime: clips (B, 3, T, H, W) to its first output."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = open_session(path)
        (first, *others) = self.session.get_inputs()
        if others:
            raise ArtefactError(
                f"{path} takes {1 + len(others)} inputs; expected one, clips (B, 3, T, H, W).",
                "Export it with clips alone.",
            )
        self.input = first.name
        self.clips_at_once = first.shape[0] if isinstance(first.shape[0], int) else 0
        """What an export with a fixed batch takes; 0: any number."""

    def forward(self, clips: Tensor) -> Tensor:
        count = len(clips)
        together = self.clips_at_once or count
        parts: Sequence[Tensor] = torch.split(clips.float().cpu().contiguous(), together)
        found = []
        for part in parts:
            # A fixed batch is filled up with copies of the last clip.
            filled = torch.cat([part, part[-1:].expand(together - len(part), *part.shape[1:])])
            output = self.session.run(None, {self.input: filled.numpy()})[0]
            found.append(torch.from_numpy(output)[: len(part)])
        return torch.cat(found).to(clips.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a session cannot be copied, and nothing in it changes


def open_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigurationError(
            f"{path} needs onnxruntime, which is not installed.", "pip install 'fame-cli[onnx]'"
        ) from error
    try:
        return onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise ArtefactError(
            f"{path} is no ONNX file that can be read: {str(error).splitlines()[0]}.", "Export it again."
        ) from error
