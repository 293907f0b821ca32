"""What a step keeps for its backward pass: both directions of MoCo at once, and one after the other.

    python -m benchmarks.memory --backbone r2plus1d_18 --batch-size 64

Tensors are of torch's meta device: they have shapes and no values, so the memory of a large GPU's batch is
counted on any machine. Counted is what autograd keeps of a forward pass: weights, gradients and optimizer
come on top of either.
"""

import argparse

import torch

from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.moco import Direction, MoCo
from fame_cli.learning.objectives.objective import View


def kept_bytes(model: MoCo, parts: list[Direction]) -> list[int]:
    """Bytes that autograd keeps of the forward pass of each part, each storage counted once a part."""
    counts = []
    for part in parts:
        storages: dict[int, torch.UntypedStorage] = {}

        def note(values: torch.Tensor, kept: dict[int, torch.UntypedStorage] = storages) -> torch.Tensor:
            storage = values.untyped_storage()
            kept[id(storage)] = storage  # kept alive, so that no other gets its number
            return values

        with torch.autograd.graph.saved_tensors_hooks(note, lambda values: values):
            model.encode_queries(part.clips)  # what the loss itself keeps is small beside it
        weights = {id(parameter.untyped_storage()) for parameter in model.parameters()}
        counts.append(sum(storage.nbytes() for key, storage in storages.items() if key not in weights))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="r2plus1d_18")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--clip-frames", type=int, default=16)
    parser.add_argument("--crop-px", type=int, default=112)
    parser.add_argument("--batch-norm-clips", type=int, default=8)
    options = parser.parse_args()
    model = MoCo(
        build_backbone(options.backbone),
        embedding_dim=128,
        queue_length=2048,
        momentum=0.999,
        temperature=0.1,
        seed=0,
        batch_norm_clips=options.batch_norm_clips,
    ).to("meta")
    shape = (options.batch_size, 3, options.clip_frames, options.crop_px, options.crop_px)
    views = {name: View(torch.empty(shape, device="meta")) for name in ("query", "key")}
    parts = kept_bytes(model, list(model.split(views)))
    gib = [count / 2**30 for count in parts]
    print(f"{options.backbone}, {' x '.join(map(str, shape))}, fp32")
    print(f"both directions at once  {sum(gib):6.1f} GiB")
    print(f"one after the other      {max(gib):6.1f} GiB")


if __name__ == "__main__":
    main()
