"""A real SSH server for tests: commands run in a shell here, files arrive in a folder here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any, TypeVar

import asyncssh

Result = TypeVar("Result")


class Loop:
    """An event loop in a thread of its own, for the servers of a test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="servers of a test")
        self._thread.start()

    def do(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run ``coroutine`` there and return its result."""
        future: Future[Result] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(timeout=20)

    def stop(self) -> None:
        """End what still runs there, and the thread."""
        with contextlib.suppress(TimeoutError):
            self.do(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5) if tasks else None
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()


@contextlib.contextmanager
def looping() -> Iterator[Loop]:
    """Lend an event loop in a thread."""
    loop = Loop()
    try:
        yield loop
    finally:
        loop.stop()


class SshServer:
    """Listens on 127.0.0.1 with ``host_key``, lets ``client_key`` in, and keeps files below ``files``.

    Attributes:
        home: Where the server keeps what it needs.
        files: The root that SFTP shows.
        commands: What was run, in order.
        users: Who came in.
    """

    def __init__(self, loop: Loop, home: Path, *, kind: str = "ssh-ed25519") -> None:
        self._loop = loop
        self.files = home / "files"
        self.files.mkdir(parents=True)
        self.host_key = asyncssh.generate_private_key(kind)
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.commands: list[str] = []
        self.users: list[str] = []
        self._connections: list[asyncssh.SSHServerConnection] = []
        self._serving: set[asyncio.Future[None]] = set()
        self._authorized = home / "authorized_keys"
        self._authorized.write_bytes(self.client_key.export_public_key())
        self._acceptor = loop.do(self._listen())

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Watching(self),
            server_host_keys=[self.host_key],
            authorized_client_keys=str(self._authorized),
            process_factory=self._run,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.files).encode()),
            encoding=None,
        )

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        # In a task of its own: the library cancels this one when the connection ends, and the child has to be reaped.
        task = asyncio.ensure_future(self._serve(process))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or ""
        self.commands.append(command)
        # Git talks with its other half; nothing else here reads anything.
        talks = command.startswith("git-upload-pack ")
        child = await asyncio.create_subprocess_shell(
            command,
            stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        fed = asyncio.ensure_future(_feed(process.stdin, child.stdin))
        gone = asyncio.ensure_future(process.channel.wait_closed())
        ended = asyncio.ensure_future(self._end_of(child, process))
        try:
            await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not ended.done():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, SIGKILL)
            await asyncio.wait({ended})
            fed.cancel()
            gone.cancel()

    async def _end_of(
        self, child: asyncio.subprocess.Process, process: asyncssh.SSHServerProcess[bytes]
    ) -> None:
        assert child.stdout is not None
        assert child.stderr is not None
        with contextlib.suppress(OSError):
            await asyncio.gather(_pour(child.stdout, process.stdout), _pour(child.stderr, process.stderr))
            code = await child.wait()
            if code < 0:
                process.exit_with_signal(Signals(-code).name.removeprefix("SIG"))
            else:
                process.exit(code)
        await child.wait()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._acceptor.get_port()

    @property
    def key(self) -> str:
        """The private key that is let in."""
        return self.client_key.export_private_key().decode()

    @property
    def public_line(self) -> str:
        """Its own public key, as a line."""
        return self.host_key.export_public_key().decode().strip()

    @property
    def fingerprint(self) -> str:
        """That of its own key."""
        return self.host_key.get_fingerprint()

    def known_hosts(self, path: Path, *, port: int | None = None) -> Path:
        """Write the server's key into a file of known hosts."""
        path.write_text(f"[127.0.0.1]:{port or self.port} {self.public_line}\n")
        return path

    def came(self, connection: asyncssh.SSHServerConnection) -> None:
        """Note a connection."""
        self._connections.append(connection)

    @property
    def open_connections(self) -> int:
        """How many connections there are now."""
        return sum(not connection.is_closed() for connection in self._connections)

    def drop(self) -> None:
        """Break all connections at once, without a word."""
        for connection in self._connections:
            self._loop.loop.call_soon_threadsafe(connection.abort)

    def stop(self) -> None:
        """Listen no more."""
        self._loop.do(self._close())

    async def _close(self) -> None:
        self._acceptor.close()
        for connection in self._connections:
            connection.abort()
        for connection in self._connections:
            await connection.wait_closed()
        await self._acceptor.wait_closed()
        await asyncio.gather(*self._serving, return_exceptions=True)


async def _feed(reader: asyncssh.SSHReader[bytes], writer: asyncio.StreamWriter | None) -> None:
    if writer is None:
        return
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncssh.SSHWriter[bytes]) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


class _Watching(asyncssh.SSHServer):
    """Tells the server of a test who comes."""

    def __init__(self, server: SshServer) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.came(conn)

    def begin_auth(self, username: str) -> bool:
        self._server.users.append(username)
        return True


class Mute:
    """A way to a server that lets everything pass until it is told to be silent: then nothing comes through, and nothing ends."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._loop, self._to = loop, port
        self._passing = True
        self._writers: list[asyncio.StreamWriter] = []
        self._server = loop.do(asyncio.start_server(self._serve, "127.0.0.1", 0))

    @property
    def port(self) -> int:
        """Where it listens."""
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def be_silent(self) -> None:
        """Let nothing pass any more."""
        self._passing = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, there[1]]
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self._passing:
                    writer.write(data)
                    await writer.drain()

    def stop(self) -> None:
        """Close it."""
        self._loop.do(self._close())

    async def _close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
