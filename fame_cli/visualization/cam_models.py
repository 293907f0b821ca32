"""Models whose activations are shown: read from RUN folders, and asked about clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fame_cli.data.clips import central_square
from fame_cli.data.frames import FrameStore
from fame_cli.data.synthetic import read_truth
from fame_cli.data.views import normalise
from fame_cli.evaluation.classifier import SavedClassifier, load_classifier
from fame_cli.evaluation.classify import CLASSIFIER
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.checkpoint import load_backbone
from fame_cli.visualization.cam import Answer, CamExample, class_activation_map, class_agnostic_map
from fame_cli.visualization.examples import MaskOptions, Scene, own_results, read_scene, scene_masks, to_batch
from fame_cli.visualization.motion import MotionView, motion_map

TrueMasks = Callable[[Scene], NDArray[np.bool_]]
"""Gives the true foreground (T, S, S) of a scene's frames."""


@dataclass(frozen=True)
class CamModel:
    """A backbone and, if there is one, a classifier on top."""

    name: str
    backbone: Backbone
    classifier: SavedClassifier | None
    evaluation: str = ""
    """Folder of the evaluation that the classifier is from."""
    motion: MotionView | None = None
    """How its decomposition is shown, if it is to be."""


def read_cam_model(
    run: Path, frames: FrameStore, protocol: str = "", name: str = "", backbone_name: str | None = None
) -> CamModel:
    """The backbone of a run with a classifier on it: a linear probe's, or a finetuned one.

    It is the one evaluated last on ``frames`` or, where none was, on others; of ``protocol`` alone if that is
    given. ``backbone_name`` is needed where the network is one of the user's own.
    """
    results = own_results(run, protocol)
    results.sort(key=lambda found: found[1].frames.get("fingerprint") == frames.fingerprint)
    found = (run / "evaluations" / path.stem / CLASSIFIER for path, _ in results)
    paths = [path for path in found if path.exists()]
    name = name or run.resolve().name
    classifier = load_classifier(paths[-1], backbone_name) if paths else None
    evaluation = paths[-1].parent.name if paths else ""
    if classifier is not None and classifier.backbone is not None:
        return CamModel(name, classifier.backbone, classifier, evaluation)
    backbone, _ = load_backbone(run / "backbone.safetensors", backbone_name)
    return CamModel(name, backbone.eval(), classifier, evaluation)


def cam_example(
    frames: FrameStore,
    video_index: int,
    models: Sequence[CamModel],
    options: MaskOptions,
    true_masks: TrueMasks | None = None,
) -> CamExample:
    """A row of the activation sheet: where each model looks, beside what FAME keeps."""
    scene = read_scene(frames, None, video_index, options)
    clips = normalise(to_batch(scene.frames))
    return CamExample(
        caption=scene.video.id,
        frames=scene.frames,
        answers=[answer(model, clips) for model in models],
        true_class=scene.video.label,
        mask=scene_masks(scene, options).hard[0].numpy(),
        true_mask=true_masks(scene) if true_masks else None,
    )


@torch.no_grad()
def answer(model: CamModel, clips: Tensor) -> Answer:
    """Activation maps of one model on one clip; the class map is of the class that it predicts."""
    features = model.backbone.feature_map(clips)[0]
    agnostic = class_agnostic_map(features.numpy())
    motion = motion_map(model.backbone, clips, model.motion) if model.motion else None
    if model.classifier is None:
        return Answer(model.name, agnostic, motion_map=motion)
    pooled = features.mean((1, 2, 3))
    if model.classifier.backbone is None:
        pooled = torch.nn.functional.normalize(pooled, dim=0)  # a probe's layer saw unit vectors
    logits = model.classifier.weight @ pooled + model.classifier.bias
    predicted = int(logits.argmax())
    weight = model.classifier.weight[predicted].numpy()
    return Answer(
        model.name,
        agnostic,
        class_activation_map(features.numpy(), weight),
        model.classifier.class_names[predicted],
        motion_map=motion,
    )


def read_made_truth(folder: Path) -> TrueMasks:
    """True masks of made videos (``synthetic.write_truth``): ``folder/<id without suffix>.png``."""

    def read(scene: Scene) -> NDArray[np.bool_]:
        masks = read_truth(folder / Path(scene.video.id).with_suffix(".png"))[scene.indices]
        top, left, height, width = central_square(*masks.shape[1:])
        side = scene.frames.shape[1]
        square = masks[:, top : top + height, left : left + width].astype(np.uint8)
        return np.stack(
            [cv2.resize(one, (side, side), interpolation=cv2.INTER_NEAREST) > 0 for one in square]
        )

    return read
