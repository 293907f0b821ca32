"""One run: a network trained by one method from one seed, and what linear probes make of its features."""

from pathlib import Path
from typing import Any

import torch

from benchmarks.debias.material import MADE, Material
from fame_cli.evaluation import classify
from fame_cli.evaluation.evaluation import Evaluation, Phase, Weights, random_weights, read_weights
from fame_cli.evaluation.results import Result
from fame_cli.evaluation.splits import choose_videos
from fame_cli.learning.pretrain import pretrain

UNTRAINED, SUPERVISED = "random weights", "supervised"
PRETRAINED: dict[str, dict[str, Any]] = {
    "MoCo": {"beta": 1.0},
    "MoCo+FAME β .5": {"beta": 0.5},
    "MoCo+FAME β .3": {"beta": 0.3},
    "MoCo+seed β .5": {"beta": 0.5, "variant": "seed"},
    "MoCo+gauss β .5": {"beta": 0.5, "variant": "gauss"},
    "MoCo, whole batches": {"beta": 1.0, "batch_norm_clips": 0},
    "MoCo+FAME β .5, whole batches": {"beta": 0.5, "batch_norm_clips": 0},
}
"""What each pretraining changes of the material's options."""
METHODS = (UNTRAINED, *PRETRAINED, SUPERVISED)

MOCO = {"queue_length": MADE.objective.queue_length, "momentum": MADE.objective.momentum}
WIDE_MICRO = {**MOCO, "objective": "wide-micro", "background": "still"}
SAME_FRAMES = {"positive": "same-frames", "symmetric": False, "head": "linear"}
NEGATIVE = {"extra_negative": "intra-video"}
BE = {"distraction": "frame-intra", **SAME_FRAMES, **NEGATIVE}
DIALLED: dict[str, dict[str, Any]] = {
    "MoCo": {"beta": 1.0},
    "MoCo+FAME": {},
    "MoCo+BE": BE,
    "MoCo+FAME still": {"background": "still"},
    "wide alone": {**WIDE_MICRO, "micro_weight": 0.0},
    "micro alone": {**WIDE_MICRO, "wide_weight": 0.0},
    "wide-micro": WIDE_MICRO,
}
"""The same of the methods that are put to the dials: three of papers, and wide-micro beside its parts."""
WIDE_MICRO_PARTS: dict[str, dict[str, Any]] = {
    **{name: DIALLED[name] for name in ("MoCo", "MoCo+FAME still", "wide alone")},
    "wide alone, α 4": {**DIALLED["wide alone"], "alpha": 4.0},
    **{name: DIALLED[name] for name in ("micro alone", "wide-micro")},
    "wide-micro, ν .1": {**WIDE_MICRO, "static_weight": 0.1},
}
"""wide-micro taken apart: without all its losses (α = 0), with each by itself, a stronger α, and L_static."""

DISTRACTIONS = ("noise", "mixup", "cutmix", "frame-inter")
BE_PARTS: dict[str, dict[str, Any]] = {
    **{name: DIALLED[name] for name in ("MoCo", "MoCo+FAME")},
    "same frames": {"distraction": "none", **SAME_FRAMES},
    "+ distraction": {"distraction": "frame-intra", **SAME_FRAMES},
    "+ negative": {"distraction": "none", **SAME_FRAMES, **NEGATIVE},
    "BE": BE,
    **{f"BE, {name}": {**BE, "distraction": name} for name in DISTRACTIONS},
}
"""BE taken apart: what is left of it without both, each by itself, both, and with the other distractions."""

TASKS: dict[str, dict[str, Any]] = {
    "rotation": {},
    "puzzle": {"clip_frames": 16},
    "order": {"clip_frames": 4, "order_gap_frames": 2},
}
"""Pretext tasks. Pieces of a puzzle need long clips; three clips in order need short ones."""
LESS_CONSISTENCY = (0.1, 0.01)
"""β, added for the task that was learned best when all maps had become alike with 1."""


def pretext(task: str, consistency: float = 0.0) -> dict[str, Any]:
    distraction = "frame-intra" if consistency else "none"
    options = {"objective": task, "learning_rate": 3e-3, **TASKS[task], "distraction": distraction}
    return options | ({"consistency": consistency} if consistency else {})


PRETEXT: dict[str, dict[str, Any]] = {
    **{f"{task}{be}": pretext(task, weight) for task in TASKS for be, weight in (("", 0.0), (" + BE", 1.0))},
    **{f"order + BE, β {weight:g}": pretext("order", weight) for weight in LESS_CONSISTENCY},
}
OPTIONS = {**PRETRAINED, **DIALLED, **WIDE_MICRO_PARTS, **BE_PARTS, **PRETEXT}
BASELINES = {
    "MoCo+FAME β .5, whole batches": "MoCo, whole batches",
    **dict.fromkeys((method for method in BE_PARTS if method.startswith(("+", "BE"))), "same frames"),
    **dict.fromkeys(TASKS, UNTRAINED),
    **{name: PRETEXT[name]["objective"] for name in PRETEXT if "BE" in name},
}


def baseline_of(method: str) -> str:
    """The method that another one adds something to: the difference between the two is in the tables."""
    return BASELINES.get(method, "MoCo")


CPU = torch.device("cpu")


def run(material: Material, method: str, seed: int, folder: Path, phase: Phase) -> dict[str, Result]:
    """Train and probe in the RUN folder ``folder``, as far as not done; returns each test's result."""
    weights = trained_weights(material, method, seed, folder, phase)
    results = {}
    for test in material.tests:
        config = material.linear(test, seed)
        results[test] = classify.linear(evaluation(material, weights, config, folder, phase), config)
    return results


def trained_weights(material: Material, method: str, seed: int, folder: Path, phase: Phase) -> Weights:
    untrained = random_weights(material.pretrain.backbone, seed)
    if method == UNTRAINED:
        return untrained
    if method == SUPERVISED:
        config = material.supervised(seed)
        learner = evaluation(material, untrained, config, folder, phase)
        classify.finetune(learner, config)
        return read_weights(learner.evaluation_folder("finetune", config) / classify.CLASSIFIER)
    options = material.pretrain.with_options(seed=seed, **OPTIONS[method])
    with phase(f"{method}, seed {seed}", "steps") as tell:
        pretrain(
            folder,
            material.frames(),
            material.statistics() if options.merges else None,
            options,
            resume=True,
            device="cpu",
            workers=0,
            tell=lambda at: tell(at.step, at.total_steps, f"loss {at.loss:.2f} (chance {at.chance:.2f})"),
        )
    return read_weights(folder / "backbone.safetensors")


def evaluation(material: Material, weights: Weights, config: Any, folder: Path, phase: Phase) -> Evaluation:
    videos = choose_videos(material.frames(), config.train_split, config.test_split)
    return Evaluation(folder, videos, weights, CPU, progress=phase)
