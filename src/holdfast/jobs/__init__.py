"""Jobs: Procrastinate's queue in PostgreSQL. A job is deferred on the caller's own connection, so it commits with the work."""

from holdfast.jobs.queue import Job, Jobs

__all__ = ["Job", "Jobs"]
