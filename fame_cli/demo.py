"""The demo: the background bias seen, and seen to go, on videos made on the spot.

Its networks are pretrained as by ``fame run`` and evaluated by ``fame eval`` (``cli/demo.py``); here are the
videos, the recipe and the page. Its folder shows a newcomer how WORK and RUN are laid out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fame_cli.advice import command
from fame_cli.config import EvaluationConfig, LinearConfig, PretrainConfig, RetrievalConfig, StatisticsConfig
from fame_cli.data.clips import clip_indices, clip_span, even_starts
from fame_cli.data.frames import FrameStore, open_frame_store
from fame_cli.data.made_plan import plan_videos
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import StatisticsStore, open_statistics_store
from fame_cli.data.synthetic import make_video_set, read_truth
from fame_cli.disk import write_text
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.bias.differences import with_interval
from fame_cli.evaluation.evaluation import Phase
from fame_cli.evaluation.results import Result
from fame_cli.learning.run import RunFolder
from fame_cli.method import FameConfig, MocoConfig
from fame_cli.recipe import Recipe
from fame_cli.visualization import examples
from fame_cli.visualization.bars import draw_bars
from fame_cli.visualization.cam import cam_sheet
from fame_cli.visualization.cam_models import cam_example, read_cam_model, read_made_truth
from fame_cli.visualization.curves import draw_curves
from fame_cli.visualization.gallery import retrieval_gallery
from fame_cli.visualization.masks import MaskExample, fit_mask, mask_sheet, merge_animation, share_held
from fame_cli.visualization.pictures import save_gif, save_png
from fame_cli.visualization.provenance import provenance
from fame_cli.visualization.report import Code, PagePicture, Section, Table, Text, write_report, written_by
from fame_cli.visualization.run_report import CURVES_CAPTION, HARDER
from fame_cli.visualization.story import draw_story
from fame_cli.visualization.verdict import Shown, Verdict, draw_verdict

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


def make_page(demo: Demo) -> Path:
    """Draw the pictures and write the report of what the commands left; returns its path."""
    stores = {name: open_frames(demo.work(name)) for name in ("pretrain", *SETS)}
    statistics = open_statistics_store(demo.work("pretrain"), stores["pretrain"], CLIP_FRAMES, FRAME_STRIDE)
    results = read_results(demo, stores)
    draw_pictures(demo, stores, statistics, results)
    report = demo.folder / "report.html"
    write_report(
        report,
        "FAME: background bias, before and after",
        sections(demo, results),
        written_by(command("demo", "-o", demo.folder)),
    )
    return report


def open_frames(work: Path) -> FrameStore:
    return open_frame_store(work, read_manifest(work))


def read_results(demo: Demo, stores: Mapping[str, FrameStore]) -> dict[str, dict[str, Result]]:
    """The linear probes of all weights on both labelled sets, by method and set."""
    return {
        method: {name: read_probe(demo, method, stores[name]) for name in SETS}
        for method in (UNTRAINED, *METHODS)
    }


def read_probe(demo: Demo, method: str, frames: FrameStore) -> Result:
    """The linear probe of a method on a set; whoever tries more with its RUN may leave others there."""
    for _, result in reversed(examples.own_results(demo.run(method), "linear")):
        same_options = LinearConfig.from_dict(result.configuration) == demo.linear
        if same_options and result.frames["fingerprint"] == frames.fingerprint:
            return result
    raise ArtefactError(f"{demo.run(method)} lacks the demo's linear probe.", "Run fame demo again.")


def top1(result: Result) -> float:
    return result.figures["top1"].percent


def draw_pictures(
    demo: Demo,
    stores: dict[str, FrameStore],
    statistics: StatisticsStore,
    results: dict[str, dict[str, Result]],
) -> None:
    """All pictures of the report: ``fame visualize``."""
    frames, biased = stores["pretrain"], stores["biased"]
    options = examples.MaskOptions(CLIP_FRAMES, FRAME_STRIDE, 96, FAME.beta, FAME.variant)
    video_indices = examples.choose_examples(frames, [], 6)
    masks = [
        examples.mask_example(frames, statistics, video_index, options, true_mask(demo, frames, video_index))
        for video_index in video_indices
    ]
    save_png(demo.picture("masks.png"), mask_sheet(masks, FAME.beta, frames_shown=2))
    merges = [
        examples.merge_example(frames, statistics, front, back, options)
        for front, back in pairwise(video_indices[:5])
    ]
    save_gif(demo.picture("merge.gif"), merge_animation(merges), fps=6)
    models = [read_cam_model(demo.run(method), biased) for method in METHODS]
    truth = read_made_truth(demo.videos("truth") / "biased")
    native = replace(options, size_px=CROP_PX)
    looks = [
        cam_example(biased, video_index, models, native, truth)
        for video_index in examples.choose_examples(biased, [], 6, "test")
    ]
    save_png(demo.picture("cam.png"), cam_sheet(looks))
    for method in METHODS:
        queries = examples.retrieval_queries(stores["neutral"], demo.run(method), 6, 6)
        gallery = retrieval_gallery(queries, heading=f"Nearest neighbours by {method}")
        save_png(demo.picture(f"retrieval {method}.png"), gallery)
    draw_curves(
        {method: RunFolder(demo.run(method)).read_metrics() for method in METHODS},
        demo.picture("curves.png"),
    )
    bars = {
        text: {method: top1(by_set[name]) for method, by_set in results.items()}
        for name, text in SETS.items()
    }
    intervals = {
        text: {method: by_set[name].figures["top1"].interval for method, by_set in results.items()}
        for name, text in SETS.items()
    }
    chance = next(iter(results.values()))["neutral"].figures["top1"].chance
    draw_bars(bars, demo.picture("results.png"), chance=chance, intervals=intervals)
    misled = {method: top1(by_set["biased"]) for method, by_set in results.items()}
    # Of a few, the clip whose mask keeps most of what moves: the picture explains the merge.
    clearest = max(zip(masks, merges, strict=False), key=lambda pair: recall(pair[0]))[1]
    draw_story(clearest, misled, chance, demo.picture("story.png"))
    draw_verdict(choose_verdict(demo, biased, results), demo.picture("verdict.png"))


def choose_verdict(demo: Demo, frames: FrameStore, results: Mapping[str, Mapping[str, Result]]) -> Verdict:
    """A test clip that shows best what tells the networks apart: one that the background misleads MoCo on."""
    planned = {f"{video.path}.avi": video for video in plan_videos(0, *demo.labelled_per_motion)}
    learned = {
        motion: planned[f"biased/train/{motion}/000.avi"]
        for motion in sorted({video.motion for video in planned.values()})
    }
    of_background = {video.place: motion for motion, video in learned.items()}
    moco, fame = ({video.id: video for video in results[method]["biased"].predictions} for method in METHODS)

    def telling(name: str) -> tuple[bool, bool, bool]:
        misled = moco[name].predicted == of_background[planned[f"biased/{name}"].place]
        straight = moco[name].label.startswith("move")  # is seen in a few frames
        return misled and not moco[name].right, fame[name].right, straight

    name = max(moco, key=telling)
    lying = of_background[planned[f"biased/{name}"].place]
    numbers = {video.id: number for number, video in enumerate(frames.videos)}

    def shown(video_id: str, motion: str) -> Shown:
        video_index = numbers[video_id]
        return Shown(frames.read(video_index, range(frames.videos[video_index].frame_count)), motion)

    label = moco[name].label
    return Verdict(
        shown(f"train/{label}/000.avi", label),
        shown(f"train/{lying}/000.avi", lying),
        shown(name, label),
        {"MoCo": moco[name].predicted, "MoCo+FAME": fame[name].predicted},
    )


def recall(example: MaskExample) -> float:
    """Share of what moves that a mask keeps."""
    if example.true_mask is None:
        return 0.0
    return share_held(fit_mask(example.mask, example.true_mask), example.true_mask)


def true_mask(demo: Demo, frames: FrameStore, video_index: int) -> NDArray[np.bool_]:
    """(H, W): the pixels that the sprite covers at any time of the clip that a scene shows."""
    video = frames.videos[video_index]
    truth = read_truth(demo.videos("truth") / "pretrain" / Path(video.path).with_suffix(".png"))
    start = int(even_starts(video.frame_count, clip_span(CLIP_FRAMES, FRAME_STRIDE), 1)[0])
    masks = truth[clip_indices(start, CLIP_FRAMES, FRAME_STRIDE, video.frame_count)]
    return np.asarray(masks.any(axis=0))


def sections(demo: Demo, results: dict[str, dict[str, Result]]) -> Sequence[Section]:
    """The report, for a reader who has never met the method."""
    moco, fame = (results[method]["biased"] for method in METHODS)
    videos = moco.splits["test"]["videos"]
    gain = top1(fame) - top1(moco)
    caution = (
        f" The networks learned for {demo.epochs} epoch from {demo.pretrain_videos} videos, which shows that "
        "everything works here and nothing else: leave out --quick to see what the method does."
    )
    rows = [
        [method, *(with_interval(by_set[name].figures["top1"]) for name in SETS)]
        for method, by_set in results.items()
    ]
    return [
        Section(
            "What came out",
            [
                Text(
                    f"Where the background misleads, a linear probe on MoCo's features names the motion of "
                    f"{top1(moco):.1f} % of {videos} test videos; on MoCo+FAME's features, of "
                    f"{top1(fame):.1f} % ({gain:+.1f} points)." + caution * (demo.epochs < PRETRAIN.epochs)
                ),
                PagePicture(
                    demo.picture("verdict.png"),
                    "The probe learned each motion before one background. In the test the same motion stands "
                    "before the background of another: a network that goes by backgrounds names that one.",
                ),
                PagePicture(
                    demo.picture("story.png"),
                    "MoCo+FAME learns from merged clips, where the background identifies nothing.",
                ),
                PagePicture(
                    demo.picture("results.png"),
                    "Top-1 accuracy of the linear probe. Compare the two groups: a network that goes by the "
                    "background does well at the left and loses most at the right. Thin lines: 95 % "
                    "intervals. Dashed: what guessing gives.",
                    chart=True,
                ),
                Table(
                    ["", *SETS.values()],
                    rows,
                    "Top-1 accuracy in percent with its 95 % interval over test videos, one seed.",
                ),
            ],
        ),
        Section(
            "The question",
            [
                Text(
                    "Contrastive learning calls two clips of one video the same and all others different. "
                    "Every video here has a background of its own, so a network can match clips by the "
                    "background alone and never look at what moves. FAME cuts out what moves and puts it on "
                    "the background of another video: now the background tells nothing."
                ),
                Text(
                    "Two sprites and eight motions are shared by all videos. After pretraining without "
                    "labels the network is frozen, and a linear layer learns to name the motion from "
                    "labelled videos. In one labelled set the background tells nothing. In the other each "
                    "motion is trained before one background and tested before those of other motions: who "
                    "goes by the background is misled."
                ),
            ],
        ),
        Section(
            "What the masks keep",
            [
                PagePicture(
                    demo.picture("masks.png"),
                    "From the left: a clip, where it changes (seed), where its colours are those of what "
                    "changes (soft mask), and the half that is kept. Most of what moves should be in it; the "
                    "rest will be the background of another video.",
                )
            ],
        ),
        Section(
            "What the network is shown",
            [
                PagePicture(
                    demo.picture("merge.gif"),
                    "The motion at the left on the background in the middle gives the clip at the right, "
                    "which is to be recognised as the one at the left.",
                )
            ],
        ),
        Section(
            "How they learned",
            [PagePicture(demo.picture("curves.png"), f"{CURVES_CAPTION} {HARDER}", chart=True)],
        ),
        Section("How they were made", made(demo)),
        Section(
            "Where the networks look",
            [
                PagePicture(
                    demo.picture("cam.png"),
                    "Test videos whose background misleads. The second figure is of the true sprite: the "
                    "higher it is above that of an even map, the more a network looks at what moves. FAME's "
                    "own mask keeps half of the frame, so an even map has 50 % in it.",
                )
            ],
        ),
        Section(
            "What they find alike",
            [
                PagePicture(
                    demo.picture(f"retrieval {method}.png"),
                    f"Retrieval by {method}: green has the motion of the query, red another one.",
                )
                for method in METHODS
            ],
        ),
        Section("What lies where", [layout_table()]),
        Section("On your own videos", [Code(describe_own_videos())]),
    ]


def made(demo: Demo) -> list[Table | Text]:
    """When, on what and in how long the networks were trained."""
    known = {method: provenance(RunFolder(demo.run(method))) for method in METHODS}
    names = [name for name in next(iter(known.values())) if name not in ("method", "command")]
    rows = [[name, *(known[method].get(name, "") for method in METHODS)] for name in names]
    return [Table(["", *METHODS], rows), Text("Of each, fame report RUN tells the rest.")]


def layout_table() -> Table:
    """``layout`` as a table, whose lines can be broken on a phone."""
    rows = [(line[:30].rstrip(), line[30:]) for line in layout().splitlines()]
    return Table(["", ""], rows)


def layout() -> str:
    return """\
videos/                       the made videos: pretrain/, neutral/, biased/, and truth/ with their true masks
MoCo+FAME.toml                every option of it, as a recipe
work/                         a WORK folder, of the videos to learn from
  manifest.csv                every video: path, label, split, size, frames, status
  frames/short128-q95-…/      its frames as JPEG, packed in shards; stage.json says how they were made
  statistics/t8-s2-hop1-…/    seed, colour bins and colour counts of every clip
work-neutral/, work-biased/   the same of the labelled videos
runs/MoCo+FAME/               a RUN folder
  config.toml                 every option of the pretraining
  metrics.jsonl, tensorboard/ loss, accuracy and learning rate of every step
  checkpoints/last.pt         where a stopped run goes on
  backbone.safetensors        the pretrained network
  results/*.json              what evaluations found
pictures/                     the pictures of this page"""


def describe_own_videos() -> str:
    return """\
fame run VIDEOS -o out --compare moco"""
