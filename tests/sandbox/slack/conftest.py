"""One sandbox for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.slack.drive import Drive, running


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """A running sandbox of its own."""
    with running(tmp_path) as started:
        yield started
