"""Which recordings a batch has, and their names in the output folder.

Folders are walked lazily, in a stable order, and nothing is remembered per file in them, so a folder may have any size.
A recording that two arguments lead to is found once.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic, iglob
from itertools import groupby, islice, takewhile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from asyncscribe.batch.inputs.identity import content_of_url
from asyncscribe.batch.inputs.naming import safe
from asyncscribe.batch.inputs.stores import is_store, recordings
from asyncscribe.errors import SourceError
from asyncscribe.sources import SignedOnDemand

#: Suffixes that the service's documentation calls audio or video, and those that its command line client looks for.
MEDIA_SUFFIXES = frozenset(
    ".3ga .3gp .8svx .aac .ac3 .aif .aiff .alac .amr .ape .au .dss .flac .flv .m2ts .m4a .m4b .m4p .m4r .m4v .mka "
    ".mkv .mogg .mov .mp2 .mp3 .mp4 .mpga .mts .mxf .oga .ogg .opus .qcp .ts .tta .voc .wav .webm .wma .wv".split()
)

#: Those that source code has, too.
AMBIGUOUS_SUFFIXES = frozenset({".ts", ".mts"})
#: Bytes of a file that are read to tell the two apart.
PEEKED = 1024
#: Control characters that no text has.
NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One recording of a batch.

    Attributes:
        source: A path, a URL, or an object whose URL is signed when it is submitted.
        name: Output path without the format's suffix, e.g. `calls/a.mp3`. Two recordings may have the same; the journal
            tells them apart.
        content: Identifies the content of an object in a store; None for paths and URLs.
    """

    source: Path | str | SignedOnDemand
    name: str
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A place, named or met on the way, from which nothing is taken.

    Attributes:
        path: Where it is.
        problem: Why.
    """

    path: Path | str
    problem: str


class Discovery:
    """Finds the recordings behind the arguments of a batch.

    Args:
        arguments: Folders, files, URLs and prefixes of object stores. A file that is named is taken whatever its
            suffix.
        output: The output folder; it is never searched, even inside one of the folders.
    """

    def __init__(self, arguments: Sequence[str], output: Path | None = None) -> None:
        self._arguments = arguments
        self._output = None if output is None else output.resolve()
        self._named: set[Path] | None = None
        self.unreadable: list[Unreadable] = []

    async def chunks(self) -> AsyncGenerator[list[BatchItem], None]:
        """The recordings, argument by argument, a few at a time.

        Raises:
            ConfigurationError: An object store is named, and obstore is not installed.
        """
        found = _Found()
        loop = asyncio.get_running_loop()
        for stored, arguments in groupby(self._arguments, is_store):
            if stored:
                for argument in arguments:
                    async for some in self._stored(argument, found):
                        yield some
                continue
            here = self._find(list(arguments), found)
            # A folder on a slow disk must not block the loop; a few hundred entries make a thread worth its cost.
            while some := await loop.run_in_executor(None, lambda here=here: list(islice(here, 250))):  # type: ignore[misc]
                yield some

    async def _stored(self, argument: str, found: _Found) -> AsyncIterator[list[BatchItem]]:
        some = False
        try:
            async for page in recordings(argument, is_media):
                items = [
                    BatchItem(stored.source, safe(stored.name), stored.content)
                    for stored in page
                    if found.take_address(stored.source.name)
                ]
                some = True
                if items:
                    yield items
        except SourceError as error:
            self.unreadable.append(Unreadable(argument, error.problem))
        else:
            if not some:
                self.unreadable.append(Unreadable(argument, "there is no audio or video below this address"))

    async def items(self) -> AsyncIterator[BatchItem]:
        """The recordings, argument by argument."""
        async for some in self.chunks():
            for item in some:
                yield item

    async def count(self) -> int:
        """How many recordings there are; walks everything again."""
        return sum([len(some) async for some in Discovery(self._arguments, self._output).chunks()])

    def covers(self, path: Path) -> bool:
        """Whether a path is named, or below a folder that is."""
        if self._named is None:
            self._named = {
                Path(os.path.abspath(_top(argument)))  # noqa: PTH100 - as for identities
                for argument in self._arguments
                if not is_url(argument) and not is_store(argument)
            }
        return any(place in self._named for place in (path, *path.parents))

    def _find(self, arguments: Sequence[str], found: _Found) -> Iterator[BatchItem]:
        for argument in arguments:
            if is_url(argument):
                if found.take_address(content_of_url(argument)):
                    yield BatchItem(argument, safe(_url_name(argument)))
                continue
            for root, top in _roots(argument):
                if _is_folder(root):
                    yield from self._folder(root, top, found)
                elif found.take_file(root) and self._is_sendable(root):
                    # Missing or unreadable: the job says so, and counts as failed.
                    yield BatchItem(root, safe(root.name if root == top else _below(root, top)))

    def _folder(self, root: Path, top: Path, found: _Found) -> Iterator[BatchItem]:
        try:
            real = root.resolve()
        except (OSError, RuntimeError) as error:
            self.unreadable.append(Unreadable(root, str(error)))
            return
        if real == self._output:
            problem = "this is the output folder itself; transcripts go elsewhere: name another folder with --output"
            self.unreadable.append(Unreadable(root, problem))
            return
        for path in self._walk(root, frozenset(), found):
            yield BatchItem(path, safe(_below(path, top)))
        found.took_folder(real)

    def _is_sendable(self, path: Path) -> bool:
        """False for a pipe, socket or device, which might never end; it is then added to `unreadable`."""
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError):
            return True
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return True
        self.unreadable.append(Unreadable(path, "it is no file, but a pipe, a socket or a device"))
        return False

    def _walk(self, folder: Path, above: frozenset[tuple[int, int]], found: _Found) -> Iterator[Path]:
        try:
            status = folder.stat()
            identity = (status.st_dev, status.st_ino)
            real = folder.resolve()
            # A link to a folder above would be walked for ever.
            if identity in above or real == self._output or found.has_folder(real):
                return
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.unreadable.append(Unreadable(folder, error.strerror or str(error)))
            return
        for entry in listed:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from self._walk(Path(entry.path), above | {identity}, found)
            elif is_media(entry.name) and not found.has_file(real / entry.name):
                path = Path(entry.path)
                # The entry usually knows that it is a file; asking the disk for each takes far longer.
                if (_is_file(entry) or self._is_sendable(path)) and not _is_program(path):
                    yield path


class _Found:
    """What earlier arguments led to. Files and addresses may be many, so only their hashes are kept."""

    def __init__(self) -> None:
        self._folders: set[Path] = set()
        self._seen: set[int] = set()

    def take_address(self, address: str) -> bool:
        """Whether an address is new; marks it as known."""
        known = hash(address) in self._seen
        self._seen.add(hash(address))
        return not known

    def take_file(self, path: Path) -> bool:
        """Whether a named file is new: neither named before nor met below a folder; marks it as known."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):
            return True
        walked = is_media(real.name) and not real.name.startswith(".") and self.has_folder(real.parent)
        known = hash(real) in self._seen or walked
        self._seen.add(hash(real))
        return not known

    def has_file(self, real: Path) -> bool:
        """Whether a file was named before."""
        return bool(self._seen) and hash(real) in self._seen

    def has_folder(self, real: Path) -> bool:
        """Whether the walk of an earlier argument came to a folder, which it does if nothing on the way is hidden."""
        for folder in (real, *real.parents) if self._folders else ():
            if folder in self._folders:
                return True
            if folder.name.startswith("."):
                return False
        return False

    def took_folder(self, real: Path) -> None:
        """Everything below a folder was taken."""
        self._folders.add(real)


def is_url(argument: str) -> bool:
    """Whether an argument is an address and not a path."""
    return argument.lower().startswith(("http://", "https://"))


def is_media(name: str) -> bool:
    """Whether a file's name says that it is audio or video."""
    return os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES  # noqa: PTH122 - called for every file


def _url_name(url: str) -> str:
    # Taken apart by hand: there may be a hundred thousand, and parsing all of them takes a second.
    address = url.partition("://")[2].partition("?")[0].partition("#")[0]
    name = unquote(address.partition("/")[2]).rstrip("/").rpartition("/")[2] or _host(url)
    # Separators, and the dots of hidden names, are replaced.
    return name.replace("/", "_").replace("\\", "_").replace("\0", "_").lstrip(".") or "recording"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _roots(argument: str) -> Iterator[tuple[Path, Path]]:
    """The paths that an argument stands for, each with the folder to which its names are relative.

    A pattern that no shell has expanded is expanded here, unless a file has exactly that name.
    """
    root = Path(argument)
    if not has_magic(argument) or _exists(root):
        yield root, root
        return
    top = _top(argument)
    # A pattern with a suffix means just that; one like `*` means recordings.
    any_name = bool(root.suffix) and not has_magic(root.suffix)
    found = False
    for match in iglob(argument, recursive=True):  # noqa: PTH207 - takes relative and absolute patterns alike
        path = Path(match)
        # A recursive pattern matches the files of a folder by themselves.
        if (any_name or is_media(path.name)) if not path.is_dir() else "**" not in root.parts:
            found = True
            yield path, top
    if not found:
        # Its job says that there is no such file.
        yield root, root


def _top(argument: str) -> Path:
    """The path of an argument; for a pattern, the folder above everything that it matches."""
    return Path(*takewhile(lambda part: not has_magic(part), Path(argument).parts))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _is_folder(path: Path | os.DirEntry[str]) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        # A loop of links, or a name that is too long: the job says what is wrong.
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_program(path: Path) -> bool:
    """Whether a file with a video's suffix is text, most likely TypeScript."""
    if path.suffix.lower() not in AMBIGUOUS_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            begin = file.read(PEEKED)
    except OSError:
        return False
    # Every packet of a transport stream begins with a G and has bytes that no text has.
    return bool(begin) and not (set(begin) & NO_TEXT)
