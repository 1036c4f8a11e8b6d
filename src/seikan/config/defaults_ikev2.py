"""IKEv2's smart defaults: what holds where nothing was typed, so that a keyring and a profile are a whole VPN.

The algorithms are those of RFC 8247 that are not on their way out, the strongest first where they cost the same.
"""

from __future__ import annotations

from typing import Final

from seikan.config.model_ikev2 import Ikev2, Ikev2Policy, Ikev2Proposal

DEFAULT: Final = "default"

DEFAULT_PROPOSAL: Final = Ikev2Proposal(
    DEFAULT,
    encryption=("aes-cbc-256", "aes-gcm-16-256"),
    integrity=("hmac-sha512-256", "hmac-sha384-192", "hmac-sha256-128"),
    prf=("sha512", "sha384", "sha256"),
    groups=(19, 14, 20, 21, 31, 16, 15),
)
DEFAULT_POLICY: Final = Ikev2Policy(DEFAULT, fvrf="any", proposals=(DEFAULT,))


def proposal(ikev2: Ikev2, name: str) -> Ikev2Proposal | None:
    """The proposal with this name; None where there is none, or the default one was removed."""
    held = ikev2.proposals.get(name)
    if held is None and name == DEFAULT and ikev2.default_proposal:
        return DEFAULT_PROPOSAL
    return held


def proposals(ikev2: Ikev2, policy: Ikev2Policy) -> tuple[Ikev2Proposal, ...]:
    """The proposals of a policy, in order of preference; those it names in vain left out."""
    found = (proposal(ikev2, name) for name in policy.proposals or (DEFAULT,))
    return tuple(held for held in found if held is not None)


def every_proposal(ikev2: Ikev2) -> dict[str, Ikev2Proposal]:
    """All by name, in the order in which they were typed, the default one last unless it was removed."""
    found = {name: held for name, held in ikev2.proposals.items() if name != DEFAULT}
    default = proposal(ikev2, DEFAULT)
    return found if default is None else {**found, DEFAULT: default}


def every_policy(ikev2: Ikev2) -> dict[str, Ikev2Policy]:
    """As `every_proposal`: the default one is tried where no other is for the address."""
    found = {name: held for name, held in ikev2.policies.items() if name != DEFAULT}
    if ikev2.default_policy:
        found[DEFAULT] = ikev2.policies.get(DEFAULT, DEFAULT_POLICY)
    return found
