"""Puts reports together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.reports.controller import router
from holdfast.reports.service import ReportService


@dataclass(frozen=True)
class ReportsModule:
    service: ReportService
    router: Router


def build(database: Database) -> ReportsModule:
    service = ReportService(database)
    return ReportsModule(service, router(service))
