"""The demo's page: what came out, for a reader who has never met the method."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fame_cli.advice import command
from fame_cli.config import LinearConfig
from fame_cli.data.frames import FrameStore, open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import open_statistics_store
from fame_cli.demo.material import CLIP_FRAMES, FRAME_STRIDE, METHODS, PRETRAIN, SETS, UNTRAINED, Demo
from fame_cli.demo.pictures import draw_pictures, top1
from fame_cli.errors import ArtefactError
from fame_cli.evaluation.bias.differences import with_interval
from fame_cli.evaluation.results import Result
from fame_cli.learning.run import RunFolder
from fame_cli.visualization import examples
from fame_cli.visualization.provenance import provenance
from fame_cli.visualization.report import Code, PagePicture, Section, Table, Text, write_report, written_by
from fame_cli.visualization.run_report import CURVES_CAPTION, HARDER


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


def sections(demo: Demo, results: dict[str, dict[str, Result]]) -> Sequence[Section]:
    """The page from its top: what came out, how it came about, and what to do next."""
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
