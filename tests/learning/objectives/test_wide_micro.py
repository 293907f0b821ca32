"""Wide and micro: each loss against a slow oracle, its switches, and MoCo where all of them are off."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fame_cli.config import PretrainConfig
from fame_cli.errors import ConfigurationError
from fame_cli.learning.backbones import build_backbone
from fame_cli.learning.objectives.build import build_objective, require_parts
from fame_cli.learning.objectives.losses import info_nce
from fame_cli.learning.objectives.moco import Direction, MoCo
from fame_cli.learning.objectives.objective import View, Views
from fame_cli.learning.objectives.wide_micro import WideMicro, donor_rows

B, D, K, TAU = 4, 5, 12, 0.1
CYCLE = torch.tensor([2, 0, 3, 1])
OTHER_CYCLE = torch.tensor([1, 3, 0, 2])
OFF = {"alpha": 0.0, "micro_weight": 0.0}


def clips(seed: int) -> Tensor:
    return torch.randn(B, 3, 8, 16, 16, generator=torch.Generator().manual_seed(seed))


def views(
    seed: int = 0, *, key_partners: Tensor | None = None, query_partners: Tensor | None = CYCLE
) -> Views:
    places = torch.rand(2, B, generator=torch.Generator().manual_seed(seed))
    videos = torch.arange(B)
    return {
        name: View(clips(10 * seed + number), partners, drawn={"place": places[number]}, videos=videos)
        for number, (name, partners) in enumerate((("query", query_partners), ("key", key_partners)))
    }


def shared(**options: Any) -> dict[str, Any]:
    return {
        "embedding_dim": D,
        "queue_length": K,
        "momentum": 0.9,
        "temperature": TAU,
        "seed": 0,
        "batch_norm_clips": 2,
    } | options


def make(**options: Any) -> WideMicro:
    torch.manual_seed(0)
    return WideMicro(build_backbone("small"), batch_size=B, **shared(**options)).train()


def rows_of(model: WideMicro, part: Direction) -> Tensor:
    """Rows of the queries: in training mode the batch gives the statistics, so a second pass repeats them."""
    with torch.no_grad():
        return model.encode_queries(part.clips)


def cross_entropy(logits: list[list[float]]) -> float:
    """Of the first of each row, the mean over the rows."""
    each = [math.log(sum(math.exp(x - row[0]) for x in row)) for row in logits]
    return sum(each) / len(each)


def test_with_everything_off_it_is_moco_to_the_last_bit_in_loss_gradient_and_queue() -> None:
    torch.manual_seed(0)
    moco = MoCo(build_backbone("small"), **shared()).train()
    ours = make(**OFF)
    assert ours.chance == moco.chance
    for step in range(2):
        (theirs, _), (mine, figures) = moco(views(step)), ours(views(step))
        assert torch.equal(mine, theirs)
        assert torch.equal(figures["loss_wide"], theirs.detach())
    theirs.backward()
    mine.backward()
    assert torch.equal(moco.queue, ours.queue)
    for one, other in zip(moco.trainable_parameters(), ours.trainable_parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    assert moco.state_dict().keys() == ours.state_dict().keys()


def slow_wide(model: WideMicro, part: Direction, semi: Tensor, alpha: float) -> float:
    queries, keys = rows_of(model, part)[:, :D], part.keys[:, :D]
    logits = []
    for i in range(B):
        negatives = [
            float(queries[i] @ part.queue[:D, k]) / TAU for k in range(K) if not part.own_video[i, k]
        ]
        own = float(queries[i] @ keys[i]) / TAU
        logits.append([own, *negatives, float(queries[i] @ semi[i]) / TAU + math.log(alpha)])
    return cross_entropy(logits)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_wide_loss_weighs_the_key_of_the_donor_by_alpha(alpha: float) -> None:
    model = make(alpha=alpha, micro_weight=0.0)
    model.split(views(1))  # some keys of the same videos are in the queue by now
    there, back = model.split(views())
    # Query i stands on the background of CYCLE[i], whose own key is row CYCLE[i] of the batch.
    expected = slow_wide(model, there, there.all_keys[CYCLE], alpha)
    assert model(there)[0].item() == pytest.approx(expected / 2, rel=1e-5)
    # The other way, the clip with background i is the one whose donor is i.
    donors = [CYCLE.tolist().index(row) for row in range(B)]
    expected = slow_wide(model, back, back.all_keys[donors], alpha)
    assert model(back)[0].item() == pytest.approx(expected / 2, rel=1e-5)


def test_with_both_branches_the_key_with_the_querys_background_is_meant_and_never_its_own() -> None:
    model = make(micro_weight=0.0)
    there, _ = model.split(views(key_partners=OTHER_CYCLE))
    rows, found = donor_rows(there)
    for i, background in enumerate(CYCLE.tolist()):
        row = OTHER_CYCLE.tolist().index(background)
        assert rows[i] == row
        assert found[i] == (row != i)
    same, _ = model.split(views(key_partners=CYCLE))
    assert not donor_rows(same)[1].any()
    assert model(same)[0].isfinite()


def test_query_on_its_own_background_has_no_donor_and_moco_is_left() -> None:
    given = views(query_partners=None)
    ours, off = make(micro_weight=0.0), make(**OFF)
    loss, figures = ours(given)
    assert torch.equal(loss, off(given)[0])
    assert "scene_gap" not in figures


def test_still_semi_negative_is_the_key_of_the_positive_without_its_motion() -> None:
    model = make(semi_negative="still", alpha=2.0, micro_weight=0.0)
    given = dict(views())
    given["key"].clips[1] = given["key"].clips[1, :, :1]  # does not move: no negative
    there, _ = model.split(given)
    stills = given["key"].clips.median(dim=2, keepdim=True).values.expand(-1, -1, 8, -1, -1)
    with torch.no_grad():
        semi = model.encode_keys(replace(given["key"], clips=stills))
    queries = rows_of(model, there)
    cosines = (queries * semi).sum(dim=1, keepdim=True)
    cosines[1] = -math.inf
    expected, _ = info_nce(
        queries, there.keys, there.queue, TAU, extra=cosines, extra_weights=[2.0], excluded=there.own_video
    )
    torch.testing.assert_close(model(there)[0].detach(), expected / 2)


def test_micro_loss_is_of_motion_against_its_queue_and_what_stays_in_the_key() -> None:
    model = make(wide_weight=0.0)
    model.split(views(1))
    given = dict(views())
    given["key"].clips[2] = given["key"].clips[2, :, :1]
    there, _ = model.split(given)
    queries = rows_of(model, there)[:, D : 2 * D]
    motion, static = there.keys[:, D : 2 * D], there.keys[:, 2 * D : 3 * D]
    assert torch.equal(motion[2], static[2])
    logits = []
    for i in range(B):
        others = [there.queue[D:, k] for k in range(K) if not there.own_video[i, k]]
        others += [static[i]] if i != 2 else []
        logits.append([float(queries[i] @ motion[i]) / TAU, *(float(queries[i] @ k) / TAU for k in others)])
    loss, figures = model(there)
    assert loss.item() == pytest.approx(cross_entropy(logits) / 2, rel=1e-5)
    assert figures["loss_micro"].item() == pytest.approx(2 * loss.item(), rel=1e-6)
    assert figures["moving"].item() == 0.75
    assert there.queue.shape == (2 * D, K)
    torch.testing.assert_close(model.queue[D:, -4:].T.norm(dim=1), torch.ones(4))


def test_static_loss_finds_the_scene_of_the_donor_among_the_keys_of_the_batch() -> None:
    model = make(wide_weight=0.0, micro_weight=0.0, static_weight=1.0)
    there, _ = model.split(views())
    anchors, keys = rows_of(model, there)[:, 2 * D : 3 * D], there.all_keys[:, 2 * D : 3 * D]
    logits = []
    for i, donor in enumerate(CYCLE.tolist()):
        order = [donor, *(row for row in range(B) if row != donor)]
        logits.append([float(anchors[i] @ keys[row]) / TAU for row in order])
    loss, figures = model(there)
    assert loss.item() == pytest.approx(cross_entropy(logits) / 2, rel=1e-5)
    assert figures["loss_static"].item() == pytest.approx(2 * loss.item(), rel=1e-6)
    assert model.queue.shape == (D, K)


def test_losses_add_up_by_their_weights() -> None:
    options = {"wide_weight": 0.5, "micro_weight": 2.0, "static_weight": 0.25}
    loss, figures = make(**options)(views())
    total = sum(weight * figures[f"loss_{name[:-7]}"].item() for name, weight in options.items())
    assert loss.item() == pytest.approx(total, rel=1e-6)
    assert not any(figure.requires_grad for figure in figures.values())


def test_chance_is_the_loss_of_an_encoder_that_tells_nothing_apart() -> None:
    model = make(alpha=0.5, micro_weight=2.0, static_weight=0.25)
    assert model.chance == pytest.approx(math.log(K + 1.5) + 2 * math.log(K + 2) + 0.25 * math.log(B))
    same = functional.normalize(torch.ones(B, D), dim=1)
    with torch.no_grad():
        model.queue.copy_(functional.normalize(torch.ones(D, K), dim=0).repeat(2, 1))
    there, _ = model.split(views())
    rows = torch.cat([same, same, same, torch.ones(B, 1)], dim=1)
    alike = replace(there, all_keys=rows, queue=model.queue.clone() * 0 + same[0, 0])
    loss, figures = model.contrast(rows, alike)
    assert loss.item() == pytest.approx(model.chance, rel=1e-5)
    assert figures["accuracy"].item() == figures["accuracy_micro"].item() == 0


def test_scene_gap_tells_a_query_that_goes_by_the_background_from_one_that_does_not() -> None:
    model = make(micro_weight=0.0)
    there, _ = model.split(views())
    keys = functional.normalize(torch.eye(B, D) + 0.1, dim=1)
    for queries, sign in ((keys, 1), (keys[CYCLE], -1)):
        _, figures = model.contrast(queries, replace(there, all_keys=keys))
        assert sign * figures["scene_gap"].item() > 0.5


def test_gradient_of_each_loss_reaches_the_backbone_and_none_the_key_encoder() -> None:
    for name in ("wide", "micro", "static"):
        weights = {f"{other}_weight": float(other == name) for other in ("wide", "micro", "static")}
        model = make(**weights)
        model(views())[0].backward()
        assert any(parameter.grad.abs().max() > 0 for parameter in model.backbone.parameters())
        assert all(parameter.grad is None for parameter in model.encoder_k.parameters())
        # A part of weight 0 takes part with gradients of 0, so that several processes agree on what there is.
        assert all(parameter.grad is not None for parameter in model.encoder_q.head.parameters())


def test_exported_is_the_plain_backbone() -> None:
    assert make().backbone.state_dict().keys() == build_backbone("small").state_dict().keys()


SMALL = {"backbone": "small", "clip_frames": 8, "frame_stride": 1, "crop_px": 16, "batch_size": B}


def configured(**options: Any) -> PretrainConfig:
    return PretrainConfig.from_options(**SMALL | {"objective": "wide-micro", "queue_length": K} | options)


def test_options_reach_the_objective() -> None:
    model = build_objective(
        configured(
            background="still",
            alpha=0.5,
            semi_negative="still",
            static_weight=0.1,
            saliency_layer=2,
            saliency_temperature=0.25,
        )
    )
    assert isinstance(model, WideMicro)
    assert (model.alpha, model.semi_negative, model.static_weight) == (0.5, "still", 0.1)
    assert (model.encoder_q.layer, model.encoder_q.temperature) == (2, 0.25)
    assert model.batch_norm_clips == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distraction": "none"}, "takes nothing of another clip"),
        ({"background": "intra"}, "takes nothing of another clip"),
        ({"distraction": "none", "semi_negative": "still", "static_weight": 1.0}, "takes nothing of another"),
        ({"saliency_layer": 5}, "the network small has 4 stages"),
    ],
)
def test_what_network_or_distraction_lacks_is_told_before_the_training(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        require_parts(configured(**options))


def test_parts_that_need_no_donor_train_without_one() -> None:
    for options in ({"alpha": 0.0}, {"semi_negative": "still"}):
        require_parts(configured(distraction="none", **options))
    require_parts(configured(background="still"))
    require_parts(configured(distraction="frame-inter"))
    require_parts(PretrainConfig.from_options(**SMALL, queue_length=K))


def test_all_weights_at_nought_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"--wide-weight is 0\.0; expected above 0 where --micro"):
        configured(wide_weight=0.0, micro_weight=0.0)
