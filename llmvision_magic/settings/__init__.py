"""Settings: each declared once, where its value comes from, the API key, and what was meant by a mistyped name."""

from __future__ import annotations

from llmvision_magic.settings.declarations import BY_NAME, REQUEST_PARAMETERS, SETTINGS, Setting, setting_named
from llmvision_magic.settings.environment import DOTENV, ENVIRONMENT, NO_ENVIRONMENT, Environment, Value
from llmvision_magic.settings.layers import Settings, with_source

__all__ = [
    "BY_NAME",
    "DOTENV",
    "ENVIRONMENT",
    "NO_ENVIRONMENT",
    "REQUEST_PARAMETERS",
    "SETTINGS",
    "Environment",
    "Setting",
    "Settings",
    "Value",
    "setting_named",
    "with_source",
]
