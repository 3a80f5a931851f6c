"""Copying files to another host, each one whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import asyncssh

from rules.engine.call import Call
from rules.engine.outcomes import OperationFailed
from rules.palette import interruptible
from rules.palette.ssh.connecting import connected
from rules.palette.ssh.targets import Target
from rules.palette.ssh.tree import Item, Kind, walk

_PIECE: Final = 4 * 1024 * 1024
"""How much of a file is in memory at a time."""

_CLEAR_SECONDS: Final = 1.0
"""How long the removal of a file that is not whole may take."""

_LOST: Final = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError)


def copy(call: Call) -> dict[str, int]:
    """Copy what ``call`` names.

    Raises:
        OperationFailed: It is not there, something in it may not be copied, or the host refused.
    """
    target, name = Target.of(call.arguments), call.arguments["from"]
    source, root = call.file(name), call.host.directory.resolve()
    if not source.exists():
        raise OperationFailed(f"There is no {name} in the job's directory.")
    # All of it is looked at first, so that nothing is half copied because of what stands at the end.
    for _ in walk(source, root):
        pass
    known_hosts = call.host.known_hosts()
    copier = _Copier(target, source, root, _place(call.arguments["to"], source))
    interruptible.run(call, lambda _pipe: copier.copy(known_hosts))
    call.log(f"Copied {copier.files} files, {copier.bytes} bytes, to {target}:{call.arguments['to']}.")
    return {"files": copier.files, "bytes": copier.bytes}


def _place(to: str, source: Path) -> bytes:
    """Return where the source itself goes; a place without a slash before it is in the home of the user."""
    if "\0" in to:
        raise OperationFailed("to holds a NUL character.")
    place = to.removeprefix("~/").encode()
    if place.endswith(b"/") and source.is_file():
        place += os.fsencode(source.name)
    return place if place == b"/" else place.rstrip(b"/") or b"."


class _Copier:
    """One copy to one host."""

    def __init__(self, target: Target, source: Path, root: Path, place: bytes) -> None:
        self._target, self._source, self._root, self._place = target, source, root, place
        self._made: set[bytes] = set()
        self.files = 0
        self.bytes = 0

    async def copy(self, known_hosts: Path) -> None:
        async with connected(self._target, known_hosts) as connection:
            try:
                sftp = await connection.start_sftp_client()
            except (asyncssh.Error, OSError) as error:
                said = getattr(error, "reason", str(error))
                raise OperationFailed(f"{self._target} does not take files by SFTP: {said}.") from error
            with self._refusals(self._place):
                await self._make_room(sftp)
            for item in walk(self._source, self._root):
                place = self._place + b"/" + item.below if item.below else self._place
                with self._refusals(place):
                    await self._take(sftp, item, place)

    @contextlib.contextmanager
    def _refusals(self, place: bytes) -> Iterator[None]:
        try:
            yield
        except (*_LOST, ConnectionError) as error:
            raise OperationFailed(
                f"The connection to {self._target} was lost in the middle of the copy."
            ) from error
        except asyncssh.SFTPOpUnsupported as error:
            raise OperationFailed(
                f"{self._target} cannot put a file in another one's place: {error.reason}."
            ) from error
        except asyncssh.SFTPError as error:
            shown = place.decode(errors="replace")
            raise OperationFailed(f"{self._target} refuses {shown}: {error.reason}.") from error

    async def _make_room(self, sftp: asyncssh.SFTPClient) -> None:
        """Make the directories above, and refuse to put a file where a directory is."""
        if self._source.is_file() and await sftp.isdir(self._place):
            shown = self._place.decode(errors="replace")
            raise OperationFailed(f"{shown} is a directory on {self._target}: end to with / to copy into it.")
        above = os.path.dirname(self._place)  # noqa: PTH120 - bytes, and of another machine
        if above.strip(b"/"):
            await sftp.makedirs(above, exist_ok=True)

    async def _take(self, sftp: asyncssh.SFTPClient, item: Item, place: bytes) -> None:
        if item.kind is Kind.FILE:
            self.bytes += await self._put(sftp, item, place)
            self.files += 1
        elif item.kind is Kind.DIRECTORY:
            if not await sftp.isdir(place):
                await sftp.mkdir(place, asyncssh.SFTPAttrs(permissions=item.mode | stat.S_IRWXU))
                self._made.add(place)
        elif place in self._made:
            # Only now: a directory that may not be written to could not have been filled.
            self._made.remove(place)
            await sftp.chmod(place, item.mode)

    async def _put(self, sftp: asyncssh.SFTPClient, item: Item, place: bytes) -> int:
        """Write a file beside its place and, when it is whole, put it there."""
        above, _, _ = place.rpartition(b"/")
        draft = f".clarive-{uuid.uuid4().hex}.part".encode()
        draft = above + b"/" + draft if b"/" in place else draft
        with _opened(item.path) as file:
            try:
                sent = await self._send(sftp, file, draft)
                if (await sftp.stat(draft)).size != sent or os.fstat(file.fileno()).st_size != sent:
                    raise OperationFailed(f"{item.path.name} changed while it was copied.")
                await sftp.chmod(draft, item.mode)
                await sftp.posix_rename(draft, place)
            except BaseException:
                # Also when the time is over or the job was taken away, but never long.
                with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
                    async with asyncio.timeout(_CLEAR_SECONDS):
                        await sftp.remove(draft)
                raise
        return sent

    async def _send(self, sftp: asyncssh.SFTPClient, file: BinaryIO, draft: bytes) -> int:
        sent = 0
        # Not closed when this is cut short: the answer may never come, and the connection ends anyway.
        remote = await sftp.open(draft, "xb", asyncssh.SFTPAttrs(permissions=0o600))
        while piece := file.read(_PIECE):
            await remote.write(piece, sent)
            sent += len(piece)
        await remote.close()
        return sent


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is still the regular file it was, without waiting for anybody."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OperationFailed(f"{path.name} is no regular file any more.")
        yield file
