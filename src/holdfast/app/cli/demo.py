"""``holdfast demo``, which ``up --demo`` runs."""


def demo() -> None:
    """Put a small city in, so that there is something to sell at once."""
    import asyncio

    from holdfast.app.demo import put_city, put_drivers
    from holdfast.app.settings import settings_of
    from holdfast.database import Database

    async def run() -> None:
        settings = settings_of()
        database = Database(settings.database_url, connections=2, name="holdfast demo", patient=True)
        try:
            imported = await put_city(database)
            opened = await put_drivers(settings, database)
        finally:
            await database.close()
        print(f"{imported.routes} routes over {imported.stations} stations are in service; {opened} drivers have just opened a session.")

    asyncio.run(run())
