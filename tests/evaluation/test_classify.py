"""Linear probe and finetune: what they reach, what they leave alone, and that a killed one goes on."""

import dataclasses
import math
from pathlib import Path

import pytest
import safetensors.torch
import torch
from colour_videos import (
    CLIPS,
    KilledAt,
    KilledError,
    Recorded,
    finetune_config,
    linear_config,
    make_evaluation,
    make_work,
)
from torch import Tensor, nn

from fame_cli.cli.results import title
from fame_cli.config import ClassifierConfig, FinetuneConfig, LinearConfig
from fame_cli.data.frames import FrameStore
from fame_cli.errors import ConfigurationError
from fame_cli.evaluation.classifier import Classifier, build_head, load_classifier
from fame_cli.evaluation.classify import ClipEpochs, build_classifier, feature_epochs, finetune, linear
from fame_cli.evaluation.clip_datasets import even_clips
from fame_cli.evaluation.evaluation import Evaluation
from fame_cli.evaluation.features import in_parts
from fame_cli.evaluation.fit import fit
from fame_cli.evaluation.results import Result
from fame_cli.learning.checkpoint import load_training

on_features = dataclasses.replace(linear_config, train_on="features")
CONFIGURATIONS = [linear_config, on_features, finetune_config]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return make_work(tmp_path_factory.mktemp("classify"))


def evaluate(evaluation: Evaluation, config: ClassifierConfig) -> Result:
    if isinstance(config, FinetuneConfig):
        return finetune(evaluation, config)
    assert isinstance(config, LinearConfig)
    return linear(evaluation, config)


def classifier_file(evaluation: Evaluation, config: ClassifierConfig) -> Path:
    protocol = "linear" if isinstance(config, LinearConfig) else "finetune"
    return evaluation.evaluation_folder(protocol, config) / "classifier.safetensors"


def assert_same_classifier(first: Path, second: Path) -> None:
    tensors, others = safetensors.torch.load_file(first), safetensors.torch.load_file(second)
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[key]) for key, tensor in tensors.items())


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=["clips", "features", "finetune"])
def test_classes_of_another_colour_are_told_apart_without_error(
    store: FrameStore, tmp_path: Path, config: ClassifierConfig
) -> None:
    config = dataclasses.replace(config, epochs=30, milestones=(20,))
    result = evaluate(make_evaluation(tmp_path, store), config)
    assert result.figures["top1"].percent == result.figures["clip_top1"].percent == 100
    assert result.figures["top1"].videos == len(result.predictions) == 6
    assert all(one.right and one.predicted == one.label for one in result.predictions)
    assert result.training_loss[-1] < result.training_loss[0]


def test_video_is_predicted_by_the_mean_of_its_clips_probabilities(store: FrameStore, tmp_path: Path) -> None:
    evaluation = make_evaluation(tmp_path, store)
    result = finetune(evaluation, finetune_config)
    saved = load_classifier(classifier_file(evaluation, finetune_config))
    assert saved.backbone is not None
    for video_index, prediction in zip(evaluation.videos.test, result.predictions, strict=True):
        clips = even_clips(store, video_index, finetune_config)
        features = in_parts(saved.backbone, clips, torch.device("cpu"))
        probabilities = [(saved.weight @ feature + saved.bias).softmax(dim=0) for feature in features]
        mean = torch.stack(probabilities).mean(dim=0)
        assert prediction.probability == pytest.approx(float(mean.max()), abs=1e-5)
        assert prediction.predicted == saved.class_names[int(mean.argmax())]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=["clips", "features", "finetune"])
def test_killed_between_epochs_and_run_again_equals_a_straight_run(
    store: FrameStore, tmp_path: Path, config: ClassifierConfig
) -> None:
    straight = make_evaluation(tmp_path / "straight", store)
    expected = evaluate(straight, config)
    samples = 27 if config is on_features else 9
    killed = make_evaluation(tmp_path / "killed", store, progress=KilledAt("training", 2 * samples + 1))
    with pytest.raises(KilledError):
        evaluate(killed, config)
    progress = Recorded()
    resumed = make_evaluation(tmp_path / "killed", store, progress=progress)
    got = evaluate(resumed, config)
    assert min(progress.told["training"]) > 2 * samples, "finished epochs are not done twice"
    assert dataclasses.replace(got, seconds=0) == dataclasses.replace(expected, seconds=0)
    assert_same_classifier(classifier_file(resumed, config), classifier_file(straight, config))


def test_killed_after_training_tests_without_training_again(store: FrameStore, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        finetune(make_evaluation(tmp_path, store, progress=KilledAt("testing", 1)), finetune_config)
    progress = Recorded()
    finetune(make_evaluation(tmp_path, store, progress=progress), finetune_config)
    assert list(progress.told) == ["testing"]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=["clips", "features", "finetune"])
def test_second_run_reads_the_result_and_does_nothing(
    store: FrameStore, tmp_path: Path, config: ClassifierConfig
) -> None:
    evaluation = make_evaluation(tmp_path, store)
    first = evaluate(evaluation, config)
    progress = Recorded()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = evaluate(make_evaluation(tmp_path, store, progress=progress), config)
    assert again == first
    assert not progress.told
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}


def test_changed_option_makes_a_new_result_beside_the_old_one(store: FrameStore, tmp_path: Path) -> None:
    evaluation = make_evaluation(tmp_path, store)
    linear(evaluation, on_features)
    linear(evaluation, dataclasses.replace(on_features, learning_rate=1.0))
    assert len(list((tmp_path / "results").glob("linear-*.json"))) == 2


chosen_on_test = dataclasses.replace(
    finetune_config, clips=1, learning_rate=0.1, milestone_factor=0.3, dropout=0.0, keep_epoch="best-on-test"
)


def test_the_first_of_the_best_epochs_is_kept(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    features, classes = torch.randn(6, 2, 8, generator=generator), torch.arange(6) % 3
    config = dataclasses.replace(on_features, learning_rate=1.0)
    head = build_head(8, 3, 0.0, 0)
    epochs, samples = feature_epochs(features, classes, config)
    shares, seen = iter([0.2, 0.7, 0.7, 0.1]), list[Tensor]()

    def measure() -> float:
        assert not head.training
        seen.append(head[-1].weight.detach().clone())
        return next(shares)

    cpu, path = torch.device("cpu"), tmp_path / "last.pt"
    history = fit(head, head, epochs, samples, config, path, cpu, lambda *_: None, measure)
    assert history.shares == (0.2, 0.7, 0.7, 0.1)
    assert torch.equal(head[-1].weight, seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_an_epoch_chosen_on_the_test_videos_is_told(store: FrameStore, tmp_path: Path) -> None:
    result = finetune(make_evaluation(tmp_path, store), chosen_on_test)
    (note,) = [note for note in result.notes if "chosen by its top-1 on the test videos" in note]
    assert f"Epoch {result.training['epoch']} of 4" in note
    assert f"published code: {result.figures['top1'].percent:.2f} %" in note
    assert "epoch chosen on the test videos" in title(result)


def test_choice_of_the_epoch_outlives_a_kill(store: FrameStore, tmp_path: Path) -> None:
    straight = make_evaluation(tmp_path / "straight", store)
    expected = finetune(straight, chosen_on_test)
    with pytest.raises(KilledError):
        finetune(
            make_evaluation(tmp_path / "killed", store, progress=KilledAt("training", 9 * 2)), chosen_on_test
        )
    resumed = make_evaluation(tmp_path / "killed", store)
    got = finetune(resumed, chosen_on_test)
    assert dataclasses.replace(got, seconds=0) == dataclasses.replace(expected, seconds=0)
    assert_same_classifier(
        classifier_file(straight, chosen_on_test), classifier_file(resumed, chosen_on_test)
    )


def trained_classifier(
    evaluation: Evaluation, config: ClassifierConfig, freeze: bool, run: Path
) -> Classifier:
    classifier = build_classifier(evaluation, config, freeze)
    epochs = ClipEpochs(evaluation, config)
    fit(
        classifier,
        classifier.trained,
        epochs,
        epochs.samples,
        config,
        run / "last.pt",
        torch.device("cpu"),
        lambda _done, _total, _note: None,
    )
    return classifier


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_backbone_keeps_every_parameter_and_statistic(
    store: FrameStore, tmp_path: Path, freeze: bool
) -> None:
    evaluation = make_evaluation(tmp_path, store)
    config = dataclasses.replace(linear_config, learning_rate=1.0)
    classifier = trained_classifier(evaluation, config, freeze, tmp_path)
    before, after = evaluation.weights.backbone.state_dict(), classifier.backbone.state_dict()
    assert any(key.endswith("running_mean") for key in before)
    unchanged = [torch.equal(before[key], after[key]) for key in before]
    assert all(unchanged) if freeze else not any(unchanged)
    assert bool(classifier.head[-1].bias.detach().abs().sum() > 0), "the last layer was trained"


def test_frozen_backbone_is_in_evaluation_mode_while_the_head_trains(
    store: FrameStore, tmp_path: Path
) -> None:
    classifier = build_classifier(make_evaluation(tmp_path, store), linear_config, freeze=True).train()
    assert not any(module.training for module in classifier.backbone.modules())
    assert classifier.head.training


def test_finetune_leaves_the_weights_it_was_given_alone(store: FrameStore, tmp_path: Path) -> None:
    evaluation = make_evaluation(tmp_path, store)
    before = {key: value.clone() for key, value in evaluation.weights.backbone.state_dict().items()}
    finetune(evaluation, finetune_config)
    assert all(
        torch.equal(value, before[key]) for key, value in evaluation.weights.backbone.state_dict().items()
    )


def test_training_and_testing_see_the_same_clip_normalised_alike(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without its augmentation a training clip of a video is one of its test clips.
    monkeypatch.setattr("fame_cli.evaluation.classify.augment", lambda clips, _view: clips)
    monkeypatch.setattr("fame_cli.evaluation.clip_datasets.random_start", lambda *_: 0)
    monkeypatch.setattr("fame_cli.evaluation.clip_datasets.random_resized_crop", lambda *_: (0, 5, 32, 32))
    evaluation = make_evaluation(tmp_path, store)
    classifier = build_classifier(evaluation, linear_config, freeze=True)
    clips, classes = next(iter(next(ClipEpochs(evaluation, linear_config)(0))))
    tested = [even_clips(store, video_index, linear_config)[:1] for video_index in evaluation.videos.train]
    expected = torch.cat([in_parts(classifier, clip, torch.device("cpu")) for clip in tested])
    with torch.no_grad():
        logits = classifier(clips)
    distances = torch.cdist(logits, expected)
    assert torch.all(distances.min(dim=1).values < 1e-6)
    assert torch.equal(
        evaluation.videos.class_numbers(evaluation.videos.train)[distances.argmin(dim=1)], classes
    )


class Constant(nn.Module):
    """Stands for a backbone: fixed features whatever the clips."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, _clips: Tensor) -> Tensor:
        return self.features


@pytest.mark.parametrize("freeze", [True, False])
def test_only_a_frozen_backbone_has_its_features_scaled_to_unit_length(freeze: bool) -> None:
    features = torch.tensor([[3.0, 4.0]])
    head = build_head(2, 3, dropout=0.0, seed=0)
    classifier = Classifier(Constant(features), head, freeze=freeze, precision="fp32")  # type: ignore[arg-type]
    expected = head(torch.tensor([[0.6, 0.8]]) if freeze else features)
    torch.testing.assert_close(classifier(torch.zeros(1)), expected)


def test_last_layer_begins_small_and_without_bias() -> None:
    last = build_head(512, 400, dropout=0.5, seed=0)[-1]
    assert float(last.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert float(last.weight.detach().mean()) == pytest.approx(0, abs=1e-4)
    assert not last.bias.any()
    assert torch.equal(last.weight, build_head(512, 400, dropout=0.5, seed=0)[-1].weight)
    assert not torch.equal(last.weight, build_head(512, 400, dropout=0.5, seed=1)[-1].weight)


def test_checkpoint_of_a_frozen_backbone_holds_the_last_layer_alone(
    store: FrameStore, tmp_path: Path
) -> None:
    evaluation = make_evaluation(tmp_path, store)
    linear(evaluation, linear_config)
    checkpoint = evaluation.evaluation_folder("linear", linear_config) / "last.pt"
    assert list(load_training(checkpoint, torch.device("cpu"))["trained"]) == ["1.weight", "1.bias"]


def test_learning_rate_falls_to_a_tenth_at_each_milestone(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []
    step = torch.optim.SGD.step

    def recorded(self: torch.optim.SGD, *arguments: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.SGD, "step", recorded)
    config = dataclasses.replace(on_features, batch_size=27, epochs=4, milestones=(1, 3), learning_rate=2.0)
    linear(make_evaluation(tmp_path, store), config)
    assert rates == pytest.approx([2.0, 0.2, 0.2, 0.02])


def test_fewer_videos_than_a_batch_still_train(store: FrameStore, tmp_path: Path) -> None:
    config = dataclasses.replace(finetune_config, batch_size=128, epochs=1)
    assert len(finetune(make_evaluation(tmp_path, store), config).training_loss) == 1


def test_single_clip_batches_are_refused_where_batchnorm_trains(store: FrameStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--batch-size is 1; expected at least 2"):
        finetune(make_evaluation(tmp_path, store), dataclasses.replace(finetune_config, batch_size=1))


def test_diverged_training_stops_and_names_the_learning_rate(store: FrameStore, tmp_path: Path) -> None:
    config = dataclasses.replace(finetune_config, learning_rate=1e20)
    with pytest.raises(ConfigurationError, match=r"loss of epoch \d is (nan|inf) at --learning-rate 1e\+20"):
        finetune(make_evaluation(tmp_path, store), config)
    assert not list(tmp_path.glob("results/*"))


def test_loss_that_ends_above_guessing_is_said(store: FrameStore, tmp_path: Path) -> None:
    config = dataclasses.replace(on_features, learning_rate=1e6, epochs=1)
    result = linear(make_evaluation(tmp_path, store), config)
    assert result.training_loss[-1] > math.log(3)
    assert any("--learning-rate 1e+06 is likely too large" in note for note in result.notes)


def test_result_tells_what_made_it(store: FrameStore, tmp_path: Path) -> None:
    evaluation = make_evaluation(tmp_path, store)
    result = linear(evaluation, on_features)
    assert result.protocol == "linear"
    assert result.configuration["train_on"] == "features"
    assert {name: result.configuration[name] for name in CLIPS} == CLIPS
    assert result.splits["train"] == {"name": "train", "videos": 9}
    assert result.splits["test"] == {"name": "test", "videos": 6, "groups": 6}
    assert result.splits["source"]["source"] == "folder"
    assert result.classes == ("blue", "green", "red")
    assert result.weights["path"] == "random"
    assert result.weights["fingerprint"] == evaluation.weights.fingerprint
    assert result.frames == {"folder": store.folder.name, "fingerprint": store.fingerprint}
    assert result.versions["torch"] == torch.__version__
    assert any(note.startswith("top5: k is 3") for note in result.notes)


def test_bf16_is_near_fp32(store: FrameStore, tmp_path: Path) -> None:
    # Small steps: large ones carry the rounding, which differs from CPU to CPU, to another place altogether.
    small_steps = dataclasses.replace(on_features, learning_rate=0.01)
    evaluation = make_evaluation(tmp_path, store)
    exact = linear(evaluation, small_steps)
    rough = linear(evaluation, dataclasses.replace(small_steps, precision="bf16"))
    assert rough.training_loss == pytest.approx(exact.training_loss, rel=0.05)
    assert rough.training_loss != exact.training_loss
