"""ike-scan, an independent prober, gets a sane answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop.network import network, two_sites
from tests.interop.router import Seikan

pytestmark = [pytest.mark.netns, pytest.mark.interop]


def test_a_configured_policy_is_answered_with_a_handshake_and_another_with_a_notify(
    tmp_path: Path, tool: Callable[[str], str]
) -> None:
    """Transforms are ENCRYPTION/LENGTH,HASH,AUTHENTICATION,GROUP by number (RFC 2409 appendix A)."""
    scan = tool("ike-scan")
    with network() as net:
        seikan_site, prober = two_sites(net)
        seikan = Seikan(
            seikan_site, tmp_path / "seikan", prober.address, prober.inner, "secret", profile=("responder-only",)
        )
        seikan.start()
        configured = prober.host.run(scan, "--retry=2", "--trans=7/128,2,1,14", seikan_site.address)
        assert "Main Mode Handshake returned" in configured, configured
        assert "Enc=AES Hash=SHA1 Auth=PSK Group=14:modp2048 KeyLength=128" in configured, configured
        other = prober.host.run(scan, "--retry=2", "--trans=5,1,1,2", seikan_site.address)
        assert "Notify message 14 (NO-PROPOSAL-CHOSEN)" in other, other
        assert "1 returned notify" in other, other
