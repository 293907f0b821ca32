"""From the options of a training to its distraction: the one place that reads them."""

from fame_cli.config import PretrainConfig
from fame_cli.distraction.distraction import Distraction
from fame_cli.distraction.fame import FAME
from fame_cli.extension import build_own, is_own


def build_distraction(config: PretrainConfig) -> Distraction | None:
    """The distraction of a training, or None: β = 1 and background "none" are the plain baseline.

    One of the user's own, ``package.module:name``, is called with the configuration.
    """
    # The configuration gets an option for it with its section of distractions.
    name = getattr(config, "distraction", "fame")
    if is_own(name):
        return build_own("--distraction", name, Distraction, config)
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
