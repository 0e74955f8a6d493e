"""One write for one answer: what a protocol writes in one go leaves in one system call (as with TCP_CORK, tcp(7))."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

AT_ONCE_MAX = 65_536
"""No more bytes than these are kept back."""


class CorkedTransport:
    """A transport that sends what was written once its caller has returned to the loop.

    uvicorn writes the head of an answer and its body apart, and each write is a system call: they were an eighth of the processor time
    of a hold. What else uvicorn calls is the transport's own.
    """

    __slots__ = ("_call_soon", "_size", "_transport", "_written", "get_extra_info", "is_closing", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._transport = transport
        self._call_soon = call_soon
        self._written: list[bytes] = []
        self._size = 0
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        if not self._written:
            self._call_soon(self.flush)
        self._written.append(data)
        self._size += len(data)
        if self._size > AT_ONCE_MAX:
            # A long answer is passed on at once, so that its sender hears when the other side reads slowly.
            self.flush()

    def flush(self) -> None:
        written = self._written
        # Whoever asked may have hung up meanwhile.
        if written and not self.is_closing():
            self._transport.write(written[0] if len(written) == 1 else b"".join(written))
        written.clear()
        self._size = 0

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """A WebSocket takes over, on this transport."""
        self.flush()
        self._transport.set_protocol(protocol)


class CorkedProtocol(HttpToolsProtocol):
    """uvicorn's own, on a corked transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(CorkedTransport(transport, self.loop.call_soon))  # type: ignore[arg-type]
