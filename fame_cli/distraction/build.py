"""From the options of a training to its distraction: the one place that reads them."""

from fame_cli.config import PretrainConfig
from fame_cli.distraction.distraction import Distraction
from fame_cli.distraction.fame import FAME
from fame_cli.distraction.mix import CutMix, Mixup
from fame_cli.distraction.noise import GaussianNoise
from fame_cli.distraction.still import StillFrame
from fame_cli.extension import build_own
from fame_cli.method import (
    CutmixConfig,
    FameConfig,
    MixupConfig,
    NoDistraction,
    NoiseConfig,
    OwnDistraction,
    StillFrameConfig,
)


def build_distraction(config: PretrainConfig) -> Distraction | None:
    """The distraction of a training; None for the plain baseline, none or FAME with β = 1.

    One of the user's own, ``package.module:name``, is called with the configuration.
    """
    if not config.merges:
        return None
    match config.distraction:
        case FameConfig() as fame:
            return FAME(
                beta=fame.beta,
                variant=fame.variant,
                background=fame.background,
                statistics=fame.statistics,
                hue=fame.hue,
            )
        case NoiseConfig(sigma=sigma):
            return GaussianNoise(sigma=sigma)
        case MixupConfig(gamma=gamma):
            return Mixup(gamma=gamma)
        case CutmixConfig():
            return CutMix()
        case StillFrameConfig(name=name, gamma=gamma):
            return StillFrame(gamma=gamma, source=name.removeprefix("frame-"))
        case OwnDistraction(name=name):
            return build_own("--distraction", name, Distraction, config)
        case NoDistraction():
            return None


def reads_maps(config: PretrainConfig) -> bool:
    """Whether a training needs the statistics that ``fame masks`` keeps."""
    distraction = build_distraction(config)
    return distraction is not None and distraction.reads.maps
