"""Weights that a training begins with instead of random ones."""

from dataclasses import dataclass
from pathlib import Path

from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.checkpoint import read_backbone, weights_fingerprint
from fame_cli.learning.pretraining_set import PretrainingSet, find_set
from fame_cli.learning.run import BACKBONE_FILE
from fame_cli.names import to_text


@dataclass(frozen=True)
class InitialWeights:
    """A backbone to begin with."""

    backbone: Backbone
    source: dict[str, str]
    """File and fingerprint, for the run's ``config.toml``."""
    pretraining_set: PretrainingSet | None
    """The videos that it has seen already; None where nobody knows."""


def read_initial(path: Path, name: str) -> InitialWeights:
    """The weights of network ``name`` in a file of any known kind, or in the RUN of a finished pretraining.

    Raises ArtefactError where the file is missing, damaged or does not fill the network; ConfigurationError
    where it holds another one.
    """
    file = path / BACKBONE_FILE if path.is_dir() else path
    try:
        loaded = read_backbone(file, name)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"--init-from: {error.message}", "Choose the network of the weights with --backbone."
        ) from error
    source = {"init_from": to_text(str(file.absolute())), "init_weights": weights_fingerprint(file)}
    return InitialWeights(loaded.backbone, source, find_set(file))
