"""A Cluster's client that connects at its first command, as other clients do; redis-py's own connects when it is made."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from redis.cluster import ClusterNode, RedisCluster

from ._after_fork import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis import Redis


class LateCluster:
    """redis-py's `RedisCluster`, made when first asked for anything; then raises its errors. Thread-safe."""

    def __init__(self, nodes: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        self._nodes = nodes
        self._options = options
        self._client: Any = None
        self._lock = threading.RLock()
        reset_in_children(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)

    def register_script(self, source: str) -> Callable[..., Any]:
        """As redis-py's, but connects when the script is called."""
        made: list[Any] = []

        def run(keys: Sequence[Any] = (), args: Sequence[Any] = (), client: Any = None) -> Any:
            if not made:
                made.append(self._made().register_script(source))
            return made[0](keys=keys, args=args, client=client)

        return run

    def close(self) -> None:
        """Close all connections; the next command makes new ones."""
        if self._client is not None:
            self._client.close()

    def subscriber(self, channel: str) -> Redis:
        """The client of the node that has the channel's slot, as it is now.

        What is published on any node reaches all, but only what is published on the same one is there before the answer
        to a later PING.
        """
        cluster = self._made()
        cluster.nodes_manager.initialize()
        return cluster.get_redis_connection(cluster.get_node_from_key(channel))  # type: ignore[no-any-return]

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock; redis-py's pools see to their connections."""
        self._lock = threading.RLock()

    def _made(self) -> Any:
        if self._client is None:
            with self._lock:
                if self._client is None:
                    nodes = [ClusterNode(*node) for node in self._nodes]  # type: ignore[no-untyped-call]
                    self._client = RedisCluster(startup_nodes=nodes, **self._options)
        return self._client
