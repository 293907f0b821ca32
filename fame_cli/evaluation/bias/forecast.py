"""What a bias report would do, how much disk that takes and how long, told without doing it."""

from fame_cli.config import BiasConfig
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.bias.battery import ALTERATIONS
from fame_cli.evaluation.bias.report import PROTOCOL, BiasSetting, bias_path
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.forecast import FLOAT_BYTES
from fame_cli.evaluation.results import read_result
from fame_cli.forecast import Forecast


def forecast_bias(evaluation: Evaluation, config: BiasConfig, setting: BiasSetting) -> Forecast:
    """What the report of a RUN would do; nothing where it is there."""
    videos, weights = evaluation.videos, evaluation.weights
    path = bias_path(evaluation, config, setting)
    done = path.exists()
    clips = count_clips(config.clips, len(videos.train), len(videos.test))
    return Forecast(
        what=f"bias report of {weights.source}: {len(videos.test)} test videos as they are and altered in "
        f"{len(ALTERATIONS)} ways" + (" (it is done)" if done else ""),
        folder=path,
        left=0 if done else clips,
        bytes=FLOAT_BYTES * clips * weights.backbone.feature_dim,
        seconds=seconds_before(evaluation, clips),
    )


def count_clips(clips: int, train: int, test: int) -> int:
    """Clips that go through the network: those of the training videos once, of test videos once a way."""
    return clips * (train + (1 + len(ALTERATIONS)) * test)


def seconds_before(evaluation: Evaluation, clips: int) -> float | None:
    """What the same would take at the rate of an earlier report of this RUN; None where there is none."""
    for path in sorted((evaluation.run / "results").glob(f"{PROTOCOL}-*.json")):
        try:
            result = read_result(path)
        except ArtefactError:
            continue
        counts = (result.splits[part]["videos"] for part in ("train", "test"))
        return result.seconds * clips / count_clips(result.configuration["clips"], *counts)
    return None
