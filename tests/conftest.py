"""What all tests share: where the real clips are, and one thread for exact repeatability."""

import os
from pathlib import Path

import pytest


def find_real_data() -> Path:
    beside = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("FAME_TEST_DATA", beside))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips (UCF101 and others); tests that need it skip where it is missing."""
    folder = find_real_data()
    if not (folder / "ucf101").is_dir():
        pytest.skip("the real clips are not on this machine (set FAME_TEST_DATA to their folder)")
    return folder
