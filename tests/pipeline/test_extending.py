"""docs/extending.md as it stands: a distraction, an objective and a backbone of the user's own, trained."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from fame_cli.config import ExtractConfig, PretrainConfig
from fame_cli.data.frames import FrameStore, extract
from fame_cli.data.sources.folder import index_folder
from fame_cli.distraction.build import build_distraction
from fame_cli.errors import ArtefactError, ConfigurationError
from fame_cli.evaluation.classifier import Classifier, build_head, load_classifier, save_classifier
from fame_cli.evaluation.evaluation import random_weights, read_weights
from fame_cli.learning.backbones import build_backbone, require_fits
from fame_cli.learning.log import StepInfo
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.pretrain import pretrain

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"
FILES = re.compile(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


SMALL = {"backbone": "small", "clip_frames": 4, "crop_px": 32, "batch_size": 4, "steps": 2}
OWN = {"objective": "arrow:ArrowOfTime", "backbone": "narrow:Narrow", "distraction": "tint:Tint"}


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the three files, in which the command is run; it is not in Python's path."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name, text in FILES.findall(GUIDE.read_text()):
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield folder
    for name in {*sys.modules} - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def frames(tmp_path: Path, videos: Path) -> FrameStore:
    report, manifest = extract(tmp_path / "work", index_folder(videos), ExtractConfig())
    return FrameStore(report.folder, manifest)


def test_the_guide_has_one_file_for_each(own_files: Path) -> None:
    assert {path.name for path in own_files.iterdir()} == {"tint.py", "arrow.py", "narrow.py"}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.usefixtures("own_files")
def test_three_files_of_ones_own_train_together_and_are_read_again(
    frames: FrameStore, tmp_path: Path, workers: int
) -> None:
    said: list[StepInfo] = []
    config = PretrainConfig.from_options(**SMALL | OWN)
    run = tmp_path / "run"
    pretrain(run, frames, None, config, device="cpu", workers=workers, tell=said.append)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1]
    assert all({"loss", "chance", "accuracy", "backwards"} <= row.keys() for row in rows)
    assert rows[0]["chance"] == pytest.approx(0.693, abs=1e-3)
    assert said[-1].figures.keys() == {"accuracy", "backwards"}

    weights = read_weights(run / "backbone.safetensors", "narrow:Narrow")
    assert weights.name == "narrow:Narrow"
    assert str(weights.keys) == "8 backbone keys matched, 0 missing, 0 unexpected"
    trained, again = torch.load(run / "checkpoints" / "last.pt", weights_only=True)["model"], weights.backbone
    for key, values in again.state_dict().items():
        assert torch.equal(values, trained[f"encoder.{key}"])
    assert again.eval()(torch.rand(1, 3, 4, 32, 32)).shape == (1, 24)


@pytest.mark.usefixtures("own_files")
def test_the_distraction_changes_what_the_objective_sees(frames: FrameStore, tmp_path: Path) -> None:
    losses = []
    for chosen in ({}, {"distraction": "fame", "statistics": "online"}):
        config = PretrainConfig.from_options(**SMALL | OWN | chosen)
        outcome = pretrain(tmp_path / f"run {len(losses)}", frames, None, config, device="cpu")
        losses.append(outcome.last["loss"])
    assert losses[0] != losses[1]


@pytest.mark.usefixtures("own_files")
def test_moco_and_fame_take_a_backbone_of_ones_own(frames: FrameStore, tmp_path: Path) -> None:
    config = PretrainConfig.from_options(
        **SMALL | {"backbone": "narrow:Narrow"}, queue_length=8, statistics="online"
    )
    outcome = pretrain(tmp_path / "run", frames, None, config, device="cpu")
    assert outcome.total_steps == 2


def test_a_file_of_weights_runs_no_code_that_the_user_does_not_name(
    own_files: Path, frames: FrameStore, tmp_path: Path
) -> None:
    pretrain(tmp_path / "run", frames, None, PretrainConfig.from_options(**SMALL | OWN), device="cpu")
    path = tmp_path / "run" / "backbone.safetensors"
    (own_files / "narrow.py").write_text("raise AssertionError('it was run')")
    del sys.modules["narrow"]
    for name in (None, "small"):
        with pytest.raises(ArtefactError, match="holds the network narrow:Narrow, which is not") as told:
            read_weights(path, name)
        assert "Give --backbone narrow:Narrow if you trust its code" in told.value.hint


def test_a_network_that_has_grown_since_is_not_read_in_part(
    own_files: Path, frames: FrameStore, tmp_path: Path
) -> None:
    pretrain(tmp_path / "run", frames, None, PretrainConfig.from_options(**SMALL | OWN), device="cpu")
    (own_files / "wider.py").write_text(
        (own_files / "narrow.py")
        .read_text()
        .replace("24", "32")
        .replace("nn.ReLU(inplace=True)", "nn.Tanh()")
    )
    with pytest.raises(ArtefactError, match="does not fill wider:Narrow"):
        read_weights(tmp_path / "run" / "backbone.safetensors", "wider:Narrow")


@pytest.mark.usefixtures("own_files")
def test_random_weights_and_a_classifier_of_ones_own_network(tmp_path: Path) -> None:
    weights = random_weights("narrow:Narrow", 0)
    head = build_head(24, 2, 0.0, 0)
    path = tmp_path / "classifier.safetensors"
    save_classifier(
        path, Classifier(weights.backbone, head, freeze=False, precision="fp32"), weights.name, ["a", "b"]
    )
    with pytest.raises(ArtefactError, match="holds the network narrow:Narrow"):
        load_classifier(path)
    saved = load_classifier(path, "narrow:Narrow")
    assert saved.backbone is not None
    for key, values in weights.backbone.state_dict().items():
        assert torch.equal(saved.backbone.state_dict()[key], values)
    probe = Classifier(weights.backbone, head, freeze=True, precision="fp32")
    save_classifier(path, probe, weights.name, ["a", "b"])
    assert load_classifier(path).backbone is None  # nothing of the network is in the file


@pytest.mark.usefixtures("own_files")
def test_reading_draws_no_random_number() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    require_fits("narrow:Narrow", 4, 32)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.at_all:Net", "--backbone nowhere.at_all:Net: there is no module nowhere.at_all"),
        ("narrow:Wide", r"--backbone narrow:Wide: .*narrow\.py has no Wide"),
        ("narrow:__name__", "holds no class or function __name__"),
        ("narrow:", "there is no backbone 'narrow:'"),
        (":Narrow", "there is no backbone ':Narrow'"),
        (".narrow:Narrow", "there is no backbone '.narrow:Narrow'"),
        ("arrow:ArrowOfTime", "--backbone arrow:ArrowOfTime cannot be called with no argument: missing"),
        ("builtins:dict", "--backbone builtins:dict gave a dict; expected a Backbone"),
        ("unready:Nameless", "--backbone unready:Nameless: Nameless has no feature_dim"),
        ("broken:Net", "the module broken needs not_installed, which is not installed"),
        ("resnet", "there is no backbone 'resnet'"),
    ],
)
def test_backbone_that_cannot_be_built_is_told(own_files: Path, name: str, said: str) -> None:
    (own_files / "unready.py").write_text("from fame_cli import Backbone\nclass Nameless(Backbone): pass\n")
    (own_files / "broken.py").write_text("import not_installed\n")
    with pytest.raises(ConfigurationError, match=said):
        build_backbone(name)


def test_network_that_cannot_take_the_clips_is_told_with_its_own_words(own_files: Path) -> None:
    torn = (own_files / "narrow.py").read_text().replace("Conv3d(12, 24", "Conv3d(13, 24")
    (own_files / "narrow.py").write_text(torn)
    with pytest.raises(ConfigurationError, match=r"narrow:Narrow cannot take clips of 4 frames .*channels"):
        require_fits("narrow:Narrow", 4, 32)


def test_wrong_objective_and_distraction_are_told(own_files: Path) -> None:
    (own_files / "lacking.py").write_text(
        "from fame_cli import Objective, Role\n"
        "class NoChance(Objective):\n"
        "    roles = (Role('clip'),)\n"
        "    def __init__(self, backbone, config): super().__init__()\n"
        "class Doubled(NoChance):\n"
        "    roles, chance = (Role('clip'), Role('clip')), 1.0\n"
    )
    for objective, said in (
        ("lacking:NoChance", "--objective lacking:NoChance: NoChance has no chance"),
        ("lacking:Doubled", "the roles of the objective do not fit together: 'clip' is there more than once"),
        ("narrow:Narrow", "--objective narrow:Narrow cannot be called with Small, PretrainConfig"),
        ("tint:Missing", r"--objective tint:Missing: .*tint\.py has no Missing"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            build_objective(PretrainConfig.from_options(**SMALL, objective=objective))
    with pytest.raises(
        ConfigurationError, match="--distraction narrow:Narrow cannot be called with PretrainConfig"
    ):
        build_distraction(PretrainConfig.from_options(**SMALL, distraction="narrow:Narrow"))
