"""What a recipe allows a source to reach: hosts on a network, and folders of this machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from croplayer.sources.addresses import TOKEN, check_public, host_of, http_address, is_private, local_path, shown
from croplayer.sources.redaction import secret_from_environment

if TYPE_CHECKING:
    from croplayer.sources.guarded_http import Limits

DEADLINE_S = 60.0
"""Longest time in seconds for one request of a part of a raster."""


@dataclass(frozen=True)
class Access:
    """What the rasters of a source may be read from. Nothing is fetched unless users state that they hold the rights."""

    i_have_rights: bool = False
    """The user's statement that they may fetch, store and analyse what lies at the addresses."""
    hosts: tuple[str, ...] = ()
    """Hosts that may be reached, redirects included, besides those that the recipe itself names."""
    private_network: bool = False
    """Whether a host's name may resolve to an address of a private network."""
    token_env: str | None = None
    """Name of the environment variable that stands for ``{token}`` in an address."""
    folders: tuple[str, ...] = ()
    """Folders, besides its own, that a file of STAC items may refer to."""

    def for_recipe(self, paths: Iterable[str]) -> Access:
        """The access of a source whose paths the recipe itself names: their hosts are meant, private ones too.

        Raises
        ------
        ValueError
            for an address that holds a secret or is of another kind than http, https and s3
        PermissionError
            for an address if the recipe does not state the rights
        """
        hosts = []
        for path in paths:
            check_public(path, self.token_env, "raster")
            address = http_address(path)
            if address is not None:
                self._require_rights(address)
                hosts.append(host_of(address))
        private = self.private_network or any(is_private(host) for host in hosts)
        return replace(self, hosts=tuple(dict.fromkeys((*hosts, *self.hosts))), private_network=private)

    def check_asset(self, href: str, items: Path, where: str) -> None:
        """Raise PermissionError unless a file of items may refer to an asset.

        A host must be one of ``hosts``. A file must lie below the folder of the items, or in one of ``folders``,
        once links are followed.
        """
        address = http_address(href)
        if address is not None:
            self._require_rights(address)
            if host_of(address) not in self.hosts:
                raise PermissionError(
                    f"{where} refers to {shown(href)}; if that is meant, add '{host_of(address)}' to hosts in the recipe"
                )
            return
        path = local_path(href).resolve()
        allowed = [items.resolve().parent, *(Path(folder).resolve() for folder in self.folders)]
        if not any(path.is_relative_to(folder) for folder in allowed):
            raise PermissionError(
                f"{where} refers to {href}, which is not below the folder of the items; if that is meant, add its "
                "folder to folders in the recipe"
            )

    def limits(self, largest_bytes: int) -> Limits:
        """Limits of one request."""
        # What reads files of this machine alone needs no HTTP.
        from croplayer.sources.guarded_http import Limits

        return Limits(DEADLINE_S, largest_bytes, frozenset(self.hosts), self.private_network)

    def filled(self, address: str) -> str:
        """An address with its token; raises ValueError if the token's variable is empty."""
        if TOKEN not in address or self.token_env is None:
            return address
        token = secret_from_environment(self.token_env, f"token for {host_of(address)}")
        return address.replace(TOKEN, quote(token.reveal(), safe=""))

    def _require_rights(self, address: str) -> None:
        if not self.i_have_rights:
            raise PermissionError(
                f"nothing is fetched from {host_of(address)}: set i_have_rights = true in the recipe if you hold the "
                "right to fetch, store and analyse it"
            )


NO_ACCESS = Access()
"""Access to files of this machine alone."""
