"""The demo's folder, its videos, and the options of all that is done with them."""

from dataclasses import dataclass, replace
from pathlib import Path

from fame_cli.config import EvaluationConfig, LinearConfig, PretrainConfig, RetrievalConfig, StatisticsConfig
from fame_cli.data.synthetic import make_video_set
from fame_cli.disk import write_text
from fame_cli.evaluation.evaluation import Phase
from fame_cli.method import FameConfig, MocoConfig
from fame_cli.recipe import Recipe

CLIP_FRAMES, FRAME_STRIDE, CROP_PX = 8, 2, 48

FAME = FameConfig()
PRETRAIN = PretrainConfig(
    backbone="small",
    clip_frames=CLIP_FRAMES,
    frame_stride=FRAME_STRIDE,
    crop_px=CROP_PX,
    epochs=12,
    batch_size=64,
    optimizer="adamw",
    learning_rate=3e-3,
    distraction=FAME,
    objective=MocoConfig(queue_length=512, momentum=0.99),
    crop_scale_min=0.5,
    color_jitter=0.5,
    flip_probability=0,  # left and right are different motions
)
EVALUATION = EvaluationConfig(
    clips=2, clip_frames=CLIP_FRAMES, frame_stride=FRAME_STRIDE, crop_px=CROP_PX
).to_dict()
LINEAR = LinearConfig(**EVALUATION, train_on="features")
RETRIEVAL = RetrievalConfig(**EVALUATION)

METHODS = ("MoCo", "MoCo+FAME")
"""As ``fame run --compare moco`` names the baseline, and the recipe's file the method."""
UNTRAINED = "untrained"
SETS = {"neutral": "background tells nothing", "biased": "background misleads"}


@dataclass(frozen=True)
class Demo:
    """The demo's folder and how much is done in it."""

    folder: Path
    pretrain_videos: int = 960
    labelled_per_motion: tuple[int, int] = (40, 28)
    """Videos of each motion in each labelled set, to learn from and to test on."""
    epochs: int = PRETRAIN.epochs
    linear: LinearConfig = LINEAR

    @property
    def recipe(self) -> Path:
        """The file with every option of it."""
        return self.folder / f"{METHODS[-1]}.toml"

    def videos(self, name: str) -> Path:
        return self.folder / "videos" / name

    def work(self, name: str) -> Path:
        """WORK of a set of videos; that of the videos to learn from is where ``fame run`` has it."""
        return self.folder / ("work" if name == "pretrain" else f"work-{name}")

    def run(self, method: str) -> Path:
        return self.folder / "runs" / method

    def picture(self, name: str) -> Path:
        return self.folder / "pictures" / name


def quick(demo: Demo) -> Demo:
    """The same with as few videos and steps as every stage can do with: shows that all works, and no more."""
    linear = replace(LINEAR, epochs=5)
    return replace(demo, pretrain_videos=64, labelled_per_motion=(7, 7), epochs=1, linear=linear)


def make_videos(demo: Demo, phase: Phase) -> None:
    """Draw the videos, as far as they are not there, and write the recipe."""
    with phase("making videos", "videos") as tell:
        make_video_set(
            demo.folder / "videos",
            pretrain_videos=demo.pretrain_videos,
            train_per_motion=demo.labelled_per_motion[0],
            test_per_motion=demo.labelled_per_motion[1],
            progress=lambda done, total: tell(done, total, ""),
        )
    tables = {
        "masks": StatisticsConfig(CLIP_FRAMES, FRAME_STRIDE, hop_frames=1),
        "pretrain": replace(PRETRAIN, epochs=demo.epochs),
        "linear": demo.linear,
        "retrieval": RETRIEVAL,
    }
    recipe = Recipe(
        name="",
        title="MoCo+FAME on the videos of the demo",
        pretrained_on="videos/pretrain",
        rows=(),
        notes=(),
        tables={name: config.to_dict() for name, config in tables.items()},
    )
    write_text(demo.recipe, recipe.as_toml())
