"""What ``fame run`` does: the whole way from videos to a page, as commands that anybody could type."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fame_cli import stage
from fame_cli.advice import stages
from fame_cli.cli.baseline import plan_compared
from fame_cli.cli.evaluable import find_obstacle
from fame_cli.cli.planned_run import PlannedRun, options_as_words, plan_run, recipe_table
from fame_cli.cli.report import COMPARISON, PAGE
from fame_cli.cli.status import fitting_batch
from fame_cli.cli.steps import Step
from fame_cli.config import EvaluationConfig, ExtractConfig, PretrainConfig, StatisticsConfig
from fame_cli.errors import ArtefactError
from fame_cli.recipe import TABLES

if TYPE_CHECKING:
    from fame_cli.data.manifest import Manifest, Video

PROTOCOLS = {"linear": "Linear probe", "retrieval": "Retrieval", "knn": "Nearest neighbours"}
"""Evaluations that take little time beside a pretraining, with their titles."""
FINETUNE = {"finetune": "Finetune"}


@dataclass(frozen=True)
class Plan:
    """The way from DATA to OUT, in steps that follow from what is asked for and what is on disk."""

    data: Path
    output: Path
    found: "Manifest"
    """The videos of DATA, as ``fame extract`` will list them or has listed them."""
    recipe: str | None = None
    indexing: Sequence[object] = ()
    """Options of ``fame extract`` that say how DATA is indexed, as words."""
    chosen: Mapping[str, Any] | None = None
    """Options of the pretraining that are laid over the recipe's, by name."""
    compare: str | None = None
    finetune: bool = False
    on_cpu: bool = False
    """Whether it is known to learn on a CPU."""
    learn_on: Sequence[object] = ()
    """Options of commands that learn, as words."""
    extract_on: Sequence[object] = ()
    """Options of commands that extract, as words."""

    @property
    def work(self) -> Path:
        return self.output / "work"

    def steps(self) -> Iterator[Step]:
        """All steps; those after one that has not been taken yet may still change in their options."""
        yield from self.learning()
        plan = self.refreshed()
        if not plan.without_evaluation:
            yield from plan.evaluations()
            yield from plan.pictures()
        yield from plan.pages()

    def learning(self) -> Iterator[Step]:
        """From the videos to pretrained networks."""
        yield self.extraction()
        plan = self.refreshed()
        if plan.needs_masks:
            yield plan.masks()
        for run in plan.runs:
            yield plan.pretraining(run)

    def refreshed(self) -> "Plan":
        """The same with what WORK knows of the videos by now, as far as it does."""
        from fame_cli.data.manifest import is_work, read_manifest

        try:
            return replace(self, found=read_manifest(self.work)) if is_work(self.work) else self
        except ArtefactError:  # fame extract mends it
            return self

    def extraction(self) -> Step:
        options = [*self.indexing, *self.recipe_words("extract"), *self.extract_on]
        return Step("Decode the videos", ["extract", self.data, "-o", self.work, *options], can_forecast=True)

    def masks(self) -> Step:
        wanted = {
            name: value
            for name, value in self.statistics.to_dict().items()
            if value != StatisticsConfig.from_dict(recipe_table(self.recipe, "masks")).to_dict()[name]
        }
        return Step(
            "Find what moves in each clip",
            [
                *("masks", self.work, *self.recipe_words("masks"), *self.frames_words()),
                *(*options_as_words(wanted), *self.extract_on),
            ],
            can_forecast=has_finished(self.work / "frames"),
        )

    def pretraining(self, run: PlannedRun) -> Step:
        notes = []
        if "batch_size" in run.options and "batch_size" not in (self.chosen or {}):
            notes.append(f"There are {self.count_videos()} videos to learn from, so batches are smaller.")
        if self.on_cpu and run.config.backbone != "small":
            notes.append(f"No GPU: {run.config.backbone} takes long on a CPU, --backbone small does not.")
        ready = has_finished(self.work / "frames")
        if run.reads_maps:
            ready = ready and has_finished(self.work / "statistics")
        start = "--resume" if run.is_begun else "-o"
        return Step(
            f"Pretrain {run.name}",
            [
                *("pretrain", self.work, start, run.folder, *run.words, *self.frames_words()),
                *(*(self.statistics_words() if run.reads_maps else []), *self.learn_on),
            ],
            " ".join(notes),
            can_forecast=ready,
        )

    def evaluations(self) -> Iterator[Step]:
        """Every evaluation that the data allows, and what it says of two networks beside each other."""
        protocols = {**PROTOCOLS, **(FINETUNE if self.finetune else {})}
        for run in self.runs:
            for protocol, title in protocols.items():
                yield Step(
                    f"{title}: {run.name}",
                    ["eval", protocol, self.work, run.folder, *self.evaluation_words(protocol)],
                    can_forecast=run.is_finished,
                )
        if len(self.runs) > 1:
            for protocol in protocols:
                results = [f"{run.name}={self.result_of(run, protocol)}" for run in self.runs]
                yield Step(f"Side by side: {protocol}", ["compare", *results, "--protocol", protocol])
        yield self.bias()

    def bias(self) -> Step:
        run, *others = self.runs
        against = [word for other in others for word in ("--against", other.folder)]
        return Step(
            "How much of it is the background",
            [
                *("eval", "bias", self.work, run.folder, *against, *self.evaluation_words("bias")),
                *self.statistics_words(),
            ],
            can_forecast=all(run.is_finished for run in self.runs),
        )

    def pictures(self) -> Iterator[Step]:
        """Where the networks look, and what each takes for alike, for the pages."""
        folders = [run.folder for run in self.runs]
        where = ["visualize", "cam", self.work, *folders, "--split", self.test_split, *self.frames_words()]
        yield picture("Where each network looks", where, self.runs, "cam.png")
        for run in self.runs:
            alike = ["visualize", "retrieval", self.work, run.folder]
            yield picture(f"Nearest videos: {run.name}", alike, [run], "retrieval.png")

    def pages(self) -> Iterator[Step]:
        """Everything that is known of each network, to be read; of two, one more that compares them."""
        if len(self.runs) > 1:
            yield from (page([run], run.folder) for run in self.runs)
        yield page(self.runs, self.output)

    @property
    def last_page(self) -> Path:
        """The page to begin with."""
        return page_path(self.runs, self.output)

    def result_of(self, run: PlannedRun, protocol: str) -> Path:
        """The file of an evaluation, as far as it is there."""
        clips = {name: getattr(run.config, name) for name in EvaluationConfig.defaults_shown}
        table = {**recipe_table(self.recipe, protocol), "test_split": self.test_split}
        return run.find_result(protocol, TABLES[protocol].from_dict({**clips, **table}))

    @cached_property
    def runs(self) -> list[PlannedRun]:
        """What is pretrained: what is asked for, and what that is compared with."""
        options = dict(self.chosen or {})
        videos = self.count_videos()
        asked = {**recipe_table(self.recipe, "pretrain"), **options}
        if "batch_size" not in asked and 2 <= videos < PretrainConfig().batch_size:
            options["batch_size"] = fitting_batch(videos)
        run = plan_run(self.output / "runs", self.recipe, options)
        return [run, *([plan_compared(run, self.compare)] if self.compare else [])]

    @property
    def statistics(self) -> StatisticsConfig:
        """What masks are made from: of the clips that are learned from."""
        config = self.runs[0].config
        wanted: dict[str, Any] = {"clip_frames": config.clip_frames, "frame_stride": config.frame_stride}
        for hue in [run.config.hue for run in self.runs if run.config.hue][:1]:
            wanted["hue"] = hue
        return StatisticsConfig.from_dict({**recipe_table(self.recipe, "masks"), **wanted})

    @property
    def needs_masks(self) -> bool:
        return not self.without_evaluation or any(run.reads_maps for run in self.runs)

    @cached_property
    def without_evaluation(self) -> str:
        """Why nothing can be evaluated, with what to do about it; empty where something can."""
        return find_obstacle(self.videos, self.test_split)

    @property
    def test_split(self) -> str:
        """Videos to validate on stand in where there are none to test on, as for Kinetics."""
        return "test" if any(video.split == "test" for video in self.found.videos) else "val"

    def count_videos(self) -> int:
        """Videos to learn from, as far as is known."""
        split = recipe_table(self.recipe, "pretrain").get("split", PretrainConfig().split)
        without_splits = not any(video.split for video in self.found.videos)
        return sum(without_splits or video.split == split for video in self.videos)

    @property
    def videos(self) -> list["Video"]:
        """Those that can be used, as far as is known."""
        return [video for video in self.found.videos if video.status not in ("failed", "removed")]

    def recipe_words(self, table: str) -> list[object]:
        """--recipe, for a command that it says something of."""
        return ["--recipe", self.recipe] if self.recipe and recipe_table(self.recipe, table) else []

    def evaluation_words(self, protocol: str) -> list[object]:
        split = ["--test-split", self.test_split] if self.test_split != "test" else []
        return [*self.recipe_words(protocol), *split, *self.frames_words(), *self.learn_on]

    def frames_words(self) -> list[object]:
        """--frames, where other recipes left other frames in WORK."""
        return ["--frames", self.frames.name] if len(stages(self.work, "frames")) > 1 else []

    @property
    def frames(self) -> Path:
        from fame_cli.data.frames import extraction

        config = ExtractConfig.from_dict(recipe_table(self.recipe, "extract"))
        return extraction(self.work, replace(self.found, videos=()), config)[0]

    def statistics_words(self) -> list[object]:
        """--statistics-store, where other recipes left other statistics in WORK."""
        if len(stages(self.work, "statistics")) < 2:
            return []
        from fame_cli.data.statistics import statistics_folder

        return ["--statistics-store", statistics_folder(self.work, self.frames.name, self.statistics).name]


def picture(title: str, words: Sequence[object], runs: Sequence[PlannedRun], name: str) -> Step:
    """A picture about some runs in the folder of the first, unless one is newer than all their results."""
    path = runs[0].folder / "pictures" / name
    current = path.exists() and path.stat().st_mtime > max(run.evaluated for run in runs)
    return Step(title, words, is_there=f"{path} is newer than all results" if current else "")


def page(runs: Sequence[PlannedRun], folder: Path) -> Step:
    """A page about some runs, unless one is there that is newer than all that it shows."""
    path = page_path(runs, folder)
    current = path.exists() and path.stat().st_mtime > max(run.changed for run in runs)
    return Step(
        f"A page about {' and '.join(run.name for run in runs)}",
        ["report", *(run.folder for run in runs), *(["-o", folder] if folder != runs[0].folder else [])],
        is_there=f"{path} is newer than all that it shows" if current else "",
    )


def page_path(runs: Sequence[PlannedRun], folder: Path) -> Path:
    return folder / (PAGE if len(runs) == 1 else COMPARISON)


def has_finished(kind: Path) -> bool:
    """Whether WORK has a finished stage of a kind."""
    return any(stage.is_complete(folder) for folder in kind.glob("*-*"))
