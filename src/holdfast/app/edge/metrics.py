"""What Prometheus reads about the requests of this process."""

from typing import Final

from prometheus_client import CollectorRegistry, Histogram

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
# Nobody must be able to fill the memory with made-up paths and methods.
UNKNOWN: Final = "unknown"


class RequestMetrics:
    """How many answers there were and how long they took, by method, path template and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "holdfast_http_request_seconds",
            "How long answers took.",
            labelnames=("method", "path", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, path: str | None, status: int, seconds: float) -> None:
        """``path`` is the template, None where there is no such path."""
        labels = (method, path, status) if path else (UNKNOWN, UNKNOWN, status)
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._seconds.labels(labels[0], labels[1], str(status))
        child.observe(seconds)
