"""The pictures of the demo's page: ``fame visualize`` on its own videos, whose true masks are known."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fame_cli.data.clips import clip_indices, clip_span, even_starts
from fame_cli.data.frames import FrameStore
from fame_cli.data.made_plan import plan_videos
from fame_cli.data.statistics import StatisticsStore
from fame_cli.data.synthetic import read_truth
from fame_cli.demo.material import CLIP_FRAMES, CROP_PX, FAME, FRAME_STRIDE, METHODS, SETS, Demo
from fame_cli.evaluation.results import Result
from fame_cli.learning.run import RunFolder
from fame_cli.visualization import examples
from fame_cli.visualization.bars import draw_bars
from fame_cli.visualization.cam import cam_sheet
from fame_cli.visualization.cam_models import cam_example, read_cam_model, read_made_truth
from fame_cli.visualization.curves import draw_curves
from fame_cli.visualization.gallery import retrieval_gallery
from fame_cli.visualization.masks import MaskExample, fit_mask, mask_sheet, merge_animation, share_held
from fame_cli.visualization.pictures import save_gif, save_png
from fame_cli.visualization.story import draw_story
from fame_cli.visualization.verdict import Shown, Verdict, draw_verdict


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
