"""Learning rates and momenta as pure functions of how far a run has come: resuming needs no saved state."""

import math
from collections.abc import Sequence


def cosine(step: int, total_steps: int, base: float) -> float:
    """Half a cosine from ``base`` at step 0 to 0 from ``total_steps`` on (Loshchilov & Hutter, Eq. 5)."""
    progress = min(step / total_steps, 1.0)
    return base * (1 + math.cos(math.pi * progress)) / 2


def rising_cosine(step: int, total_steps: int, base: float) -> float:
    """Half a cosine from ``base`` at step 0 to 1: the momentum of BYOL's target (Grill et al., sec. 3.3)."""
    return 1 - cosine(step, total_steps, 1 - base)


def multistep(epoch: int, base: float, milestones: Sequence[int], factor: float) -> float:
    """``base``, times ``factor`` for each milestone that ``epoch`` (counted from 0) has reached."""
    return base * factor ** sum(epoch >= milestone for milestone in milestones)
