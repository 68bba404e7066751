"""What these tests start loads programs that were built once."""

import pytest


@pytest.fixture(autouse=True)
def _programs(with_programs: None) -> None:
    """Take them in every test here."""
