"""``holdfast worker``."""


def worker() -> None:
    """Run jobs, and everything that happens by itself."""
    import asyncio
    import signal

    import uvloop

    from holdfast.app import logs
    from holdfast.app.preflight import check_database
    from holdfast.app.settings import load_settings
    from holdfast.app.worker import run_worker

    settings = load_settings()
    logs.configure(settings)
    check_database(settings.database_url)

    async def run() -> None:
        task = asyncio.ensure_future(run_worker(settings))
        for ending in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
