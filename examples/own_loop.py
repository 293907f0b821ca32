"""Foreground-background merging in a training loop of one's own: the two lines marked FAME.

    python examples/own_loop.py

Data, model and loop stand for what you have. Here squares move up, down, left or right before a background
whose colour gives the answer away in training and says nothing in the test. It takes some ten seconds.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fame_cli import ForegroundBackgroundMerging  # FAME

STEPS = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])
COLOURS = torch.tensor([[0.8, 0.3, 0.3], [0.3, 0.8, 0.3], [0.3, 0.3, 0.8], [0.7, 0.7, 0.3]])


def make_clips(count: int, *, telling: bool, seed: int) -> TensorDataset:
    """Clips (count, 3, 6, 24, 24) in [0, 1] and the direction (count,) in which the square of each moves."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 4
    scenes = labels if telling else torch.randint(4, (count,), generator=generator)
    clips = COLOURS[scenes][:, :, None, None, None].repeat(1, 1, 6, 24, 24)
    clips *= 0.7 + 0.3 * torch.rand(count, 1, 1, 24, 24, generator=generator)
    starts = torch.randint(7, 11, (count, 2), generator=generator)
    for clip, label, start in zip(clips, labels, starts, strict=True):
        for time in range(6):
            top, left = (start + (time - 3) * STEPS[label]).tolist()
            clip[:, time, top : top + 7, left : left + 7] = 1
    return TensorDataset(clips, labels)


def make_model() -> nn.Module:
    layers: list[nn.Module] = []
    for channels, wider in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv3d(channels, wider, 3, (1, 2, 2), 1), nn.BatchNorm3d(wider), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, 4))


def train(model: nn.Module, merge: nn.Module, epochs: int = 5) -> None:
    loader = DataLoader(make_clips(256, telling=True, seed=0), batch_size=16, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for clips, labels in loader:
            merged = merge(clips)  # FAME: after cropping, before normalising; the labels stay
            loss = nn.functional.cross_entropy(model(merged - 0.5), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module) -> float:
    clips, labels = make_clips(256, telling=False, seed=1).tensors
    return (model.eval()(clips - 0.5).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    for name, merge in {"without": nn.Identity(), "with": ForegroundBackgroundMerging(beta=0.3)}.items():
        torch.manual_seed(0)
        model = make_model()
        train(model, merge)
        print(f"{name} merging: {accuracy(model):.0%} right where the background says nothing")
