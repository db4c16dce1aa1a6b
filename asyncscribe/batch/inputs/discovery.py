"""Which recordings a batch has, and what each is called in the output folder.

Folders are walked lazily, in a stable order. Names never clash: should a later argument hold something of the same
relative path as an earlier one, a hash of its full address is put into its name. Nothing is remembered per file, so a
folder may be of any size.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic, iglob
from itertools import groupby, islice, takewhile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from asyncscribe.batch.inputs.stores import is_store, recordings
from asyncscribe.errors import SourceError
from asyncscribe.sources import SignedOnDemand

#: Names that the service's documentation calls audio or video, and those its command line client looks for.
MEDIA_SUFFIXES = frozenset(
    ".3ga .3gp .8svx .aac .ac3 .aif .aiff .alac .amr .ape .au .dss .flac .flv .m2ts .m4a .m4b .m4p .m4r .m4v .mka "
    ".mkv .mogg .mov .mp2 .mp3 .mp4 .mpga .mts .mxf .oga .ogg .opus .qcp .ts .tta .voc .wav .webm .wma .wv".split()
)


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of a batch.

    Attributes:
        source: A path, a URL, or an object whose URL is signed when it is submitted.
        name: Its relative path in the output folder, its suffix included, without that of a format.
        content: Identifies what is in an object of a store; None for paths and URLs.
    """

    source: Path | str | SignedOnDemand
    name: str
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder, or a place in an object store, that was named or met and can't be read.

    Attributes:
        path: Where it is.
        problem: Why it can't be read.
    """

    path: Path | str
    problem: str


class Discovery:
    """Finds the recordings behind the arguments of a batch.

    Args:
        arguments: Folders, files, URLs and prefixes of object stores. A file that is named is taken whatever its name
            ends in.
        output: The output folder; transcripts are never looked into, even if it lies in one of the folders.
    """

    def __init__(self, arguments: Sequence[str], output: Path | None = None) -> None:
        self._arguments = arguments
        self._output = None if output is None else output.resolve()
        self.unreadable: list[Unreadable] = []

    async def chunks(self) -> AsyncIterator[list[Item]]:
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
            # A folder on a slow disk must not block the loop; some hundred entries make the trip to a thread worth it.
            while some := await loop.run_in_executor(None, lambda here=here: list(islice(here, 250))):  # type: ignore[misc]
                yield some

    async def _stored(self, argument: str, found: _Found) -> AsyncIterator[list[Item]]:
        try:
            async for page in recordings(argument, is_media):
                yield [
                    Item(stored.source, found.free_name(stored.source.name, stored.name), stored.content)
                    for stored in page
                ]
        except SourceError as error:
            self.unreadable.append(Unreadable(argument, error.problem))

    async def items(self) -> AsyncIterator[Item]:
        """The recordings, argument by argument."""
        async for some in self.chunks():
            for item in some:
                yield item

    async def count(self) -> int:
        """How many recordings there are; walks everything once more."""
        return sum([len(some) async for some in Discovery(self._arguments, self._output).chunks()])

    def _find(self, arguments: Sequence[str], found: _Found) -> Iterator[Item]:
        for argument in arguments:
            if is_url(argument):
                if found.take_address(argument):
                    yield Item(argument, found.free_name(argument, _url_name(argument)))
                continue
            for root, top in _roots(argument):
                for path in self._files(root):
                    if not found.has_file(path):
                        yield Item(path, found.free_name(path, root.name if path == top else _below(path, top)))
                found.took(root)

    def _files(self, root: Path) -> Iterator[Path]:
        if _is_folder(root):
            yield from self._walk(root, frozenset())
        else:
            # Missing or unreadable: the job says so, and counts as failed.
            yield root

    def _walk(self, folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
        try:
            status = folder.stat()
            identity = (status.st_dev, status.st_ino)
            # A link that leads to a folder above would be walked for ever.
            if identity in above or (self._output is not None and folder.resolve() == self._output):
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
                yield from self._walk(Path(entry.path), above | {identity})
            elif is_media(entry.name):
                yield Path(entry.path)


class _Found:
    """What the earlier arguments gave. Of files and addresses, of which there may be many, only hashes are kept."""

    def __init__(self) -> None:
        self._folders: list[tuple[Path, Path]] = []
        self._seen: set[int] = set()
        self._names: set[int] = set()

    def take_address(self, url: str) -> bool:
        """Whether an address is new; it is not any more."""
        known = hash(url) in self._seen
        self._seen.add(hash(url))
        return not known

    def has_file(self, path: Path) -> bool:
        """Whether an earlier argument was this file, or a folder whose walk came to it."""
        if not self._seen and not self._folders:
            return False
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):
            return False
        return hash(real) in self._seen or any(_is_walked(real, folder) for _, folder in self._folders)

    def free_name(self, source: Path | str, name: str) -> str:
        """The name, or one with a hash in it if an earlier argument has something of that name."""
        if hash(name) in self._names or any(_has(folder, name) for folder, _ in self._folders):
            address = source if isinstance(source, str) else str(source.resolve())
            digest = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            path = PurePosixPath(name)
            name = str(path.with_name(f"{path.stem}~{digest}{path.suffix}"))
        if isinstance(source, str):
            self._names.add(hash(name))
        return name

    def took(self, root: Path) -> None:
        """All that a path gave was taken."""
        try:
            real = root.resolve()
        except (OSError, RuntimeError, ValueError):
            return
        if _is_folder(root):
            self._folders.append((root, real))
        else:
            self._seen.add(hash(real))
            self._names.add(hash(root.name))


def is_url(argument: str) -> bool:
    """Whether an argument is an address and not a path."""
    return argument.lower().startswith(("http://", "https://"))


def is_media(name: str) -> bool:
    """Whether a file's name says that it is audio or video."""
    return os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES  # noqa: PTH122 - called for every file there is


def _url_name(url: str) -> str:
    # Taken apart by hand: there may be a hundred thousand, and parsing all of them takes a second.
    address = url.partition("://")[2].partition("?")[0].partition("#")[0]
    name = unquote(address.partition("/")[2]).rstrip("/").rpartition("/")[2] or _host(url)
    # What is a separator or a hidden name elsewhere is none here.
    return name.replace("/", "_").replace("\\", "_").replace("\0", "_").lstrip(".") or "recording"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _roots(argument: str) -> Iterator[tuple[Path, Path]]:
    """The paths that an argument stands for, each with the folder from which its names are taken.

    A pattern is expanded here where no shell has done so, unless there is a file of just that name.
    """
    root = Path(argument)
    if not has_magic(argument) or _exists(root):
        yield root, root
        return
    top = Path(*takewhile(lambda part: not has_magic(part), root.parts))
    # A pattern that names a suffix means it, one like `*` means recordings.
    any_name = bool(root.suffix) and not has_magic(root.suffix)
    found = False
    for match in iglob(argument, recursive=True):  # noqa: PTH207 - takes relative and absolute patterns alike
        path = Path(match)
        # A folder that a recursive pattern comes to is met by its own files.
        if (any_name or is_media(path.name)) if not path.is_dir() else "**" not in root.parts:
            found = True
            yield path, top
    if not found:
        # Its job says that there is no such file.
        yield root, root


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _has(folder: Path, name: str) -> bool:
    try:
        return (folder / name).exists()
    except (OSError, ValueError):
        return False


def _is_folder(path: Path | os.DirEntry[str]) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        # A loop of links, a name that is too long: the job says what is wrong with it.
        return False


def _is_walked(path: Path, folder: Path) -> bool:
    """Whether the walk of a folder comes to a file: it is media, and nothing on the way is hidden."""
    if folder not in path.parents or not is_media(path.name):
        return False
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)
