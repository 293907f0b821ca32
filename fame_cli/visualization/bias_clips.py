"""What a network meets in a bias report: one row a test, on the same videos."""

from pathlib import Path

import numpy as np
import torch

from fame_cli.config import BiasConfig
from fame_cli.data.picture import Frame
from fame_cli.evaluation.bias.battery import ALTERATIONS, AS_THEY_ARE, TESTS, BiasTest
from fame_cli.evaluation.bias.material import Material, MaterialReader
from fame_cli.evaluation.bias.report import BiasSetting
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.results import Result
from fame_cli.visualization.pictures import save_png, strip
from fame_cli.visualization.sheet import SheetRow, Tile, draw_sheet

VIDEOS_SHOWN = 4
FRAMES_SHOWN = 3


def draw_bias_clips(
    evaluation: Evaluation, config: BiasConfig, setting: BiasSetting, result: Result, path: Path
) -> None:
    """Draw the middle clip of some test videos as each test shows it, and whether the answer was right."""
    videos = evaluation.videos
    count = min(VIDEOS_SHOWN, len(videos.test))
    places = np.unique(np.linspace(0, len(videos.test) - 1, count).round().astype(int)).tolist()
    # A single clip of each video: the one in its middle.
    middle = BiasConfig.from_dict(config.to_dict() | {"clips": 1})
    ids = {video.id: video_index for video_index, video in enumerate(videos.frames.videos)}
    reader = MaterialReader(
        videos.frames,
        [videos.test[place] for place in places],
        middle,
        setting.masks,
        pairs=setting.pairing.pairs,
        places=ids,
    )
    materials = [reader[item] for item in range(len(places))]
    rows = [mask_row(materials)]
    rows += [
        SheetRow(
            test.title,
            [tile(test, material, result, place) for material, place in zip(materials, places, strict=True)],
        )
        for test in TESTS
        if not test.unless and test.label == "foreground"
    ]
    titles = [f"{result.predictions[place].label}\n{result.predictions[place].id}" for place in places]
    sheet = draw_sheet(
        rows,
        titles,
        heading="What each test shows",
        explanation="Some frames of the middle clip. Green with a tick: the video's class was recognised in "
        "this test, from all its clips. Red with a cross: it was not.",
        tile_height_px=72,
    )
    save_png(path, sheet)


def mask_row(materials: list[Material]) -> SheetRow:
    tiles = [
        Tile(strip(255 * material.mask[0].numpy().astype(np.uint8), FRAMES_SHOWN)) for material in materials
    ]
    return SheetRow("foreground (white), by the masks of the report", tiles)


def tile(test: BiasTest, material: Material, result: Result, place: int) -> Tile:
    hit = result.bias["hits"][test.name][place]
    if hit is None:
        return Tile(
            strip(torch.full_like(material.frames[0], 255).numpy(), FRAMES_SHOWN), "no such background"
        )
    shown = material.frames if test.clips == AS_THEY_ARE else ALTERATIONS[test.clips](material)
    frames: Frame = shown[0].numpy()
    return Tile(strip(frames, FRAMES_SHOWN), mark="right" if hit else "wrong")
