"""From the named tensors of any known file to a backbone, with every entry accounted for.

Names differ between programs, and files hold more than a backbone; which entries are whose is told here, by
their names and shapes alone.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from fame_cli.config import BackboneName
from fame_cli.errors import ArtefactError
from fame_cli.learning.backbones import Backbone, build_empty

WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before each name."""

ENCODERS = (
    *("encoder_q.backbone.", "encoder.backbone.", "online.backbone.", "backbone.", "encoder."),
    *("encoder_q.", "online_encoder.net.", "base_model.", ""),
)
"""Where the backbone is: MoCo, SimCLR, BYOL, classifiers and pretext tasks of this toolkit; MoCo and FAME;
BE; by itself."""

HEADED = r"((encoder_q|encoder|online|online_encoder\.net|base_model)\.)?"
HEADS = "fc|head|id_head|projection|classifier|linear|logits|conv3d_0c_1x1(_custom)?|painting_(Gen|Dis)"
ASIDE = {
    "key encoder": re.compile(r"(encoder_k|target|target_encoder|key_encoder|key_fc)\."),
    "queue": re.compile(r"queue(_ptr|_pointer)?$"),
    "head": re.compile(rf"{HEADED}({HEADS})\.|(weight|bias)$"),
}
"""Entries that belong to a training or a classifier and to no backbone."""

MAC_R3D = (
    # The R3D of MAC_SSL and CtP: stem.conv.weight, layer2.0.conv1.conv.weight, layer2.0.bn1.weight
    (r"^stem\.conv\.", "stem.0."),
    (r"^stem\.bn\.", "stem.1."),
    (r"\.conv([12])\.conv\.", r".conv\1.0."),
    (r"\.bn([12])\.", r".conv\1.1."),
    (r"\.downsample\.conv\.", ".downsample.0."),
    (r"\.downsample_bn\.", ".downsample.1."),
)

RENAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    # The I3D of FAME and BE: conv3d_1a_7x7.batch3d.weight, mixed_3b.branch_1.0.conv3d.weight
    "i3d": (
        (r"^conv3d_(\d)", r"Conv3d_\1"),
        (r"^mixed_", "Mixed_"),
        (r"\.branch_0\.", ".b0."),
        (r"\.branch_([12])\.0\.", r".b\1a."),
        (r"\.branch_([123])\.1\.", r".b\1b."),
        (r"\.batch3d\.", ".bn."),
    ),
    # The C3D of BE: conv3a.weight, bn3a.weight
    "c3d": ((r"^conv(\d[ab]?)\.", r"layers.conv\1.0."), (r"^bn(\d[ab]?)\.", r"layers.conv\1.1.")),
    "r3d_18": MAC_R3D,
    "r3d_34": MAC_R3D,
}
"""For each network, patterns that bring the names of published code to ours, one after another."""

COUNTER = ".num_batches_tracked"

EPSILONS = {".batch3d.": 1e-5, ".downsample_bn.": 1e-3}
"""What batch normalisation adds to the variance in networks that are known by such a name, where ours adds
another number: the I3D of FAME and BE, the R3D of MAC_SSL and CtP."""


@dataclass(frozen=True)
class KeyCount:
    """How the entries of a file met those of the network: all of the network's must match."""

    matched: int
    missing: int
    unexpected: int

    def __str__(self) -> str:
        return f"{self.matched} backbone keys matched, {self.missing} missing, {self.unexpected} unexpected"


@dataclass(frozen=True)
class Fit:
    """The entries of a file beside those of one network."""

    name: str
    matched: Mapping[str, Tensor]
    """Entries of the right shape, under our names."""
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    surplus: tuple[str, ...]
    """Entries of a part of the network that it has not: those of a deeper one."""
    foreign: tuple[str, ...]
    """Entries of no known use, outside the network."""
    uncounted: frozenset[str]
    """Counters of batches: a file from before PyTorch 0.4.1 has none, and nothing here reads them."""
    aside: Mapping[str, int]
    """How many entries are of a key encoder, a queue or a head, which are not needed."""

    @property
    def whole(self) -> bool:
        return not (self.missing or self.misshapen or self.surplus)

    @property
    def keys(self) -> KeyCount:
        return KeyCount(len(self.matched), len(self.missing), len(self.surplus) + len(self.foreign))

    @property
    def likeness(self) -> float:
        """Share of all names, of the network or of the file, that match."""
        others = (*self.missing, *self.misshapen, *self.surplus, *self.foreign)
        return len(self.matched) / (len(self.matched) + len(others))

    def __str__(self) -> str:
        faults = {
            "missing": self.missing,
            "of another shape": self.misshapen,
            "unexpected": self.surplus + self.foreign,
        }
        told = [f"{fault}: {first_few(names)}" for fault, names in faults.items() if names]
        if self.aside:
            told.append("ignored: " + ", ".join(f"{count} of {kind}" for kind, count in self.aside.items()))
        misshapen = f", {len(self.misshapen)} of another shape" if self.misshapen else ""
        return f"{self.keys}{misshapen}" + (f" ({'; '.join(told)})" if told else "")


def first_few(names: Iterable[str], limit: int = 3) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:limit]) + (", …" if len(ordered) > limit else "")


def fit_backbone(path: Path, entries: Mapping[str, Tensor], name: str | None) -> tuple[Backbone, Fit]:
    """The network that the entries of the file ``path`` fill, on the CPU, and how they met it.

    It is the network ``name``, or where that is None the only one that is filled wholly. No random number is
    drawn. Raises ArtefactError with counts and names unless the network is filled wholly.
    """
    fits = [fit(entries, known) for known in ([name] if name else get_args(BackboneName))]
    whole = [found for found in fits if found.whole]
    if len(whole) != 1:
        raise misfit(path, entries, name)
    return fill(whole[0], epsilon_of(entries)), whole[0]


def epsilon_of(entries: Iterable[str]) -> float | None:
    """The epsilon of the batch normalisation that the entries were trained with; None where it is ours."""
    names = list(entries)
    return next((value for part, value in EPSILONS.items() if any(part in name for name in names)), None)


def misfit(path: Path, entries: Mapping[str, Tensor], wanted: str | None) -> ArtefactError:
    """Why the entries fill no network, and which one they are nearest to."""
    nearest = max((fit(entries, known) for known in get_args(BackboneName)), key=lambda found: found.likeness)
    hint = f"Give all the weights of a known network: {', '.join(get_args(BackboneName))}."
    if wanted is None:
        return ArtefactError(
            f"{path}: fills no known network; the nearest is {nearest.name}: {nearest}.", hint
        )
    if nearest.name != wanted:
        hint = f"{'It fills' if nearest.whole else 'The nearest network is'} {nearest.name}: {nearest.keys}."
    return ArtefactError(f"{path}: does not fill {wanted}: {fit(entries, wanted)}.", hint)


def fit(entries: Mapping[str, Tensor], name: str) -> Fit:
    """Compare the entries of a file, under the names that they have there, with those of one network."""
    expected = outline(name).state_dict()
    parts = {part_of(key) for key in expected}
    prefix = encoder_prefix(entries)
    names = {full: our_name(full, prefix, name) for full in entries}
    shared = {full: key for full, key in names.items() if key in expected}
    fitting = {full: key for full, key in shared.items() if entries[full].shape == expected[key].shape}
    kinds = {full: kind_aside(full) for full in names.keys() - shared.keys()}
    others = [full for full, kind in kinds.items() if kind is None]
    absent = expected.keys() - set(shared.values())
    counts = any(full.endswith(COUNTER) for full in entries)
    uncounted = frozenset(key for key in absent if key.endswith(COUNTER) and not counts)
    return Fit(
        name=name,
        matched={key: entries[full].to(expected[key].dtype) for full, key in fitting.items()},
        missing=tuple(absent - uncounted),
        misshapen=tuple(
            f"{full} {tuple(entries[full].shape)} for {tuple(expected[key].shape)}"
            for full, key in shared.items()
            if full not in fitting
        ),
        surplus=tuple(full for full in others if part_of(names[full]) in parts),
        foreign=tuple(full for full in others if part_of(names[full]) not in parts),
        uncounted=uncounted,
        aside=dict(sorted(Counter(kind for kind in kinds.values() if kind).items())),
    )


@functools.cache
def outline(name: str) -> Backbone:
    """A network whose shapes alone are looked at."""
    return build_empty(name)


def fill(found: Fit, epsilon: float | None) -> Backbone:
    """The network with the matched values for its own, trained under another ``epsilon`` if one is given."""
    backbone = build_empty(found.name)
    counters = {key: torch.zeros((), dtype=torch.long) for key in found.uncounted}
    backbone.load_state_dict(counters | dict(found.matched), strict=True, assign=True)
    if epsilon is not None:
        # The same function under our epsilon, which the weights then need not carry with them.
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm3d) and module.running_var is not None:
                module.running_var = module.running_var + (epsilon - module.eps)
    return backbone


def part_of(key: str) -> str:
    return key.split(".", 1)[0]


def bare(full: str) -> str:
    """The name of an entry without what a wrapper put before it."""
    while wrapper := next((wrapper for wrapper in WRAPPERS if full.startswith(wrapper)), None):
        full = full.removeprefix(wrapper)
    return full


def encoder_prefix(entries: Iterable[str]) -> str:
    names = [bare(full) for full in entries]
    return next((prefix for prefix in ENCODERS if any(name.startswith(prefix) for name in names)), "")


def our_name(full: str, prefix: str, network: str) -> str:
    """What we call the entry of a file, if it is one of the network's."""
    key = bare(full)
    if not key.startswith(prefix):
        return key
    key = bare(key.removeprefix(prefix))
    for pattern, replacement in RENAMES.get(network, ()):
        key = re.sub(pattern, replacement, key)
    return key


def kind_aside(full: str) -> str | None:
    return next((kind for kind, pattern in ASIDE.items() if pattern.match(bare(full))), None)
