"""What an evaluation would do, how much disk that takes and how long, told without doing it."""

from fame_cli.config import ClassifierConfig, EvaluationConfig, LinearConfig
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.results import read_result
from fame_cli.forecast import Forecast
from fame_cli.learning.forecast import bytes_of

FLOAT_BYTES = 4


def forecast_evaluation(evaluation: Evaluation, protocol: str, config: EvaluationConfig) -> Forecast:
    """What a protocol would do for a RUN; nothing where its result is there."""
    videos, backbone = evaluation.videos, evaluation.weights.backbone
    count = len(videos.train) + len(videos.test)
    path = evaluation.result_path(protocol, config)
    on_features = not isinstance(config, ClassifierConfig)
    if isinstance(config, LinearConfig):
        on_features = config.train_on == "features"
    features = FLOAT_BYTES * count * config.clips * backbone.feature_dim
    done = path.exists()
    return Forecast(
        what=f"{protocol} of {evaluation.weights.source}: {len(videos.train)} videos to learn from and "
        f"{len(videos.test)} to test on" + (" (it is done)" if done else ""),
        folder=path,
        left=0 if done else count,
        # A classifier with its optimizer, and the one before it while it is written.
        bytes=features if on_features else 4 * bytes_of(backbone),
        seconds=seconds_before(evaluation, protocol, config),
    )


def seconds_before(evaluation: Evaluation, protocol: str, config: EvaluationConfig) -> float | None:
    """What the same would take as long as an earlier result of this RUN did: of as many videos and clips."""
    videos = evaluation.videos
    work = clip_passes(config, len(videos.train), len(videos.test))
    for path in sorted((evaluation.run / "results").glob(f"{protocol}-*.json")):
        try:
            result = read_result(path)
        except ArtefactError:
            continue
        before = type(config).from_dict(result.configuration)
        counts = (result.splits[part]["videos"] for part in ("train", "test"))
        return result.seconds * work / clip_passes(before, *counts)
    return None


def clip_passes(config: EvaluationConfig, train: int, test: int) -> int:
    """Clips that go through the network: training clips once an epoch, test clips once."""
    if isinstance(config, ClassifierConfig) and getattr(config, "train_on", "clips") == "clips":
        return config.epochs * train + config.clips * test
    return config.clips * (train + test)
