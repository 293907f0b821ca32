"""The demo: the background bias seen, and seen to go, on videos made on the spot.

Every step is one of the toolkit's own stages on made videos, so the demo can be stopped and started like
them; and its folder shows a newcomer how WORK and RUN are laid out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fame_cli.advice import command
from fame_cli.config import (
    EvaluationConfig,
    ExtractConfig,
    LinearConfig,
    PretrainConfig,
    RetrievalConfig,
    StatisticsConfig,
)
from fame_cli.data import statistics as statistics_room
from fame_cli.data.clips import clip_indices, clip_span, even_starts
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.manifest import combine, write_manifest
from fame_cli.data.sources.folder import index_folder
from fame_cli.data.statistics import StatisticsStore
from fame_cli.data.synthetic import make_video_set, read_truth
from fame_cli.evaluation import classify, retrieval
from fame_cli.evaluation.bias.differences import with_interval
from fame_cli.evaluation.evaluation import Evaluation, Phase, Weights, random_weights, read_weights
from fame_cli.evaluation.results import Result
from fame_cli.evaluation.splits import choose_videos
from fame_cli.learning.device import choose_device
from fame_cli.learning.pretrain import pretrain
from fame_cli.learning.run import RunFolder
from fame_cli.method import FameConfig, MocoConfig
from fame_cli.stage import Workers
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

METHODS = {"MoCo": PRETRAIN.with_options(beta=1.0), "MoCo+FAME": PRETRAIN}
SETS = {"neutral": "background tells nothing", "biased": "background misleads"}


@dataclass(frozen=True)
class Demo:
    """The demo's folder and how it is worked on."""

    folder: Path
    phase: Phase
    jobs: int
    device: str
    pretrain_videos: int = 960
    labelled_per_motion: tuple[int, int] = (40, 28)
    """Videos of each motion in each labelled set, to learn from and to test on."""
    epochs: int = PRETRAIN.epochs
    linear: LinearConfig = LINEAR

    def work(self, name: str) -> Path:
        return self.folder / "work" / name

    def run(self, method: str) -> Path:
        return self.folder / "runs" / method

    def picture(self, name: str) -> Path:
        return self.folder / "pictures" / name


def quick(demo: Demo) -> Demo:
    """The same with as few videos and steps as every stage can do with: shows that all works, and no more."""
    linear = replace(LINEAR, epochs=5)
    return replace(demo, pretrain_videos=64, labelled_per_motion=(7, 7), epochs=1, linear=linear)


def make_demo(demo: Demo) -> Path:
    """Run every stage, as far as it is not done, and write the report; returns its path."""
    with demo.phase("making videos", "videos") as tell:
        make_video_set(
            demo.folder / "videos",
            pretrain_videos=demo.pretrain_videos,
            train_per_motion=demo.labelled_per_motion[0],
            test_per_motion=demo.labelled_per_motion[1],
            progress=lambda done, total: tell(done, total, ""),
        )
    stores = {name: extract_set(demo, name) for name in ("pretrain", *SETS)}
    statistics = compute_statistics(demo, stores["pretrain"])
    for method, config in METHODS.items():
        learn(demo, method, replace(config, epochs=demo.epochs), stores["pretrain"], statistics)
    results = evaluate_all(demo, stores)
    draw_pictures(demo, stores, statistics, results)
    report = demo.folder / "report.html"
    write_report(
        report,
        "FAME: background bias, before and after",
        sections(demo, results),
        written_by(command("demo", "-o", demo.folder)),
    )
    return report


def extract_set(demo: Demo, name: str) -> FrameStore:
    """One of the three video sets as WORK folder: ``fame extract``."""
    work = demo.work(name)
    work.mkdir(parents=True, exist_ok=True)
    manifest = combine(work, index_folder((demo.folder / "videos" / name).absolute()))
    with demo.phase(f"extracting {name}", "videos") as tell:
        report, manifest = extract(
            work, manifest, ExtractConfig(), Workers(demo.jobs), lambda done, total: tell(done, total, "")
        )
    write_manifest(work, manifest)
    return FrameStore(report.folder, manifest)


def compute_statistics(demo: Demo, frames: FrameStore) -> StatisticsStore:
    """The statistics of the videos to learn from: ``fame masks``."""
    config = StatisticsConfig(CLIP_FRAMES, FRAME_STRIDE, hop_frames=1)
    with demo.phase("statistics", "videos") as tell:
        report = statistics_room.compute(
            demo.work("pretrain"),
            frames,
            config,
            Workers(demo.jobs),
            lambda done, total: tell(done, total, ""),
        )
    return StatisticsStore(report.folder, frames)


def learn(
    demo: Demo, method: str, config: PretrainConfig, frames: FrameStore, statistics: StatisticsStore
) -> None:
    """One pretraining: ``fame pretrain``."""
    with demo.phase(f"pretraining {method}", "steps") as tell:
        pretrain(
            demo.run(method),
            frames,
            statistics if config.merges else None,
            config,
            resume=True,
            device=demo.device,
            workers=1,  # the small network leaves time to load the next batch beside it
            tell=lambda at: tell(at.step, at.total_steps, f"loss {at.loss:.2f} (chance {at.chance:.2f})"),
        )


def evaluate_all(demo: Demo, stores: dict[str, FrameStore]) -> dict[str, dict[str, Result]]:
    """Linear probes of all weights on both labelled sets, by method and set; and a retrieval of each."""
    weights = {"untrained": random_weights(PRETRAIN.backbone, seed=0)}
    weights |= {method: read_weights(demo.run(method) / "backbone.safetensors") for method in METHODS}
    results: dict[str, dict[str, Result]] = {method: {} for method in weights}
    for method, evaluated in weights.items():
        for name in SETS:
            evaluation = make_evaluation(demo, method, evaluated, stores[name])
            results[method][name] = classify.linear(evaluation, demo.linear)
        if method in METHODS:
            retrieval.retrieval(make_evaluation(demo, method, evaluated, stores["neutral"]), RETRIEVAL)
    return results


def make_evaluation(demo: Demo, method: str, weights: Weights, frames: FrameStore) -> Evaluation:
    videos = choose_videos(frames, EVALUATION["train_split"], EVALUATION["test_split"])
    return Evaluation(demo.run(method), videos, weights, choose_device(demo.device), progress=demo.phase)


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
    truth = read_made_truth(demo.folder / "videos" / "truth" / "biased")
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


def recall(example: MaskExample) -> float:
    """Share of what moves that a mask keeps."""
    if example.true_mask is None:
        return 0.0
    return share_held(fit_mask(example.mask, example.true_mask), example.true_mask)


def true_mask(demo: Demo, frames: FrameStore, video_index: int) -> NDArray[np.bool_]:
    """(H, W): the pixels that the sprite covers at any time of the clip that a scene shows."""
    video = frames.videos[video_index]
    truth = read_truth(demo.folder / "videos" / "truth" / "pretrain" / Path(video.path).with_suffix(".png"))
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
work/pretrain/                a WORK folder
  manifest.csv                every video: path, label, split, size, frames, status
  frames/short128-q95-…/      its frames as JPEG, packed in shards; stage.json says how they were made
  statistics/t8-s2-hop1-…/    seed, colour bins and colour counts of every clip
runs/MoCo+FAME/               a RUN folder
  config.toml                 every option of the pretraining
  metrics.jsonl, tensorboard/ loss, accuracy and learning rate of every step
  checkpoints/last.pt         where a stopped run goes on
  backbone.safetensors        the pretrained network
  results/*.json              what evaluations found
pictures/                     the pictures of this page"""


def describe_own_videos() -> str:
    return """\
fame extract VIDEOS -o work
fame masks work
fame pretrain work -o run
fame eval linear work run"""
