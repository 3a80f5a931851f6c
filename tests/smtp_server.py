"""A small SMTP server for tests: takes what it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.ssh_server import Loop


@dataclass(frozen=True)
class Letter:
    """What arrived: from whom, for whom, and the message as it was sent."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


class SmtpServer:
    """Listens on 127.0.0.1; with ``refuses`` it takes nobody."""

    def __init__(self, loop: Loop, *, refuses: bool = False) -> None:
        self._loop, self._refuses = loop, refuses
        self.letters: list[Letter] = []
        self._server = loop.do(asyncio.start_server(self._serve, "127.0.0.1", 0))

    @property
    def port(self) -> int:
        """Where it listens."""
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def stop(self) -> None:
        """Listen no more."""
        self._loop.loop.call_soon_threadsafe(self._server.close)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = ""
        recipients: list[str] = []
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.upper().partition(" ")[0]
            answer = b"250 fine"
            if word == "MAIL":
                sender, recipients = line.partition("<")[2].partition(">")[0], []
            elif word == "RCPT" and self._refuses:
                answer = b"550 nobody here"
            elif word == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
            elif word == "DATA":
                writer.write(b"354 go on\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append(Letter(sender, tuple(recipients), data[:-5]))
            elif word == "QUIT":
                answer = b"221 bye"
            writer.write(answer + b"\r\n")
            await writer.drain()
            if word == "QUIT":
                break
        writer.close()
