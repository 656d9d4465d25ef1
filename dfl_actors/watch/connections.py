"""Whoever connects has a limit of time to say what is wanted, and there is a limit to how many there are: uvicorn itself waits for ever for
the head of a request, from clients that send nothing, a byte now and then, or a head without an end (slowloris), and for readers that do
not read. What is asked for and not over yet, such as a stream of news, has no limit.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

STALLED_S = 60.0  # Seconds that a reader may take nothing of an answer that waits for it.
HEAD_S = 10.0  # Seconds that a request may take to come in.
MOST = 200  # Connections that are answered at once; those beyond are told to come later.
MOST_OPEN = 2 * MOST  # Connections at once of any kind; those beyond are closed unheard.


class Connection(H11Protocol):
    """One client, given up if no request of it has come in within `HEAD_S` of its connection, or of the first byte after an answer."""

    _limit: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_OPEN:
            transport.abort()
        else:
            self._keep_limit()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._keep_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_limit()
        self._go_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._go_on()

    def _go_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _keep_limit(self) -> None:
        """There is a limit while nothing is being answered; what comes in meanwhile does not put it off."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_limit()
        elif self._limit is None and not self.transport.is_closing():
            self._limit = self.loop.call_later(HEAD_S, self.transport.abort)

    def _end_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
