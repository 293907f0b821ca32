"""From the options of a training to its distraction: the one place that reads them."""

from fame_cli.config import PretrainConfig
from fame_cli.distraction.distraction import Distraction
from fame_cli.distraction.fame import FAME


def build_distraction(config: PretrainConfig) -> Distraction | None:
    """The distraction of a training, or None: β = 1 and background "none" are the plain baseline."""
    if not config.merges:
        return None
    return FAME(
        beta=config.beta,
        variant=config.variant,
        background=config.background,
        statistics=config.statistics,
        hue=config.hue,
    )


def reads_maps(config: PretrainConfig) -> bool:
    """Whether a training needs the statistics that ``fame masks`` keeps."""
    distraction = build_distraction(config)
    return distraction is not None and distraction.reads.maps
