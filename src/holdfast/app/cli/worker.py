"""``holdfast worker``."""

# Jobs that run have 10 s to finish.
END_WITHIN_S = 13


def worker() -> None:
    """Run jobs, and everything that happens by itself."""
    import asyncio
    import signal

    import uvloop

    from holdfast.app import logs
    from holdfast.app.leash import end_within
    from holdfast.app.preflight import check_database
    from holdfast.app.settings import load_settings
    from holdfast.app.worker import run_worker

    settings = load_settings()
    logs.configure(settings)
    check_database(settings.database_url)

    async def run() -> None:
        task = asyncio.ensure_future(run_worker(settings))

        def end() -> None:
            end_within(END_WITHIN_S)
            task.cancel()

        for ending in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(ending, end)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
