"""What the configuration alone says against tunnels, worked out once for each configuration.

The tunnels ask at every change of their SAs, and a large configuration takes its time to look through.
"""

from __future__ import annotations

from seikan.config.model import Config
from seikan.config.validate import tunnel_problems
from seikan.daemon import settings
from seikan.daemon.settings_ikev2 import policies

NO_POLICY = "no crypto isakmp policy has pre-shared keys, a cipher and a group that may be negotiated"
NO_IKEV2_POLICY = "no crypto ikev2 policy has a proposal that may be negotiated"


class Verdicts:
    """On one configuration, which does not change."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._problems: dict[str, tuple[str, ...]] = {}  # by tunnel
        self._unnegotiable: dict[str, str | None] = {}  # by ipsec profile

    def problems(self, name: str) -> tuple[str, ...]:
        """As `tunnel_problems`: why the tunnel stays down."""
        if name not in self._problems:
            self._problems[name] = tunnel_problems(self._config, name)
        return self._problems[name]

    def unnegotiable(self, profile: str) -> str | None:
        """Why nothing new can be negotiated for tunnels with this ipsec profile; None where it can."""
        if profile not in self._unnegotiable:
            self._unnegotiable[profile] = self._obstacle(profile)
        return self._unnegotiable[profile]

    def _obstacle(self, name: str) -> str | None:
        profile = self._config.ipsec.profiles.get(name)
        if profile is None or profile.ikev2_profile is None:
            return None if settings.usable_policies(self._config) else NO_POLICY
        return None if policies(self._config) else NO_IKEV2_POLICY
