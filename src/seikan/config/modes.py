"""The modes of the command line: their prompt and the mode around them.

Prompts are those of IOS 15: `R3(config-isakmp)#`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EXEC: Final = "exec"
CONFIG: Final = "config"
INTERFACE: Final = "config-if"
ROUTER: Final = "config-router"
ISAKMP: Final = "config-isakmp"
ISAKMP_PEER: Final = "config-isakmp-peer"
ISAKMP_PROFILE: Final = "conf-isa-prof"
KEYRING: Final = "conf-keyring"
TRANSFORM: Final = "cfg-crypto-trans"
IPSEC_PROFILE: Final = "ipsec-profile"
CRYPTO_MAP: Final = "config-crypto-map"
DYNAMIC_MAP: Final = "config-crypto-dynamic-map"
IKEV2_PROPOSAL: Final = "config-ikev2-proposal"
IKEV2_POLICY: Final = "config-ikev2-policy"
IKEV2_KEYRING: Final = "config-ikev2-keyring"
IKEV2_PEER: Final = "config-ikev2-keyring-peer"
IKEV2_PROFILE: Final = "config-ikev2-profile"
TRUSTPOINT: Final = "ca-trustpoint"
CERTIFICATE_CHAIN: Final = "config-cert-chain"
CERTIFICATE_MAP: Final = "ca-certificate-map"
STANDARD_ACL: Final = "config-std-nacl"
EXTENDED_ACL: Final = "config-ext-nacl"
LINE: Final = "config-line"
STORED: Final = "config-stored"


@dataclass(frozen=True, slots=True)
class Mode:
    """`prompt` follows the host name; a line that does not fit here is tried in `parent`."""

    name: str
    prompt: str
    parent: str | None


_MODES: tuple[Mode, ...] = (
    Mode(EXEC, "#", None),
    Mode(CONFIG, "(config)#", None),
    Mode(INTERFACE, "(config-if)#", CONFIG),
    Mode(ROUTER, "(config-router)#", CONFIG),
    Mode(ISAKMP, "(config-isakmp)#", CONFIG),
    Mode(ISAKMP_PEER, "(config-isakmp-peer)#", CONFIG),
    Mode(ISAKMP_PROFILE, "(conf-isa-prof)#", CONFIG),
    Mode(KEYRING, "(conf-keyring)#", CONFIG),
    Mode(TRANSFORM, "(cfg-crypto-trans)#", CONFIG),
    Mode(IPSEC_PROFILE, "(ipsec-profile)#", CONFIG),
    Mode(CRYPTO_MAP, "(config-crypto-map)#", CONFIG),
    Mode(DYNAMIC_MAP, "(config-crypto-map)#", CONFIG),
    Mode(IKEV2_PROPOSAL, "(config-ikev2-proposal)#", CONFIG),
    Mode(IKEV2_POLICY, "(config-ikev2-policy)#", CONFIG),
    Mode(IKEV2_KEYRING, "(config-ikev2-keyring)#", CONFIG),
    Mode(IKEV2_PEER, "(config-ikev2-keyring-peer)#", IKEV2_KEYRING),
    Mode(IKEV2_PROFILE, "(config-ikev2-profile)#", CONFIG),
    Mode(TRUSTPOINT, "(ca-trustpoint)#", CONFIG),
    Mode(CERTIFICATE_CHAIN, "(config-cert-chain)#", CONFIG),
    Mode(CERTIFICATE_MAP, "(ca-certificate-map)#", CONFIG),
    Mode(STANDARD_ACL, "(config-std-nacl)#", CONFIG),
    Mode(EXTENDED_ACL, "(config-ext-nacl)#", CONFIG),
    Mode(LINE, "(config-line)#", CONFIG),
    Mode(STORED, "(config-section)#", CONFIG),
)

MODES: dict[str, Mode] = {mode.name: mode for mode in _MODES}


def ancestors(mode: str) -> tuple[str, ...]:
    """`mode` and the modes around it, innermost first."""
    found = [mode]
    while (parent := MODES[found[-1]].parent) is not None:
        found.append(parent)
    return tuple(found)
