"""Addresses of files and servers: which are local, which hold a secret, and how they are shown."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, unquote_plus, urlsplit

TOKEN = "{token}"
"""What stands in an address for a secret."""

TOKEN_VARIABLE = re.compile(r"CROPLAYER_TOKEN(_[A-Z0-9_]+)?")
"""Names of the environment variables that hold tokens. No other variable is read, whatever a recipe names."""

PUBLIC_PARAMETERS = frozenset(
    [
        "x",
        "y",
        "z",
        "tx",
        "ty",
        "zoom",
        "level",
        "tilematrix",
        "tilerow",
        "tilecol",
        "tilematrixset",
        "size",
        "tilesize",
        "scale",
        "dpi",
        "resolution",
        "width",
        "height",
        "w",
        "h",
        "bbox",
        "crs",
        "srs",
        "epsg",
        "service",
        "request",
        "version",
        "v",
        "format",
        "f",
        "ext",
        "type",
        "t",
        "style",
        "styles",
        "s",
        "layer",
        "layers",
        "l",
        "lyrs",
        "map",
        "dataset",
        "collection",
        "asset",
        "assets",
        "item",
        "items",
        "band",
        "bands",
        "bidx",
        "year",
        "date",
        "time",
        "lang",
        "language",
        "hl",
        "gl",
        "region",
        "transparent",
    ]
)
"""Names of parts of an address that say what is asked for, in lower case. The value of any other may be a secret."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FIELD = re.compile(r"\{\w*\}")
_PLAIN = re.compile(r"\d{0,4}|true|false", re.IGNORECASE)
_RUN = re.compile(r"[A-Za-z0-9]{20,}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def secret_part(address: str) -> str | None:
    """Name of the part of an address that is or may be a secret, None if there is none.

    A secret may be a user name or password, the value of a parameter that is not one of ``PUBLIC_PARAMETERS``, and
    any text of 20 or more letters and digits. ``{token}`` is none: it stands for a secret that lies elsewhere.
    """
    parts = urlsplit(address)
    if "@" in parts.netloc:
        return "user name or password"
    places = [*parts.path.split("/"), parts.query, parts.fragment]
    for text in (field for place in places if "=" in place for field in re.split(r"[&;?]", place)):
        name, _, value = text.partition("=")
        if name.casefold() not in PUBLIC_PARAMETERS and not _PLAIN.fullmatch(_FIELD.sub("", value)):
            return unquote_plus(name)
    for text in re.split(r"[/&;?=#]", address.partition("://")[2]):
        if _looks_random(unquote(_FIELD.sub(" ", text))):
            return "a long text of letters and digits"
    return None


def _looks_random(text: str) -> bool:
    runs = _RUN.findall(text)
    return bool(_UUID.search(text)) or any(re.search(r"\d", run) and re.search(r"[A-Za-z]", run) for run in runs)


def check_public(address: str, token_env: str | None, what: str) -> None:
    """Raise ValueError unless an address is safe to store, and names a token exactly if there is a variable for it.

    Parameters
    ----------
    address : a path or an address, perhaps with ``{token}``
    token_env : name of the variable that holds the token
    what : what the address is, for messages ("tile template")
    """
    start = _SCHEME.search(address)
    if start is None:
        return
    address = address[start.start() :]
    found = secret_part(address)
    if found is not None:
        raise ValueError(
            f"the {what} at {host_of(address)} holds what may be a secret ({found}); write {TOKEN} in its place and "
            "name the environment variable that holds it in token_env"
        )
    if (TOKEN in address) != (token_env is not None):
        raise ValueError(
            f"the {what} at {host_of(address)}: {TOKEN} needs token_env, and token_env needs {TOKEN} in the address"
        )
    if token_env is None:
        return
    check_token_variable(token_env)
    if urlsplit(address).scheme == "http" and not is_private(host_of(address)):
        raise ValueError(f"the token for {host_of(address)} would travel unencrypted; use an https address")


def check_token_variable(name: str) -> None:
    """Raise ValueError unless a variable's name says that it holds a token for croplayer."""
    if not TOKEN_VARIABLE.fullmatch(name):
        raise ValueError(
            f"token_env is '{name}'; expected CROPLAYER_TOKEN or CROPLAYER_TOKEN_NAME in capital letters: no other "
            "variable of the environment is sent to a server"
        )


def host_of(address: str) -> str:
    """Host of an address in lower case, without port, user name and password; empty for a path."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def is_private(host: str) -> bool:
    """Whether a host is written out as an address of this machine or of a private network, so that it is meant."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"


def shown(address: str) -> str:
    """An address as messages show it: without user name, password, parameters and fragment."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def http_address(path: str) -> str | None:
    """The http or https address of a raster, None if it is a file of this machine.

    ``s3://BUCKET/KEY`` becomes the https address of a public object.

    Raises ValueError for an address of another kind.
    """
    plain = path.removeprefix("/vsicurl/").replace("/vsis3/", "s3://", 1) if path.startswith("/vsi") else path
    scheme, is_address, rest = plain.partition("://")
    if plain.startswith("/vsi") or (is_address and scheme.casefold() not in ("http", "https", "s3", "file")):
        raise ValueError(
            f"raster {shown(path)} is not a path, nor an http, https or s3 address; name it by one of these"
        )
    if not is_address or scheme.casefold() == "file":
        return None
    if scheme.casefold() == "s3":
        bucket, _, key = rest.partition("/")
        return f"https://{bucket}.s3.amazonaws.com/{key}"
    return plain


def local_path(path: str) -> Path:
    """The file of a path or a ``file://`` address."""
    return Path(unquote(urlsplit(path).path)) if path.casefold().startswith("file://") else Path(path)
