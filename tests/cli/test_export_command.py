"""``fame export``: a backbone for other programs gives the same features in each form."""

import json
import sys
from pathlib import Path

import pytest
import torch
from commands import fame
from torch import Tensor
from typer.testing import CliRunner

from fame_cli.cli.app import app
from fame_cli.config import ExportForm, PretrainConfig
from fame_cli.data.views import normalise
from fame_cli.errors import FameError
from fame_cli.evaluation.evaluation import read_weights
from fame_cli.export import forms
from fame_cli.export.forms import ONNX_PACKAGES, as_onnx, as_torchscript, require_same_features
from fame_cli.export.source import Source
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.learning.checkpoint import load_backbone, read_backbone
from fame_cli.learning.log import StepInfo

SMALL = [
    *("--backbone", "small", "--clip-frames", 4, "--crop-px", 32, "--batch-size", 4, "--queue-length", 16),
    *("--device", "cpu", "--distraction", "none", "--checkpoint-seconds", 0),
]
OUTPUTS = {"torchscript": "a.pt", "onnx": "a.onnx", "safetensors": "a.safetensors", "hub": "a"}


class Own(Backbone):
    """A network of one's own: a map of two channels."""

    feature_dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv3d(3, 2, 3)

    def feature_map(self, clips: Tensor) -> Tensor:
        features: Tensor = self.layer(clips)
        return features


def needs_onnx() -> None:
    for name in ONNX_PACKAGES:
        pytest.importorskip(name)


@pytest.fixture
def work(tmp_path: Path, videos: Path) -> Path:
    fame(0, "extract", videos, "-o", tmp_path / "work", "-j", 1)
    return tmp_path / "work"


@pytest.fixture
def run(tmp_path: Path, work: Path) -> Path:
    fame(0, "pretrain", work, "-o", tmp_path / "run", "--steps", 2, *SMALL)
    return tmp_path / "run"


def clips_of(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return normalise(torch.rand(count, 3, 4, 32, 32, generator=generator))


@pytest.mark.parametrize("form", OUTPUTS)
def test_every_form_gives_the_features_of_the_backbone_for_any_number_of_clips(
    tmp_path: Path, run: Path, form: str
) -> None:
    if form == "onnx":
        needs_onnx()
    output = tmp_path / OUTPUTS[form]
    said = json.loads(
        CliRunner().invoke(app, ["export", str(run), "-o", str(output), "--to", form, "--json"]).stdout
    )
    assert (said["backbone"], said["feature_dim"], said["step"], said["finished"]) == ("small", 128, 2, True)
    assert (said["clip_frames"], said["frame_stride"], said["crop_px"]) == (4, 2, 32)
    assert all(Path(name).is_file() for name in said["files"])
    read = read_weights(output)
    assert read.clip_options == {"clip_frames": 4, "frame_stride": 2, "crop_px": 32}
    own, exported = load_backbone(run / "backbone.safetensors")[0], read.backbone
    with torch.no_grad():
        for count in (1, 3):
            # 1e-5: of numbers below 1, sums in another order.
            torch.testing.assert_close(
                exported.eval()(clips_of(count)), own.eval()(clips_of(count)), rtol=1e-4, atol=1e-5
            )


def test_exported_network_is_evaluated_like_any_other(tmp_path: Path, work: Path, run: Path) -> None:
    told = fame(0, "export", run, "-o", tmp_path / "a.pt", "--to", "torchscript")
    assert "takes clips (B, 3, 4, 32, 32) of frames 2 apart" in told
    assert "gives features (B, 128)" in told
    clips = ["--clips", 1, "--device", "cpu"]
    fame(0, "eval", "knn", work, run, *clips)
    fame(0, "eval", "knn", work, tmp_path / "script", "--weights", tmp_path / "a.pt", *clips)
    [own], [other] = ([*(at / "results").glob("knn-*.json")] for at in (run, tmp_path / "script"))
    told_by = [json.loads(result.read_text())["predictions"] for result in (own, other)]
    for mine, its in zip(
        *told_by, strict=True
    ):  # the two lie differently in memory, so they round differently
        assert mine.pop("probability") == pytest.approx(its.pop("probability"), abs=1e-5)
        assert mine == its


def test_weights_tell_what_a_program_has_to_know(tmp_path: Path, run: Path) -> None:
    fame(0, "export", run, "-o", tmp_path / "a.safetensors", "--to", "safetensors")
    metadata = read_backbone(tmp_path / "a.safetensors").metadata
    assert (metadata["backbone"], metadata["clip_frames"], metadata["frame_stride"]) == ("small", "4", "2")
    assert json.loads(metadata["mean"]) == [0.43216, 0.394666, 0.37645]
    assert json.loads(metadata["recipe"])["batch_size"] == 4


def test_folder_for_the_hub_has_a_card_with_data_recipe_results_and_licence(
    tmp_path: Path, work: Path, run: Path
) -> None:
    model = tmp_path / "model"
    fame(0, "export", run, "-o", model, "--to", "hub")
    assert "Nothing was evaluated yet." in (model / "README.md").read_text()
    fame(0, "eval", "knn", work, run, "--clips", 1, "--device", "cpu")
    fame(0, "export", run, "-o", model, "--to", "hub", "--overwrite", "--license", "cc-by-4.0")
    card, config = (model / "README.md").read_text(), json.loads((model / "config.json").read_text())
    assert sorted(path.name for path in model.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    _, front, text = card.split("---\n", 2)
    values = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in front.splitlines())}
    assert values["license"] == "cc-by-4.0"
    [result] = (json.loads(next((run / "results").glob("*.json")).read_text()),)
    [entry] = values["model-index"][0]["results"]
    assert entry["metrics"][0]["name"] == "knn top1"
    assert entry["metrics"][0]["value"] == round(result["figures"]["top1"]["percent"], 2)
    assert "| knn | top1 |" in text
    assert "8 videos of a folder, split 'train', without their labels." in text
    assert 'backbone = "small"' in text
    assert "The weights: cc-by-4.0." in text
    # What is published names no folder of this machine.
    for content in (card, json.dumps(config), repr((model / "model.safetensors").read_bytes()[:5000])):
        assert str(tmp_path) not in content
    assert (config["backbone"], config["crop_px"], config["recipe"]["batch_size"]) == ("small", 32, 4)


def test_result_that_saw_its_test_is_no_result_of_the_index(tmp_path: Path, work: Path, run: Path) -> None:
    fame(
        *(0, "eval", "knn", work, run, "--clips", 1, "--device", "cpu"),
        *("--test-split", "train", "--train-split", "test", "--allow-leak", "--neighbours", 1),
    )
    fame(0, "export", run, "-o", tmp_path / "model", "--to", "hub")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "model-index" not in card
    assert "8 of 8 test videos" in card


def test_unfinished_run_gives_its_newest_checkpoint_and_says_so(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(at: StepInfo) -> str:
        if at.step == 3:
            raise KeyboardInterrupt("stopped by the test")
        return ""

    monkeypatch.setattr("fame_cli.cli.pretrain.describe", describe)
    run = tmp_path / "stopped"
    fame(130, "pretrain", work, "-o", run, *SMALL, "--epochs", 4)
    said = fame(0, "export", run, "-o", tmp_path / "a.safetensors", "--to", "safetensors")
    saved = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    assert f"is not finished: this is the backbone after step {saved['step']} of 8." in said
    entries = load_backbone(tmp_path / "a.safetensors")[0].state_dict()
    assert entries
    for key, values in entries.items():
        assert torch.equal(values, saved["model"][f"encoder_q.backbone.{key}"])
    fame(0, "export", run, "-o", tmp_path / "model", "--to", "hub")
    assert f"was not finished (step {saved['step']} of 8)" in (tmp_path / "model" / "README.md").read_text()
    (run / "checkpoints" / "last.pt").unlink()
    (run / "record.json").unlink()
    assert "holds no weights" in fame(4, "export", run, "-o", tmp_path / "b.pt", "--to", "torchscript")


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(tmp_path: Path, run: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_text("mine")
    said = fame(2, "export", run, "-o", path, "--to", "safetensors")
    assert "is there already. Name another with -o, or replace it with --overwrite." in said
    assert path.read_text() == "mine"
    fame(0, "export", run, "-o", path, "--to", "safetensors", "--overwrite")
    load_backbone(path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    assert "not empty" in fame(2, "export", run, "-o", tmp_path / "model", "--to", "hub")
    fame(0, "export", run, "-o", tmp_path / "model", "--to", "hub", "--overwrite")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"


def test_folder_that_a_kill_left_without_its_last_file_is_finished_by_the_same_command(
    tmp_path: Path, run: Path
) -> None:
    folder = tmp_path / "model"
    fame(0, "export", run, "-o", folder, "--to", "hub")
    card = (folder / "README.md").read_text()
    assert "not empty" in fame(2, "export", run, "-o", folder, "--to", "hub")
    (folder / "README.md").unlink()
    (folder / "config.json").unlink()
    fame(0, "export", run, "-o", folder, "--to", "hub")
    assert (folder / "README.md").read_text() == card
    assert (folder / "config.json").exists()


def test_output_that_does_not_suit_the_form_is_told(tmp_path: Path, run: Path) -> None:
    said = fame(2, "export", run, "-o", tmp_path / "a.bin", "--to", "torchscript")
    assert "does not end in .pt; --to torchscript writes one file. Name a file such as backbone.pt." in said
    assert "is a folder" in fame(2, "export", run, "-o", tmp_path, "--to", "safetensors")
    assert "is a file" in fame(2, "export", run, "-o", run / "config.toml", "--to", "hub")
    assert "expected a name of letters" in fame(
        2, "export", run, "-o", tmp_path / "m", "--to", "hub", "--license", "a\nb"
    )
    assert "there is no such run" in fame(4, "export", tmp_path / "no", "-o", "a.pt", "--to", "torchscript")
    said = fame(4, "export", tmp_path / "work", "-o", "a.pt", "--to", "torchscript")
    assert "is a WORK folder" in said


def test_missing_package_is_told_with_what_installs_it(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ONNX_PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    said = fame(2, "export", run, "-o", tmp_path / "a.onnx", "--to", "onnx")
    assert "--to onnx needs onnx, onnxscript, onnxruntime" in said
    assert "pip install 'fame-cli[onnx]'" in said


def source_of(network: Backbone, config: PretrainConfig) -> Source:
    return Source(Path("run"), Path("run"), config, network.eval(), None, None, None, True)


def test_file_that_would_give_other_features_is_not_written(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = source_of(build_backbone("small"), PretrainConfig(backbone="small", clip_frames=4, crop_px=32))
    wrong = as_torchscript(other)
    monkeypatch.setattr(forms, "as_torchscript", lambda _: wrong)
    said = fame(2, "export", run, "-o", tmp_path / "a.pt", "--to", "torchscript")
    assert "the torchscript file gives other features than the backbone" in said
    assert not (tmp_path / "a.pt").exists()


@pytest.mark.parametrize("name", ["i3d", "mvit_v2_s"])
def test_trace_of_a_network_that_looks_at_shapes_takes_any_number_of_clips(name: str) -> None:
    config = PretrainConfig(backbone=name, clip_frames=8, crop_px=32)
    source = source_of(build_backbone(name), config)
    require_same_features(source, "torchscript", as_torchscript(source))


def test_own_network_is_exported_once_it_is_named(tmp_path: Path, work: Path) -> None:
    name = "test_export_command:Own"
    own = [*SMALL, "--backbone", name]
    fame(0, "pretrain", work, "-o", tmp_path / "own", "--steps", 1, *own)
    call = ["export", tmp_path / "own", "-o", tmp_path / "a.pt", "--to", "torchscript"]
    assert f"Give --backbone {name} if you trust its code" in fame(4, *call)
    fame(0, *call, "--backbone", name)
    assert read_weights(tmp_path / "a.pt").backbone(clips_of(2)).shape == (2, 2)


def test_true_onnx_file_says_what_it_takes() -> None:
    needs_onnx()
    import onnx

    source = source_of(build_backbone("small"), PretrainConfig(backbone="small", clip_frames=4, crop_px=32))
    model = onnx.load_from_string(as_onnx(source))
    [clips] = model.graph.input
    assert clips.name == "clips"
    lengths = [one.dim_value or one.dim_param for one in clips.type.tensor_type.shape.dim]
    assert lengths == ["batch", 3, 4, 32, 32]
    assert {one.key: one.value for one in model.metadata_props}["frame_stride"] == "2"


def test_difference_between_features_is_measured_against_the_largest() -> None:
    config = PretrainConfig(backbone="small", clip_frames=4, crop_px=32)
    source, form = source_of(build_backbone("small"), config), ExportForm.__args__[0]  # type: ignore[attr-defined]
    content = as_torchscript(source)
    require_same_features(source, form, content)
    with torch.no_grad():
        for parameter in source.backbone.parameters():
            parameter.mul_(1.01)
    with pytest.raises(FameError, match="gives other features than the backbone"):
        require_same_features(source, form, content)
