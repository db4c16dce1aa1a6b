"""The service's address and the API key: from arguments, else the environment, else `.env`.

An address in a `.env` never gets a key from elsewhere, and plain HTTP is for this machine alone unless it is allowed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from asyncscribe.errors import ConfigurationError, MissingApiKey
from asyncscribe.logs import log

Seconds = Annotated[float, Field(gt=0)]


class Region(StrEnum):
    """The service's regions; audio and text never leave the chosen one."""

    US = "us"
    EU = "eu"


#: https://www.assemblyai.com/docs, cloud endpoints and data residency.
HOSTS = {Region.US: "https://api.assemblyai.com", Region.EU: "https://api.eu.assemblyai.com"}


KEY_NAME: Final = "ASSEMBLYAI_API_KEY"
ADDRESS_NAME: Final = "ASSEMBLYAI_BASE_URL"


class Timeouts(BaseModel):
    """Times in seconds after which a silent connection is given up. None of them bounds an upload as a whole.

    Attributes:
        connect: Until the connection is established (name, TCP, TLS).
        idle: Longest silence while an answer is awaited or read.
        stall: Longest time in which the service accepts no bytes of an upload.
        request: Longest time of one request that is not an upload, from the first byte to the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect: Seconds = 10.0
    idle: Seconds = 60.0
    stall: Seconds = 60.0
    request: Seconds = 300.0


class Settings(BaseModel):
    """A checked address and key.

    Attributes:
        api_key: The key, never shown.
        base_url: Scheme, host and port, without a slash at the end.
    """

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr
    base_url: str

    def key_digest(self, salt: str) -> str:
        """A salted hash of the API key: shows whether a key is the same as before, and nothing else."""
        return hmac.new(salt.encode(), self.api_key.get_secret_value().encode(), hashlib.sha256).hexdigest()


def resolve(api_key: str | None = None, base_url: str | None = None, *, allow_http: bool = False) -> Settings:
    """Complete the arguments from the environment and `.env`, and check them.

    Args:
        api_key: The key; else `ASSEMBLYAI_API_KEY`.
        base_url: An address, `"us"` or `"eu"`; else `ASSEMBLYAI_BASE_URL`; else the US region. An address in `.env`
            is only used with a key that is in it too.
        allow_http: Allow sending the key unencrypted to a host that is not this machine.

    Raises:
        MissingApiKey: No key was found.
        ConfigurationError: The key or the address is invalid.
    """
    key, address = _completed(api_key, base_url)
    key = key.strip()
    if not key:
        raise MissingApiKey
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key has characters that no HTTP header can carry; was it copied whole?")
    return Settings(api_key=SecretStr(key), base_url=_address(address, allow_http=allow_http))


def _completed(api_key: str | None, base_url: str | None) -> tuple[str, str | None]:
    """Key and address, from the first place that names them.

    A `.env` may come with somebody else's folder, and its address could send the environment's key to another host. So
    an address in it is only used with a key that is in it too. The names of the regions are harmless.
    """
    key = os.environ.get(KEY_NAME) if api_key is None else api_key
    address = base_url or os.environ.get(ADDRESS_NAME)
    if key is not None and address is not None:
        return key, address
    try:
        file = _dot_env()
    except (ValueError, OSError) as error:
        problem = f"the file .env here can't be read ({type(error).__name__})"
        if key is None:
            raise ConfigurationError(f"{problem}; fix or move it") from None
        log.warning("%s and is ignored", problem)
        return key, address
    theirs = file.get(ADDRESS_NAME)
    if key is None:
        return file.get(KEY_NAME, ""), address or theirs
    if theirs is None or theirs.strip().lower() in HOSTS or file.get(KEY_NAME) == key:
        return key, address or theirs
    log.warning("%s in the file .env here is ignored, because the API key is from elsewhere", ADDRESS_NAME)
    return key, address


def _dot_env() -> dict[str, str]:
    """The settings in the working directory's `.env` file; empty if there is no such file."""
    path = Path(".env")
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path, encoding="utf-8").items() if value is not None}


def _address(value: str | None, *, allow_http: bool) -> str:
    name = (value or Region.US).strip()
    if name.lower() in HOSTS:
        return HOSTS[Region(name.lower())]
    try:
        url = urlsplit(name)
        port = f":{url.port}" if url.port else ""
    except ValueError as error:
        raise ConfigurationError(f"the base URL is not an address: {error}") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ConfigurationError(f"the base URL must be https://..., 'us' or 'eu', not {_shown(name)!r}")
    if url.username or url.password or url.query or url.fragment:
        raise ConfigurationError("the base URL must hold neither user, query nor fragment")
    if url.scheme == "http" and not allow_http and not _is_loopback(url.hostname):
        raise ConfigurationError(
            f"http://{url.hostname} would send the API key unencrypted: use https, or allow_http=True if you must"
        )
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    # The paths of the API begin with /v2; people paste addresses that already end in it.
    path = url.path.rstrip("/").removesuffix("/v2")
    return f"{url.scheme}://{host}{port}{path}"


def _shown(name: str) -> str:
    return name.rsplit("@", 1)[-1]


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
