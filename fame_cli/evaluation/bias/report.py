"""The bias report: one classifier meets clips whose background, foreground or order was changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fame_cli.config import BiasConfig, fingerprint
from fame_cli.errors import FameError
from fame_cli.evaluation.bias.altered import Altered, AlteredFeatures, compute_altered
from fame_cli.evaluation.bias.battery import AS_THEY_ARE, TESTS, BiasTest
from fame_cli.evaluation.bias.judge import Finetuned, Judge, train_background_judge, train_judge
from fame_cli.evaluation.bias.masks import MaskSource
from fame_cli.evaluation.bias.pairing import Pairing
from fame_cli.evaluation.evaluation import Evaluation, require_clips_fit
from fame_cli.evaluation.features import compute_features
from fame_cli.evaluation.results import RESULTS, Figure, Prediction, Result, read_result, write_result
from fame_cli.evaluation.scores import class_figures, share_figure
from fame_cli.evaluation.splits import UNSEEN, LabelledVideos
from fame_cli.learning.resources import name_exhaustion

PROTOCOL = "bias"
BACKGROUND = "background_mean"
"""The alteration that a classifier of backgrounds learns from."""

FAME_MASKS = (
    "The masks are made as in a training with FAME. They leak some background, and may favour a network that "
    "was trained with them: repeat the report with masks from elsewhere (--masks)."
)
SEEDS = (
    "These figures are of one network. To compare methods, pretrain each with three seeds or more, and test "
    "all of them with the same pairing."
)

Hits = list[int | None]
"""For each test video 1 where it was right, 0 where wrong, None where the test does not show it."""


@dataclass(frozen=True)
class BiasSetting:
    """What a bias report is made with, beside its options."""

    masks: MaskSource
    pairing: Pairing
    truth: MaskSource | None = None
    finetuned: Finetuned | None = None

    def altered(self, config: BiasConfig) -> Altered:
        return Altered(config, self.masks, self.truth, self.pairing)


def bias_name(evaluation: Evaluation, config: BiasConfig, setting: BiasSetting) -> str:
    """Name of a report: other masks or another pairing give another name."""
    altered = setting.altered(config).options(evaluation.videos.test)
    judge = setting.finetuned.weights.fingerprint if setting.finetuned else "linear"
    return f"{PROTOCOL}-{fingerprint([evaluation.name(PROTOCOL, config), altered, judge])}"


def bias_path(evaluation: Evaluation, config: BiasConfig, setting: BiasSetting) -> Path:
    return evaluation.run / RESULTS / f"{bias_name(evaluation, config, setting)}.json"


@name_exhaustion("--precision bf16")
def bias(evaluation: Evaluation, config: BiasConfig, setting: BiasSetting) -> Result:
    """The bias report of a network; where it was there already, it is read and nothing is done.

    Where ``setting`` has a finetuned classifier, ``evaluation.weights`` are its network's.
    """
    path = bias_path(evaluation, config, setting)
    if path.exists():
        return read_result(path)
    started = time.monotonic()
    videos = evaluation.videos
    require_clips_fit(evaluation.weights, config)
    setting.masks.require(videos.test)
    if setting.truth:
        setting.truth.require(videos.test)
    judge = setting.finetuned.judge if setting.finetuned else train_judge(evaluation, config)
    altered = compute_altered(evaluation, setting.altered(config), videos.test)
    features = altered.read_all(videos.test)
    features[AS_THEY_ARE] = compute_features(evaluation, config, videos.test).read_all(videos.test)
    answers = {name: judge.answers(values) for name, values in features.items()}
    hits = {test.name: find_hits(test, answers, videos, setting.pairing) for test in TESTS}
    masks = describe_masks(setting, altered, videos)
    if setting.truth is None and (leak := measure_leak(evaluation, config, setting, features)):
        masks["leak"] = leak
    result = describe(evaluation, config, setting, judge, features[AS_THEY_ARE], hits, masks, started)
    return write_result(path, result)


def find_hits(
    test: BiasTest, answers: Mapping[str, Tensor], videos: LabelledVideos, pairing: Pairing
) -> Hits:
    """How each test video did in one test."""
    ids = [videos.frames.videos[video_index].id for video_index in videos.test]
    wanted = label_numbers(test, videos, pairing)
    right = answers[test.clips] == wanted
    if test.unless:
        right &= answers[test.unless] != wanted
    lacking = [bool(test.needs) and getattr(pairing.pairs[name], test.needs) is None for name in ids]
    return [None if lacks else int(hit) for lacks, hit in zip(lacking, right.tolist(), strict=True)]


def label_numbers(test: BiasTest, videos: LabelledVideos, pairing: Pairing) -> Tensor:
    """The class (N,) that an answer has to be: the video's own, or that of its other background."""
    if test.label == "foreground":
        return videos.class_numbers(videos.test)
    places = {video.id: video_index for video_index, video in enumerate(videos.frames.videos)}
    ids = (videos.frames.videos[video_index].id for video_index in videos.test)
    partners = [pairing.pairs[name].other for name in ids]
    known = videos.class_numbers([places[name] for name in partners if name is not None])
    found = iter(known.tolist())
    return torch.tensor([UNSEEN if name is None else next(found) for name in partners])


def test_figure(test: BiasTest, hits: Hits, videos: LabelledVideos) -> Figure | None:
    """The share of right answers among the videos that a test shows; None where it shows none.

    Guessing never hits a class that was not learned; to be right on one clip and wrong on the other it takes
    1/K · (1 − 1/K).
    """
    shown = [place for place, hit in enumerate(hits) if hit is not None]
    if not shown:
        return None
    K = len(videos.class_names)
    known = [number != UNSEEN for number in videos.class_numbers(videos.test).tolist()]
    share = 1.0 if test.label == "background" else sum(known[place] for place in shown) / len(shown)
    chance = share / K * ((1 - 1 / K) if test.unless else 1)
    groups = videos.groups(videos.test)
    values = torch.tensor([hits[place] for place in shown])
    return share_figure(values, chance, [groups[place] for place in shown])


def describe_masks(setting: BiasSetting, altered: AlteredFeatures, videos: LabelledVideos) -> dict[str, Any]:
    """Where the masks are from, what they keep, and how much background that is where truth is known."""
    rows = altered.read_mask_rows(videos.test)
    described: dict[str, Any] = {
        "title": setting.masks.title,
        "by_fame": setting.masks.by_fame,
        "kept": float(rows[:, 0].mean()),
        "content": fingerprint([round(share, 5) for share in rows[:, 0].tolist()]),
    }
    if setting.truth is not None:
        names = ("background_kept", "foreground_kept", "background_share")
        means = rows[:, 1:].nanmean(dim=0).tolist()
        described["truth"] = dict(zip(names, means, strict=True))
    return described


def measure_leak(
    evaluation: Evaluation, config: BiasConfig, setting: BiasSetting, features: Mapping[str, Tensor]
) -> dict[str, Any]:
    """How much background the masks let through, told by a classifier that learned backgrounds alone.

    It learns from training clips without their foreground, and is tested on test clips without theirs (what
    there is to know) and on test clips without their background (what came through). Empty where the masks
    lack training videos.
    """
    videos = evaluation.videos
    try:
        setting.masks.require(videos.train)
    except FameError:
        return {}
    altered = Altered(config, setting.masks, names=(BACKGROUND,))
    training = compute_altered(evaluation, altered, videos.train).read_all(videos.train)[BACKGROUND]
    folder = evaluation.run / "evaluations" / bias_name(evaluation, config, setting)
    judge = train_background_judge(evaluation, config, training, folder)
    classes, groups = videos.class_numbers(videos.test), videos.groups(videos.test)
    K, known = len(videos.class_names), float((classes != UNSEEN).double().mean())

    def figure(name: str) -> dict[str, Any]:
        found = share_figure(judge.answers(features[name]) == classes, known / K, groups)
        return {"percent": found.percent, "interval": list(found.interval), "chance": found.chance}

    return {"background": figure(BACKGROUND), "foreground": figure("foreground")}


def describe(
    evaluation: Evaluation,
    config: BiasConfig,
    setting: BiasSetting,
    judge: Judge,
    features: Tensor,
    hits: Mapping[str, Hits],
    masks: dict[str, Any],
    started: float,
) -> Result:
    videos = evaluation.videos
    figures = {
        test.name: figure
        for test in TESTS
        if (figure := test_figure(test, hits[test.name], videos)) is not None
    }
    predictions = describe_predictions(videos, judge.probabilities(features))
    record = evaluation.record(config)
    configuration = dict(record.pop("configuration"))
    if not setting.masks.by_fame:
        del configuration["beta"], configuration["variant"]
    configuration |= {
        "masks": f"{'fame' if setting.masks.by_fame else 'folder'} {masks['content']}",
        "pairing": setting.pairing.fingerprint,
        "classifier": "finetuned" if setting.finetuned else "linear probe",
    }
    return Result(
        protocol=PROTOCOL,
        figures=figures,
        configuration=configuration,
        predictions=predictions,
        class_figures=class_figures(predictions, videos.class_names),
        notes=(*videos.notes, *partner_notes(hits), *([FAME_MASKS] if masks["by_fame"] else []), SEEDS),
        seconds=time.monotonic() - started,
        bias={
            "hits": dict(hits),
            "masks": masks,
            "pairing": setting.pairing.fingerprint,
            "classifier": judge.title,
        },
        **record,
    )


def describe_predictions(videos: LabelledVideos, probabilities: Tensor) -> tuple[Prediction, ...]:
    names, groups = videos.class_names, videos.groups(videos.test)
    best = probabilities.max(dim=1)
    found = zip(videos.test, groups, best.values.tolist(), best.indices.tolist(), strict=True)
    predictions = []
    for video_index, group, probability, number in found:
        video = videos.frames.videos[video_index]
        right = names[number] == video.label
        predictions.append(Prediction(video.id, video.label, names[number], probability, right, group))
    return tuple(predictions)


def partner_notes(hits: Mapping[str, Hits]) -> list[str]:
    """A line on tests that leave videos out, since there is no background for them."""
    notes = []
    for test in TESTS:
        left_out = sum(hit is None for hit in hits[test.name])
        if left_out and test.name in ("swap_same", "swap_other"):
            which = "its" if test.needs == "same" else "another"
            notes.append(
                f"{left_out} of {len(hits[test.name])} test videos are left out of {test.name}: there is no "
                f"other of {which} class to lend a background."
            )
    return notes
