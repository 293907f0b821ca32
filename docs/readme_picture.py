"""The picture at the top of the README, drawn from a demo.

    fame demo -o demo
    python -m docs.readme_picture demo

One video of the demo, what its mask keeps and the merged clip; beside it the linear probes of both networks
where the background lies.
"""

import json
import sys
from pathlib import Path

import numpy as np

from fame_cli.data.frames import open_frame_store
from fame_cli.data.manifest import read_manifest
from fame_cli.data.statistics import StatisticsStore
from fame_cli.data.store import choose_store
from fame_cli.demo import CLIP_FRAMES, FRAME_STRIDE, METHODS
from fame_cli.visualization.charts import new_figure, save_figure
from fame_cli.visualization.examples import MaskOptions, choose_positions, merge_example

GROUND = 200
COLOURS = ("#8c8c8c", "#d1495b")


def biased_accuracy(run: Path) -> float:
    """Top-1 in percent of the linear probe on the set where the background lies."""
    results = [json.loads(path.read_text()) for path in sorted((run / "results").glob("linear-*.json"))]
    biased = [result for result in results if "biased" in json.dumps(result["splits"]["source"])]
    assert biased, f"{run} holds no linear probe on the biased set"
    return float(biased[-1]["figures"]["top1"]["percent"])


def main(demo: Path, target: Path) -> None:
    work = demo / "work" / "pretrain"
    frames = open_frame_store(work, read_manifest(work), None)
    statistics = StatisticsStore(choose_store(work / "statistics", None, "", ""), frames)
    options = MaskOptions(CLIP_FRAMES, FRAME_STRIDE, 96, 0.5, "fame")
    front, back = choose_positions(frames, [], 6)[1:3]
    example = merge_example(frames, statistics, front, back, options)
    middle = len(example.foreground) // 2
    kept = np.where(np.asarray(example.mask)[..., None] > 0, example.foreground[middle], GROUND)
    tiles = {
        "a video": example.foreground[middle],
        "its moving foreground": kept.astype(np.uint8),
        "on another video's background": example.merged[middle],
    }
    figure = new_figure(11, 2.9)
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.35])
    for axis, (title, picture) in zip(axes, tiles.items(), strict=False):
        axis.imshow(picture)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    accuracies = [biased_accuracy(demo / "runs" / method) for method in METHODS]
    chart = axes[-1]
    bars = chart.barh(list(METHODS)[::-1], accuracies[::-1], color=COLOURS[::-1], height=0.55)
    chart.bar_label(bars, fmt="%.0f %%", padding=4, fontsize=10)
    chart.set_xlim(0, 100)
    chart.set_title("motion named right where\nthe background lies", fontsize=10)
    chart.spines[["top", "right", "bottom"]].set_visible(False)
    chart.set_xticks([])
    chart.tick_params(left=False, labelsize=10)
    save_figure(figure, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent / "pictures" / "readme.png")
