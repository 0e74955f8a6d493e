"""``holdfast reconcile``."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from holdfast.clearing.models import Found
    from holdfast.config import Settings


def reconcile(
    gateway: Annotated[
        str | None, typer.Option(help="Only this gateway.  [dim]\\[default: all][/]", metavar="G", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Compare from this day on.  [dim]\\[default: some days][/]", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    settlement: Annotated[
        Path | None,
        typer.Option(help="A settlement file of the gateway (CSV), to be booked and compared.", metavar="FILE.csv", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Directory of a running `up`.  [dim]\\[default: DATABASE_URL, else .holdfast in the checkout][/]", show_default=False
        ),
    ] = None,
) -> None:
    """Compare what gateways moved and settled with our books. Exit code 1 if anything differs."""
    import asyncio

    from rich.console import Console
    from rich.table import Table

    from holdfast.app.faults import Fault
    from holdfast.app.settings import settings_of
    from holdfast.clearing.models import REMEDIES
    from holdfast.common.money import Amount

    if settlement is not None and gateway is None:
        raise Fault("--settlement: say with --gateway whose file it is.")
    found = asyncio.run(_reconcile(settings_of(data), gateway, since, settlement))
    table = Table(title=f"{len(found)} differences", title_justify="left")
    for heading in ("Gateway", "Difference", "What", "Ours", "Theirs", "Whose", "What to do"):
        table.add_column(heading)
    for name, each in found:
        ours, theirs = ("" if minor is None else str(Amount(each.currency, minor)) for minor in (each.ours, each.theirs))
        remedy = REMEDIES[each.kind]
        table.add_row(name, each.kind.value, f"{each.movement.value} {each.subject}", ours, theirs, remedy.owner.value, remedy.action)
    Console().print(table)
    if found:
        raise SystemExit(1)


async def _reconcile(
    settings: "Settings", gateway: str | None, since: datetime | None, settlement: Path | None
) -> "list[tuple[str, Found]]":
    from datetime import UTC

    from holdfast.app.faults import Fault
    from holdfast.app.wiring import build_program
    from holdfast.clearing.service import Clearing
    from holdfast.clearing.settlement_file import SettlementFileFaulty, read_lines
    from holdfast.common.actor import SYSTEM
    from holdfast.payments.gateway import GatewayDown

    program = build_program(settings)
    names = [gateway] if gateway is not None else program.gateways.names()
    from_ = since.replace(tzinfo=UTC) if since else None
    try:
        unknown = [name for name in names if name not in program.gateways]
        if unknown:
            raise Fault(f"--gateway {unknown[0]}: in use are {', '.join(program.gateways.names()) or 'none'}.")
        clearing = Clearing(program.database, program.gateways)
        if settlement is not None:
            with settlement.open(encoding="utf-8-sig", newline="") as file:
                lines = read_lines(file)
            await clearing.import_lines(SYSTEM, names[0], lines)
        found: list[tuple[str, Found]] = []
        for name in names:
            found += [(name, each) for each in await clearing.compare_list(name, from_)]
            found += [(name, each) for each in await clearing.compare_file(name, from_)]
    except SettlementFileFaulty as faulty:
        raise Fault(f"{settlement} was not taken in:\n  {faulty}") from None
    except GatewayDown as down:
        raise Fault(f"A gateway did not answer: {down}") from None
    else:
        return found
    finally:
        await program.close()
