"""Model and optimizer of a pretraining: one step of them, and their way to and from a checkpoint."""

import functools
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fame_cli.config import PretrainConfig
from fame_cli.learning.backbones import Backbone
from fame_cli.learning.checkpoint import load_training, save_training
from fame_cli.learning.distributed import average_running_statistics, rank_count, synchronise_batch_norms
from fame_cli.learning.memory_format import FORMATS, MemoryFormat, choose_memory_format
from fame_cli.learning.objectives.build import build_objective
from fame_cli.learning.objectives.decomposition import DecomposingEncoder
from fame_cli.learning.objectives.objective import Figures, Views, mean_figures


class Training:
    """The state that a step changes.

    Args:
        config: what to train, and how.
        device: where.
        compile: translate the backbones by torch.compile, which takes a minute at the start.
        memory_format: of the weights, and of the clips that ``step`` is to get.
        initial: a network whose weights the backbone begins with.
    """

    def __init__(
        self,
        config: PretrainConfig,
        device: torch.device,
        *,
        compile: bool = False,
        memory_format: MemoryFormat = "auto",
        initial: Backbone | None = None,
    ) -> None:
        self.config = config
        self.device = device
        self.memory_format = FORMATS[choose_memory_format(memory_format)]
        self.model = build_objective(config, initial)
        if self.model.batch_norm_clips == 0:
            synchronise_batch_norms(self.model, device)
        self.model.to(device).to(memory_format=self.memory_format)  # type: ignore[call-overload]
        if compile:
            compile_backbones(self.model)
        self.network: nn.Module = self.model
        if rank_count() > 1:
            # Buffers of all ranks are kept equal by batch normalisation over all of them, or after each step.
            self.network = DistributedDataParallel(self.model, broadcast_buffers=False)
        self.optimizer = build_optimizer(config, list(self.model.trainable_parameters()))

    def step(self, views: Views, step: int, total_steps: int, learning_rate: float) -> Figures:
        """Loss, backward, optimizer, momentum. Returns the loss and the objective's figures, on the device.

        Nothing in it makes the host wait for the device.
        """
        bf16 = self.config.precision == "bf16"
        autocast = functools.partial(torch.autocast, self.device.type, torch.bfloat16, enabled=bf16)
        self.optimizer.zero_grad(set_to_none=True)
        with autocast():
            parts = self.model.split(views)
        losses, measured = [], []
        for number, part in enumerate(parts):
            # Each part's activations are gone before the next needs room; gradients add up, and the ranks
            # exchange them once, with the last part.
            with self.exchange(number == len(parts) - 1):
                with autocast():
                    loss, figures = self.network(part)
                loss.backward()
            measured.append({name: value.detach().float() for name, value in figures.items()})
            losses.append(loss.detach().float())
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.model.after_step(step, total_steps)
        if self.model.batch_norm_clips:
            average_running_statistics(self.model)
        return {**mean_figures(measured), "loss": torch.stack(losses).sum()}

    def exchange(self, wanted: bool) -> AbstractContextManager[None]:
        """Within it, a backward pass shares its gradients with the other ranks only where that is wanted."""
        if wanted or not isinstance(self.network, DistributedDataParallel):
            return nullcontext()
        return self.network.no_sync()

    def save(self, checkpoint: Path, step: int) -> None:
        """Replace the checkpoint. Random states need no saving: every choice has an address."""
        state = {"step": step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_training(checkpoint, state)

    def restore(self, checkpoint: Path) -> int:
        """Go back to the checkpoint; returns the step to go on with."""
        state = load_training(checkpoint, self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])


def build_optimizer(config: PretrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD with momentum 0.9, or AdamW; on a GPU, one kernel for all parameters."""
    fused = True if parameters[0].is_cuda else None
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=decay, fused=fused)
    return torch.optim.AdamW(parameters, rate, weight_decay=decay, fused=fused)


def compile_backbones(model: nn.Module) -> None:
    """Compile in place, so that the keys of checkpoints stay as they are."""
    for module in model.modules():
        if isinstance(module, DecomposingEncoder):
            module.compile(dynamic=False)  # it looks at the maps within its backbone, and never calls that
        elif isinstance(module, Backbone):
            module.compile(dynamic=False)
            # Pretext tasks ask for the map itself, which does not go through the module's call.
            module.feature_map = torch.compile(module.feature_map, dynamic=False)  # type: ignore[method-assign]
