"""Where the service is and which key opens it: arguments, else the environment, else `.env`."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from asyncscribe.errors import ConfigurationError, MissingApiKey

Seconds = Annotated[float, Field(gt=0)]


class Region(StrEnum):
    """The service's regions; audio and text never leave the chosen one."""

    US = "us"
    EU = "eu"


#: https://www.assemblyai.com/docs, cloud endpoints and data residency.
HOSTS = {Region.US: "https://api.assemblyai.com", Region.EU: "https://api.eu.assemblyai.com"}


class Timeouts(BaseModel):
    """Times in seconds after which a silent connection is given up. None of them bounds an upload as a whole.

    Attributes:
        connect: Until the connection stands (name, TCP, TLS).
        idle: Longest silence while an answer is awaited or read.
        stall: Longest time in which the service takes nothing of an upload.
        request: Longest time of one request that is not an upload, from the first byte to the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect: Seconds = 10.0
    idle: Seconds = 60.0
    stall: Seconds = 60.0
    request: Seconds = 300.0


class _Environment(BaseSettings):
    """`ASSEMBLYAI_API_KEY` and `ASSEMBLYAI_BASE_URL`."""

    model_config = SettingsConfigDict(env_prefix="ASSEMBLYAI_", env_file=".env", extra="ignore")

    api_key: SecretStr | None = None
    base_url: str | None = None


class Settings(BaseModel):
    """A checked address and key.

    Attributes:
        api_key: The key, shown nowhere.
        base_url: Scheme, host and port, without a slash at the end.
    """

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr
    base_url: str


def resolve(api_key: str | None = None, base_url: str | None = None, *, allow_http: bool = False) -> Settings:
    """Complete the arguments from the environment and `.env`, and check them.

    Args:
        api_key: The key; else `ASSEMBLYAI_API_KEY`.
        base_url: An address, `"us"` or `"eu"`; else `ASSEMBLYAI_BASE_URL`; else the US region.
        allow_http: Send the key unencrypted to a host that is not this machine.

    Raises:
        MissingApiKey: There is no key anywhere.
        ConfigurationError: The key can't be one, or the address is not usable.
    """
    try:
        environment = _Environment()
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            f"the file .env here can't be read ({type(error).__name__}); mend or move it"
        ) from None
    key = api_key if api_key is not None else (environment.api_key or SecretStr("")).get_secret_value()
    key = key.strip()
    if not key:
        raise MissingApiKey
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key has characters that no HTTP header can carry; was it copied whole?")
    return Settings(api_key=SecretStr(key), base_url=_address(base_url or environment.base_url, allow_http=allow_http))


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
