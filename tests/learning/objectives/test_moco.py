"""Momentum contrast: the queue, the momentum step, and what a query meets among its negatives."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fame_cli.data.role import Role
from fame_cli.learning.backbones import Backbone, build_backbone
from fame_cli.learning.objectives.losses import info_nce
from fame_cli.learning.objectives.moco import MoCo, random_queue
from fame_cli.learning.objectives.objective import Encoder, View, Views, projection_head


class MeanColour(Backbone):
    """The mean colour of a clip through one linear layer and a batch normalisation."""

    feature_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv3d(3, 16, kernel_size=1)
        self.norm = nn.BatchNorm3d(16)

    def feature_map(self, clips: Tensor) -> Tensor:
        features: Tensor = self.norm(self.layer(clips))
        return features


def make_moco(queue_length: int = 10, seed: int = 0, momentum: float = 0.9) -> MoCo:
    torch.manual_seed(seed)
    return MoCo(
        MeanColour(),
        embedding_dim=3,
        queue_length=queue_length,
        momentum=momentum,
        temperature=0.1,
        seed=seed,
    ).train()


def pair(first: Tensor, second: Tensor) -> Views:
    return {"query": View(first), "key": View(second)}


def coloured(count: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two batches of clips, each clip of one colour of its own."""
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, count, 3, 1, 1, 1, generator=generator).expand(2, count, 3, 2, 4, 4)
    return first, second


def views(count: int = 4, seed: int = 0) -> Views:
    return pair(*coloured(count, seed))


def columns(*values: float) -> Tensor:
    """Keys (N, 3), each telling by one number which it is."""
    return torch.tensor(values)[:, None].expand(-1, 3)


def test_head_has_two_layers_around_one_relu() -> None:
    head = projection_head(6, 2)
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [tuple(parameter.shape) for parameter in head.parameters()] == [(6, 6), (6,), (2, 6), (2,)]


def test_encoder_gives_unit_vectors_in_float32_also_under_autocast() -> None:
    torch.manual_seed(0)
    encoder = Encoder(build_backbone("small"), projection_head(128, 5))
    clips = torch.rand(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = encoder(clips)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


def test_key_encoder_starts_as_a_copy_that_no_gradient_reaches() -> None:
    moco = make_moco()
    moco(views())[0].backward()
    for query, key in zip(moco.encoder_q.parameters(), moco.encoder_k.parameters(), strict=True):
        assert torch.equal(query, key)
        assert query.data_ptr() != key.data_ptr()
        assert query.grad is not None
        assert key.grad is None
        assert not key.requires_grad


def test_momentum_step_moves_key_parameters_a_tenth_of_the_way_at_momentum_0_9() -> None:
    moco = make_moco(momentum=0.9)
    with torch.no_grad():
        for parameter in moco.encoder_q.parameters():
            parameter.fill_(2.0)
        for parameter in moco.encoder_k.parameters():
            parameter.fill_(1.0)
    moco.update_keys()
    for parameter in moco.encoder_k.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, 1.1))
    assert all((parameter == 2.0).all() for parameter in moco.encoder_q.parameters())


def test_momentum_step_leaves_the_running_statistics_of_the_key_encoder_alone() -> None:
    moco = make_moco()
    moco(views())
    before = {name: buffer.clone() for name, buffer in moco.encoder_k.named_buffers()}
    with torch.no_grad():
        for buffer in moco.encoder_q.buffers():
            buffer.add_(1)
    moco.update_keys()
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in moco.encoder_k.named_buffers())


def test_key_encoder_gathers_running_statistics_of_its_own() -> None:
    moco = make_moco()
    fresh = moco.encoder_k.backbone.get_buffer("norm.running_mean").clone()
    moco(views())
    assert not torch.equal(moco.encoder_k.backbone.get_buffer("norm.running_mean"), fresh)


def test_forward_leaves_the_key_parameters_to_the_loop() -> None:
    moco = make_moco()
    with torch.no_grad():
        for parameter in moco.encoder_q.parameters():
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in moco.encoder_k.parameters()]
    moco(views())
    assert all(map(torch.equal, moco.encoder_k.parameters(), before))


def test_loss_is_the_mean_of_both_directions_against_the_queue_as_it_was() -> None:
    moco = make_moco()
    first, second = coloured()
    queue = moco.queue.clone()
    with torch.no_grad():
        queries = moco.encoder_q(first), moco.encoder_q(second)
        keys = moco.encoder_k(first), moco.encoder_k(second)
    # In training mode the batch itself gives the statistics, so a second pass repeats the first.
    there, there_hits = info_nce(queries[0], keys[1], queue, 0.1)
    back, back_hits = info_nce(queries[1], keys[0], queue, 0.1)
    loss, figures = moco(pair(first, second))
    torch.testing.assert_close(loss, (there + back) / 2)
    torch.testing.assert_close(figures, {"accuracy": (there_hits + back_hits) / 2})
    assert there.item() != pytest.approx(back.item(), abs=1e-3)
    torch.testing.assert_close(moco.queue[:, :8].T, torch.cat(keys))
    assert not figures["accuracy"].requires_grad


def test_no_query_meets_its_own_clip_among_the_negatives() -> None:
    # Two equal views: at the start each key equals its query. Were the first pass's keys in the queue by the
    # second pass, that would compare each query with its own clip, and the two directions would differ.
    moco = make_moco(queue_length=8)
    clips, _ = coloured()
    with torch.no_grad():
        embeddings = moco.encoder_q(clips)
    expected, _ = info_nce(embeddings, embeddings, moco.queue.clone(), 0.1)
    torch.testing.assert_close(moco(pair(clips, clips))[0], expected)
    # Afterwards they are all there.
    torch.testing.assert_close(moco.queue.T, torch.cat([embeddings, embeddings]))


def test_keys_enter_the_queue_in_order_and_the_oldest_leave() -> None:
    moco = make_moco(queue_length=5)
    moco.queue.zero_()
    moco.enqueue(columns(1, 2, 3))
    assert moco.queue[0].tolist() == [1, 2, 3, 0, 0]
    assert moco.queue_pointer.item() == 3
    moco.enqueue(columns(4, 5, 6, 7))
    assert moco.queue[2].tolist() == [6, 7, 3, 4, 5]
    assert moco.queue_pointer.item() == 2


@pytest.mark.parametrize("queue_length", [4, 5, 7, 8, 9])
@pytest.mark.parametrize("batch", [1, 3, 4])
def test_queue_always_holds_the_newest_keys(queue_length: int, batch: int) -> None:
    moco = make_moco(queue_length=queue_length)
    moco.queue.zero_()
    history = [0.0] * queue_length
    for step in range(6):
        keys = [float(1 + step * batch + index) for index in range(batch)]
        history += keys
        moco.enqueue(columns(*keys))
        from_oldest = moco.queue[0].roll(-int(moco.queue_pointer))
        assert from_oldest.tolist() == history[-queue_length:]


def test_of_more_keys_than_the_queue_is_long_the_last_stay() -> None:
    moco = make_moco(queue_length=3)
    moco.enqueue(columns(1))
    moco.enqueue(columns(2, 3, 4, 5, 6))
    assert sorted(moco.queue[0].tolist()) == [4, 5, 6]
    assert moco.queue[0].roll(-int(moco.queue_pointer)).tolist() == [4, 5, 6]
    moco.enqueue(columns(7))
    assert sorted(moco.queue[0].tolist()) == [5, 6, 7]


def test_a_step_works_with_two_batches_longer_than_the_queue() -> None:
    moco = make_moco(queue_length=5)
    loss, _ = moco(views(count=4))
    loss.backward()
    assert math.isfinite(loss.item())


def test_the_first_queue_holds_unit_vectors_that_its_seed_decides() -> None:
    queue = random_queue(16, 200, seed=1)
    torch.testing.assert_close(queue.norm(dim=0), torch.ones(200))
    assert queue.mean(dim=1).abs().max() < 0.08  # no direction is preferred
    torch.manual_seed(99)
    assert torch.equal(queue, random_queue(16, 200, seed=1))
    assert not torch.equal(queue, random_queue(16, 200, seed=2))


def test_the_same_seed_builds_the_same_model() -> None:
    first, second = make_moco(seed=4).state_dict(), make_moco(seed=4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_restored_state_goes_on_as_if_it_had_never_stopped() -> None:
    def step(moco: MoCo, seed: int) -> float:
        loss, _ = moco(views(seed=seed))
        moco.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in moco.encoder_q.parameters():
                assert parameter.grad is not None
                parameter.sub_(0.1 * parameter.grad)
        moco.update_keys()
        return float(loss.detach())

    straight = make_moco()
    step(straight, 0)
    state = {name: value.clone() for name, value in straight.state_dict().items()}
    resumed = make_moco(seed=5)
    resumed.load_state_dict(state, strict=True)
    assert [step(straight, seed) for seed in (1, 2, 3)] == [step(resumed, seed) for seed in (1, 2, 3)]


def test_training_on_matching_views_brings_the_loss_down() -> None:
    moco = make_moco(queue_length=32, momentum=0.9)
    optimizer = torch.optim.SGD(moco.encoder_q.parameters(), lr=0.1)
    losses = []
    for seed in range(60):
        clips, _ = coloured(count=8, seed=seed)
        loss, _ = moco(pair(clips, clips))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        moco.update_keys()
        losses.append(loss.item())
    # The first two steps have a queue of random directions, an easy one.
    assert sum(losses[-10:]) < 0.8 * sum(losses[2:12])


def drawn_views(count: int = 8, seed: int = 0, first_video: int = 0) -> Views:
    """Views whose role drew the places of their keys, of numbered videos."""
    generator = torch.Generator().manual_seed(100 + seed)
    return {
        name: View(
            view.clips,
            drawn={"place": torch.rand(count, generator=generator)},
            videos=torch.arange(count) + first_video,
        )
        for name, view in views(count, seed).items()
    }


def with_groups(clips: int, **options: Any) -> MoCo:
    torch.manual_seed(0)
    return MoCo(
        MeanColour(),
        embedding_dim=3,
        queue_length=20,
        momentum=0.9,
        temperature=0.1,
        seed=0,
        batch_norm_clips=clips,
        **options,
    ).train()


def test_parts_of_a_step_add_up_to_the_loss_and_gradient_of_the_views() -> None:
    whole, parted = with_groups(0), with_groups(0)
    loss, figures = whole(drawn_views())
    loss.backward()
    parts = []
    for part in parted.split(drawn_views()):
        loss_of_part, measured = parted(part)
        loss_of_part.backward()
        parts.append((loss_of_part.detach(), measured["accuracy"]))
    assert len(parts) == 2
    torch.testing.assert_close(sum(loss for loss, _ in parts), loss.detach())
    torch.testing.assert_close((parts[0][1] + parts[1][1]) / 2, figures["accuracy"])
    for one, other in zip(whole.trainable_parameters(), parted.trainable_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_queries_are_normalised_in_groups_of_their_order() -> None:
    model = with_groups(2)
    clips = drawn_views()["query"].clips
    found = model.encode_queries(clips)
    expected = torch.cat([model.encoder_q(clips[first : first + 2]) for first in range(0, 8, 2)])
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, model.encoder_q(clips), atol=1e-3)


def test_keys_are_normalised_in_groups_of_the_drawn_order_and_come_back_in_their_own() -> None:
    model = with_groups(2)
    view = drawn_views()["key"]
    order = view.drawn["place"].argsort()
    with torch.no_grad():
        shuffled = torch.cat([model.encoder_k(view.clips[order[n : n + 2]]) for n in range(0, 8, 2)])
        found = model.encode_keys(view)
    torch.testing.assert_close(found[order], shuffled)


def test_keys_of_a_querys_own_video_are_no_negatives() -> None:
    model = with_groups(0)
    model.split(drawn_views())  # fills the queue with the keys of videos 0 to 7, twice each
    (there, _) = model.split(drawn_views(seed=1))
    assert there.own_video.sum(dim=1).tolist() == [2] * 8
    queries = model.encode_queries(there.clips)
    expected = 0.0
    for row in range(8):
        negatives = there.queue[:, ~there.own_video[row]]
        expected += info_nce(queries[[row]], there.keys[[row]], negatives, 0.1)[0].item() / 8
    assert model(there)[0].item() == pytest.approx(expected / 2, rel=1e-5)
    (other, _) = model.split(drawn_views(first_video=100))
    assert not other.own_video.any()


def test_negative_of_its_own_video_is_one_more_logit_with_gradient_and_chance_says_so() -> None:
    roles = (Role("query"), Role("key"), Role("negative", frames="apart", gap_frames=4))
    model = with_groups(0, roles=roles, symmetric=False)
    assert model.chance == pytest.approx(math.log(20 + 2))
    given = drawn_views()
    apart = torch.tensor([True] * 6 + [False] * 2)
    negative = View(drawn_views(seed=5)["query"].clips.requires_grad_(), apart=apart)
    (part,) = model.split({**given, "negative": negative})
    loss, figures = model(part)
    loss.backward()
    assert figures["negatives"].item() == 0.75
    # Where there is no other time, its logit takes no part, and no gradient reaches the clip.
    moved = negative.clips.grad.abs().flatten(1).sum(dim=1) if negative.clips.grad is not None else None
    assert moved is not None
    assert (moved[:6] > 0).all()
    with torch.no_grad():
        queries, others = model.encode_queries(part.clips), model.encode_queries(negative.clips)
        logits = torch.cat(
            [
                (queries * part.keys).sum(1, keepdim=True),
                queries @ part.queue,
                (queries * others).sum(1, keepdim=True).masked_fill(~apart[:, None], -math.inf),
            ],
            dim=1,
        )
        expected = -(logits / 0.1).log_softmax(dim=1)[:, 0].mean()
    torch.testing.assert_close(loss.detach(), expected)


def test_one_direction_asks_once_and_queues_the_keys_of_one_view() -> None:
    model = with_groups(0, symmetric=False)
    (part,) = model.split(drawn_views())
    assert part.weight == 1
    torch.testing.assert_close(model.queue[:, :8].T, part.keys)
    assert model.queue_pointer.item() == 8


def test_of_two_directions_the_query_alone_has_the_negative_and_chance_is_their_mean() -> None:
    roles = (Role("query"), Role("key"), Role("negative", frames="apart", gap_frames=4))
    model = with_groups(0, roles=roles)
    assert model.chance == pytest.approx((math.log(20 + 2) + math.log(20 + 1)) / 2)
    negative = View(drawn_views(seed=5)["query"].clips, apart=torch.ones(8, dtype=torch.bool))
    views_of_step = {**drawn_views(), "negative": negative}
    there, back = model.split(views_of_step)
    assert there.negatives is negative
    assert back.negatives is None
    _, figures = model(views_of_step)
    assert figures["negatives"].item() == 1
