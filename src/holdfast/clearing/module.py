"""Puts clearing together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from litestar import Router

from holdfast.clearing.controller import router
from holdfast.clearing.service import Clearing
from holdfast.database import Database
from holdfast.jobs import Job
from holdfast.payments.gateway import Gateways


@dataclass(frozen=True)
class ClearingModule:
    service: Clearing
    router: Router
    jobs: Sequence[Job]


def build(database: Database, gateways: Gateways, *, overdue_after: timedelta) -> ClearingModule:
    """``overdue_after``: from what age on people are told of a difference."""
    service = Clearing(database, gateways, overdue_after=overdue_after)
    return ClearingModule(service, router(service), [Job("clearing.watch", service.watch, schedule="*/5 * * * *")])
