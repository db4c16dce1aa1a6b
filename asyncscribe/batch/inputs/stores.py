"""Recordings in object stores, handed to the service as signed URLs: no audio passes through this machine.

Uses obstore, whose settings come from the usual environment variables (`AWS_ACCESS_KEY_ID`, `AWS_REGION`,
`AWS_ENDPOINT_URL`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME`, ...).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from asyncscribe.errors import ConfigurationError, SourceError
from asyncscribe.sources import SignedOnDemand

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

SCHEMES = ("s3://", "gs://", "az://")

#: How long a signed URL is valid. The service fetches a recording when its turn comes in the account's queue. On AWS it
#: is valid for seven days at most, and no longer than the credentials that sign it.
LIFETIME = timedelta(hours=12)

#: Objects listed at once.
PAGE = 250


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """One object.

    Attributes:
        name: Its key below the prefix, as a path that is safe below any folder.
        content: Identifies its content: the address, and a version that changes with it.
        size: Bytes.
        source: Signs a URL when it is submitted.
    """

    name: str
    content: str
    size: int
    source: SignedOnDemand


def is_store(argument: str) -> bool:
    """Whether an argument is the address of an object store."""
    return argument.lower().startswith(SCHEMES)


async def recordings(
    address: str, wanted: Callable[[str], bool], lifetime: timedelta = LIFETIME
) -> AsyncIterator[list[StoredRecording]]:
    """The objects below a prefix, page by page in the store's order, or the one object of that address.

    Args:
        address: `s3://bucket/prefix`; likewise `gs` and `az`.
        wanted: Whether an object is a recording, by the last part of its key. An object that is named itself is always
            taken.
        lifetime: How long each signed URL is valid from its signing.

    Raises:
        ConfigurationError: obstore is not installed.
        SourceError: There is no such bucket, or it can't be listed.
    """
    try:
        import obstore
    except ImportError as error:
        raise ConfigurationError("object stores need obstore: pip install 'asyncscribe[stores]'") from error
    root, prefix = _split(address)
    with _told(address):
        store: Any = obstore.store.from_url(root)
        found = False
        async for page in obstore.list(store, prefix or None, chunk_size=PAGE):
            found = True
            some = [
                _recording(store, root, prefix, meta, lifetime)
                for meta in page
                if wanted(PurePosixPath(meta["path"]).name)
            ]
            if some:
                yield some
        if not found and prefix:
            meta = await obstore.head_async(store, prefix)
            yield [_recording(store, root, str(PurePosixPath(prefix).parent), meta, lifetime)]


def signed(address: str, lifetime: timedelta = LIFETIME) -> SignedOnDemand:
    """The source of one object whose address is known; nothing is listed.

    Args:
        address: `s3://bucket/key`; likewise `gs` and `az`.
        lifetime: How long each signed URL is valid from its signing.

    Raises:
        ConfigurationError: obstore is not installed, or the address can't be used.
    """
    try:
        store = _store(address[: address.index("/", address.index("://") + 3)])
    except ImportError as error:
        raise ConfigurationError("object stores need obstore: pip install 'asyncscribe[stores]'") from error
    except ValueError as error:
        raise ConfigurationError(f"{address}: the store can't be used: {str(error).splitlines()[0]}") from error
    return _signing(store, address, lifetime)


def below(address: str) -> tuple[str, ...]:
    """Prefixes of `StoredRecording.content` for objects below an address, or at it."""
    root, prefix = _split(address)
    return (f"{root}/{prefix}/", f"{root}/{prefix}#") if prefix else (f"{root}/",)


@lru_cache(maxsize=16)
def _store(root: str) -> Any:
    import obstore

    return obstore.store.from_url(root)


def _split(address: str) -> tuple[str, str]:
    scheme, _, rest = address.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise SourceError(address, f"names no bucket; give {scheme}://BUCKET/PREFIX")
    return f"{scheme.lower()}://{bucket}", prefix.strip("/")


def _recording(
    store: AzureStore | GCSStore | S3Store, root: str, prefix: str, meta: Any, lifetime: timedelta
) -> StoredRecording:
    key: str = meta["path"]
    address = f"{root}/{key}"
    version = meta.get("e_tag") or meta["last_modified"].isoformat()
    name = key.removeprefix(prefix).lstrip("/") if prefix not in {"", "."} else key
    return StoredRecording(_safe(name), f"{address}#{version}", meta["size"], _signing(store, address, lifetime))


def _signing(store: AzureStore | GCSStore | S3Store, address: str, lifetime: timedelta) -> SignedOnDemand:
    key = address.partition("://")[2].partition("/")[2]

    async def sign() -> str:
        import obstore

        with _told(address):
            return await obstore.sign_async(store, "GET", key, lifetime)

    return SignedOnDemand(address, sign)


def _safe(key: str) -> str:
    """A key as a relative path: what is special to file systems is replaced, and a hash keeps it unique."""
    parts = [part.replace("\\", "_").replace("\0", "_") for part in key.split("/")]
    safe = "/".join("_" + part.lstrip(".") if not part or part.startswith(".") else part for part in parts)
    if safe == key:
        return key
    path = PurePosixPath(safe)
    return str(path.with_name(f"{path.stem}~{hashlib.sha256(key.encode()).hexdigest()[:8]}{path.suffix}"))


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn errors of the store into short ones, without the request."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise SourceError(address, "there is nothing in the store under this address") from None
    except PermissionError:
        raise SourceError(address, "the store refuses the access; check its credentials") from None
    except BaseError as error:
        kind = type(error).__name__.removesuffix("Error")
        raise SourceError(address, f"the store can't be used ({kind}); check its address and credentials") from None
    except ValueError as error:
        raise SourceError(address, f"the store can't be used: {str(error).splitlines()[0]}") from None
