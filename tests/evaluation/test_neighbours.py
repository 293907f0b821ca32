"""Nearest neighbours: as a stable sort of whole rows gives them, in memory that does not grow."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fame_cli.evaluation import neighbours
from fame_cli.evaluation.neighbours import greatest, nearest


def made(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sorted_whole(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Oracle: every row is sorted by itself, by value and then by place."""
    places = [sorted(range(len(row)), key=lambda n, row=row: (-row[n], n))[:count] for row in rows.tolist()]  # type: ignore[misc]
    where = torch.tensor(places)
    return rows.gather(1, where), where


@pytest.mark.parametrize("count", [1, 3, 19, 20])
@pytest.mark.parametrize("levels", [1, 2, 3, 1000])
def test_of_equal_values_the_first_leads_also_at_the_border(levels: int, count: int) -> None:
    rows = (made(40, 20) * levels).round() / levels if levels > 1 else torch.zeros(40, 20)
    values, places = greatest(rows, count)
    expected_values, expected_places = sorted_whole(rows, count)
    assert torch.equal(places, expected_places)
    assert torch.equal(values, expected_values)


def test_neighbours_are_by_cosine_whatever_the_lengths() -> None:
    train, test = made(50, 8), made(7, 8, seed=1)
    scaled = train * torch.linspace(0.1, 9, 50)[:, None]
    similarities, places = nearest(scaled, 3 * test, 5)
    cosines = functional.cosine_similarity(test[:, None], train[None], dim=2)
    torch.testing.assert_close(similarities, cosines.sort(dim=1, descending=True).values[:, :5])
    torch.testing.assert_close(similarities, cosines.gather(1, places))


def test_no_more_similarities_than_stated_are_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        seen.append(rows.numel())
        return greatest(rows, count)

    train, test = made(50, 8), made(33, 8, seed=1)
    expected = nearest(train, test, 4)
    monkeypatch.setattr(neighbours, "SIMILARITIES_TOGETHER", 300)
    monkeypatch.setattr(neighbours, "greatest", watched)
    similarities, places = nearest(train, test, 4)
    assert max(seen) <= 300
    assert len(seen) == 6
    torch.testing.assert_close(similarities, expected[0])
    assert torch.equal(places, expected[1])
