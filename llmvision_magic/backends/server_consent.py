"""Servers that a ``.env`` file names: prompts go to one on another machine only where somebody has agreed.

A folder may come from anybody, its ``.env`` file with it, and whoever opens a notebook in it has seen neither.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.environment import ENVIRONMENT, TRUST
from llmvision_magic.text_files import shown_path, write_atomically

if TYPE_CHECKING:
    from llmvision_magic.backends.target import Target
    from llmvision_magic.settings.environment import Environment

_NO = ("0", "off", "false", "no")


class ServerConsent:
    """Who agreed to which server, by folder and address; kept for the user, and for this process where it cannot be.

    Args:
        folder: Where the list of them is; None for the user's folder for configuration.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._given: set[tuple[str, str]] = set()

    def source(self, target: Target, environment: Environment) -> str | None:
        """Why prompts may go to the target; None when somebody has to be asked first."""
        if not target.is_named_by_dotenv:
            return "not named by a .env file"
        if is_this_machine(target.base_url or ""):
            return "on this machine"
        trusted = environment.find(TRUST)
        if trusted is not None and str(trusted.value).strip().lower() not in _NO:
            return f"{TRUST} ({ENVIRONMENT})"
        agreed = self._given if self._pair(target, environment) in self._given else self._kept()
        return "you agreed in this folder" if self._pair(target, environment) in agreed else None

    def agree(self, target: Target, environment: Environment) -> None:
        """From now on prompts from that folder may go to that address."""
        self._given.add(self._pair(target, environment))
        try:
            self._list.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._list, json.dumps(sorted(self._kept() | self._given), ensure_ascii=False, indent=1))
        except (OSError, InvalidInput):
            pass  # it holds as long as this process; the next one asks again

    @property
    def _list(self) -> Path:
        if self._folder is None:
            from platformdirs import user_config_path

            self._folder = user_config_path("llmvision_magic")
        return self._folder / "dotenv-servers.json"

    def _kept(self) -> set[tuple[str, str]]:
        try:
            return {(str(folder), str(address)) for folder, address in json.loads(self._list.read_text("utf-8"))}
        except (OSError, ValueError, TypeError):
            return set()

    @staticmethod
    def _pair(target: Target, environment: Environment) -> tuple[str, str]:
        folder = (environment.folder or Path()).absolute()
        return str(folder), target.shown_url


def described(target: Target, environment: Environment) -> str:
    """What has to be agreed to, as the beginning of a sentence."""
    folder = shown_path((environment.folder or Path()).absolute())
    return f"The .env file in {folder} names the server {target.shown_url}"


def refusal(target: Target, environment: Environment, advice: str) -> InvalidInput:
    """The error of a prompt that was not sent."""
    return InvalidInput(f"{described(target, environment)}, and nobody has agreed to it: nothing was sent. {advice}")


def is_this_machine(base_url: str) -> bool:
    """Whether an address is one of the loopback network, or a name for it."""
    try:
        host = (urlsplit(base_url.strip()).hostname or "").rstrip(".")
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
