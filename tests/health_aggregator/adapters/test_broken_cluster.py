"""A Kubernetes API that is broken, and a process outside a cluster."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
from chassis.tasks import end_task
from health_aggregator.adapters.kubernetes import cluster as following
from health_aggregator.adapters.kubernetes.api import ApiError, KubernetesApi
from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.target_sources import TargetSources
from health_aggregator.domain.errors import TargetsRefused

from tests.chassis.waiting import until


class Broken:
    """An API whose watches fail: with an error, or with an event that cannot be read."""

    def __init__(self, error: ApiError | None) -> None:
        self.lists = 0
        self.watching = set[object]()
        self._error = error

    async def get(self, path: str, *, within_seconds: float) -> dict[str, Any]:
        """Lists nothing."""
        del path, within_seconds
        self.lists += 1
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    async def watch(self, *_arguments: Any, **_options: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Fails."""
        follower = asyncio.current_task()
        self.watching.add(follower)
        try:
            if self._error is not None:
                raise self._error
            yield {"type": "ADDED", "object": {}}
        finally:
            await asyncio.sleep(0)
            self.watching.discard(follower)


@pytest.mark.parametrize("error", [ApiError(410, "Expired"), None], ids=["too old", "unreadable"])
async def test_it_is_asked_again_after_a_pause(
    error: ApiError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it says of each version that it is too old; each watch is closed at once."""
    pauses: list[bool] = []

    class Pausing:
        def __init__(self, **_options: float) -> None:
            pass

        async def pause(self) -> None:
            pauses.append(asyncio.current_task() in api.watching)
            await asyncio.sleep(0.01)

    monkeypatch.setattr(following, "Backoff", Pausing)
    api = Broken(error)
    running = asyncio.ensure_future(
        Cluster(lambda: None, cast("KubernetesApi", api), "vestibule").run(),
    )
    await until(lambda: api.lists > 6)
    await end_task(running)

    assert len(pauses) >= api.lists - 2
    assert not any(pauses)


def test_a_target_of_a_cluster_is_refused_outside_of_one(tmp_path: Path) -> None:
    """It is reported as any fault of the file; one that is disabled is none."""
    text = '[targets.search]\nkind = "kubernetes"\nselector = "app=search"\nenabled = {}\n'
    file = tmp_path / "health.toml"
    file.write_text(text.format("true"))
    outside = TargetSources(tuple, file, None, lambda: False)
    with pytest.raises(TargetsRefused, match=r"targets\.search\.kind: there is no cluster here"):
        outside()
    assert [target.name for target in TargetSources(tuple, file, None, lambda: True)()] == ["search"]
    file.write_text(text.format("false"))
    assert [target.name for target in outside()] == ["search"]
