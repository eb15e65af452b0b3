"""The town of every centre test: keys are made once, everything else anew for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.centre.town import Town

Play = Callable[[Callable[[Town], Coroutine[Any, Any, None]]], None]


@pytest.fixture(scope="session")
def keys_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def play(keys_root: Path) -> Play:
    """Run a story in a town of its own."""

    def run(story: Callable[[Town], Coroutine[Any, Any, None]]) -> None:
        async def in_town() -> None:
            town = Town(keys_root)
            try:
                await story(town)
            finally:
                town.centre.close()

        asyncio.run(in_town())

    return run
