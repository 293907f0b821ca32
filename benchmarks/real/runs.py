"""The commands of the study: one training for each method and split, and what it is tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import fame
from fame_cli.advice import command
from fame_cli.data.manifest import read_manifest

SAME_FRAMES = ("--positive", "same-frames", "--no-symmetric", "--head", "linear")
NEGATIVE = ("--extra-negative", "intra-video")
BE_PARTS: dict[str, Sequence[object]] = {
    "same frames": ("--distraction", "none", *SAME_FRAMES),
    "+ distraction": ("--distraction", "frame-intra", *SAME_FRAMES),
    "+ negative": ("--distraction", "none", *SAME_FRAMES, *NEGATIVE),
    "BE": ("--distraction", "frame-intra", *SAME_FRAMES, *NEGATIVE),
    **{
        f"BE, {name}": ("--distraction", name, *SAME_FRAMES, *NEGATIVE)
        for name in ("noise", "mixup", "cutmix", "frame-inter")
    },
}
"""BE taken apart: what is left of it without both, each by itself, both, and with the other distractions."""
METHODS: dict[str, Sequence[object]] = {
    "untrained": (),
    "supervised": (),
    "MoCo": ("--distraction", "none"),
    "MoCo+FAME": (),
    "MoCo+seed": ("--variant", "seed"),
    "MoCo+BE": ("--distraction", "frame-intra", *NEGATIVE),
    "wide-micro": ("--objective", "wide-micro", "--background", "still"),
    **BE_PARTS,
}
"""What ``fame pretrain`` is given beside what all are given. Nothing is trained of the first; the second is
trained with the labels, by ``fame eval finetune`` from random weights."""

CLIPS = ("--clip-frames", 8, "--frame-stride", 4)
CROP = ("--crop-px", 64)
TRAINING = (
    *("--backbone", "small", *CLIPS, *CROP, "--batch-size", 32, "--queue-length", 256),
    *("--optimizer", "adamw", "--learning-rate", 0.001),
)
UNTRAINED = ("--weights", "random", "--backbone", "small", *CLIPS, *CROP)
SUPERVISION = ("--batch-size", 32, "--learning-rate", 0.05, "--dropout", 0.5, "--clips", 5)
FRAMES = ("--short-side-px", 80)
PROBE_CLIPS, BIAS_CLIPS = 5, 2
"""Clips of each video; the bias report trains a linear probe of its own, on fewer."""
PROBE = ("--train-on", "features", "--clips", PROBE_CLIPS)


@dataclass(frozen=True)
class Study:
    """Where the clips are, and where everything goes."""

    ucf: Path
    lists: Path
    weizmann: Path
    out: Path
    steps: int

    def work(self, split: int) -> Path:
        return self.out / f"ucf-{split}"

    @property
    def wall(self) -> Path:
        """WORK of Weizmann, where all stand before one wall."""
        return self.out / "weizmann"

    def run(self, method: str, split: int) -> Path:
        """RUN of a method on a split, whose number is the seed too."""
        return self.out / "runs" / f"{method}-{split}"

    def carry_out(self, method: str, split: int) -> None:
        """Train a method and test it, as far as that is not done."""
        work, run = self.work(split), self.run(method, split)
        seed: tuple[object, ...] = ("--seed", split)
        weights: tuple[object, ...] = ()
        if method == "untrained":
            weights = UNTRAINED
        elif method == "supervised":
            weights = ("--weights", self.supervise(work, run, seed), *CLIPS, *CROP)
        elif not (run / "backbone.safetensors").exists():
            start = "--resume" if (run / "config.toml").exists() else "-o"
            options = (*TRAINING, *METHODS[method], "--steps", self.steps, *seed)
            do("pretrain", work, start, run, *(options if start == "-o" else ()))
        do("eval", "linear", work, run, *PROBE, *seed, *weights)
        do("eval", "knn", work, run, "--clips", PROBE_CLIPS, *seed, *weights)
        do("eval", "bias", work, run, "--clips", BIAS_CLIPS, *seed, *weights)
        if not (run / "weizmann.npz").exists():
            do("embed", self.wall, run, "-o", run / "weizmann.npz", "--clips", PROBE_CLIPS, *seed, *weights)

    def supervise(self, work: Path, run: Path, seed: Sequence[object]) -> Path:
        """The network that was trained with the labels, in as many steps as the others."""
        epochs = round(self.steps * 32 / len(read_manifest(work).video_indices("train")))
        rate = ("--epochs", epochs, "--milestones", f"{epochs * 3 // 5},{epochs * 4 // 5}")
        do("eval", "finetune", work, run, *UNTRAINED, *SUPERVISION, *rate, *seed)
        (classifier,) = run.glob("evaluations/finetune-*/classifier.safetensors")
        return classifier

    def prepare(self, split: int) -> None:
        """Frames of both sets, and what masks are made from."""
        source = ("--source", "ucf101", "--annotations", self.lists, "--split", split)
        do("extract", self.ucf, "-o", self.work(split), *FRAMES, *source)
        do("masks", self.work(split), *CLIPS)
        do("extract", self.weizmann, "-o", self.wall, *FRAMES)


def do(*words: object) -> None:
    print(command(*words), flush=True)
    fame(*words)
