"""Encoders by their names, and what clips they can take."""

from typing import get_args

import torch
from torch import nn

from fame_cli.config import BackboneName
from fame_cli.errors import ConfigurationError
from fame_cli.extension import build_own
from fame_cli.learning.backbones.backbone import Backbone
from fame_cli.option import is_object_path


def build_backbone(name: str) -> Backbone:
    """A freshly initialised encoder; its weights come from torch's global generator (seed it before).

    Args:
        name: "r2plus1d_18" (Tran et al. 2018), "r3d_18", "s3d" (Xie et al. 2018), "swin3d_t" (Liu et al.
            2022) and "mvit_v2_s" (Li et al. 2022) with torchvision's modules and keys, "r3d_34", "i3d"
            (Carreira & Zisserman 2017), "c3d" (Tran et al. 2015), or "small", ours, for CPUs; or
            ``package.module:name`` of a class or function of your own that gives a ``Backbone``, or any
            ``nn.Module`` with a ``feature_dim`` (docs/bias.md), and takes no argument.

    Returns:
        The network in training mode, on the CPU; ``feature_dim`` tells the length of its vectors.

    Raises:
        ConfigurationError: there is no such network.
    """
    if is_object_path(name):
        from fame_cli.learning.foreign import adopt

        return adopt(build_own("--backbone", name, Backbone, needs=["feature_dim"], also=nn.Module))
    # Imported here since the networks derive from Backbone and not all of them need torchvision.
    match name:
        case "small":
            from fame_cli.learning.backbones.small import Small

            return Small()
        case "i3d":
            from fame_cli.learning.backbones.i3d import I3D

            return I3D()
        case "s3d":
            from fame_cli.learning.backbones.s3d import S3D

            return S3D()
        case "c3d":
            from fame_cli.learning.backbones.c3d import C3D

            return C3D()
        case "swin3d_t":
            from fame_cli.learning.backbones.swin3d import Swin3D

            return Swin3D()
        case "mvit_v2_s":
            from fame_cli.learning.backbones.mvit import MViT

            return MViT()
        case "r2plus1d_18" | "r3d_18" | "r3d_34":
            from fame_cli.learning.backbones.resnet3d import ResNet3D

            return ResNet3D(name)
        case _:
            raise ConfigurationError(
                f"there is no backbone {name!r}.",
                f"There are {', '.join(get_args(BackboneName))}, and yours as package.module:name.",
            )


def build_empty(name: str) -> Backbone:
    """A network whose weights are to be replaced: no random number is drawn for it."""
    if is_object_path(name):
        # A constructor that is not ours may do what nothing but a real device can.
        with torch.random.fork_rng(devices=[]):
            return build_backbone(name)
    with torch.device("meta"):
        return build_backbone(name)


def require_fits(name: str, clip_frames: int, crop_px: int) -> None:
    """Raise ConfigurationError where a network has nothing left of clips so short or so small.

    Args:
        name: of the network, as for ``build_backbone``.
        clip_frames: frames in a clip.
        crop_px: side of its frames.
    """
    shape = (1, 3, clip_frames, crop_px, crop_px)
    try:
        if is_object_path(name):
            with torch.no_grad():
                build_empty(name).eval()(torch.zeros(shape))
        else:
            with torch.device("meta"):  # sizes alone, no arithmetic
                build_backbone(name).eval()(torch.empty(shape))
    except RuntimeError as error:
        clips = f"clips of {clip_frames} frames of {crop_px}² pixels"
        if is_object_path(name):
            raise ConfigurationError(f"the network {name} cannot take {clips}: {error}") from error
        raise ConfigurationError(
            f"the network {name} has nothing left of {clips}.",
            "Give more --clip-frames (16 are enough for all networks, 48 for the pieces of a puzzle) or a "
            "larger --crop-px (112).",
        ) from error


@torch.no_grad()
def stage_lengths(name: str, clip_frames: int, crop_px: int) -> list[int]:
    """Times t in the map of each stage of a network for such clips; none where it has no stages."""
    network = build_empty(name).eval()
    device = "cpu" if is_object_path(name) else "meta"
    clips = torch.zeros(1, 3, clip_frames, crop_px, crop_px, device=device)
    return [maps.shape[2] for maps in network.stages(clips)] if network.has_stages else []
