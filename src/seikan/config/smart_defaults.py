"""What holds of IKEv2 where nothing is typed: the smart defaults of IOS-XE 17 without what is weak.

Both may be typed over (`crypto ikev2 proposal default`) or removed (`no crypto ikev2 proposal default`). What IOS has
beside these, group 5 of older releases above all, has to be typed.
"""

from __future__ import annotations

from seikan.config.model_ikev2 import Ikev2, Ikev2Policy, Ikev2Proposal

DEFAULT = "default"
DEFAULT_PROPOSAL = Ikev2Proposal(
    name=DEFAULT,
    encryption=("aes-cbc-256",),
    integrity=("hmac-sha512-256", "hmac-sha384-192"),
    prf=("sha512", "sha384"),
    groups=(19, 14, 21),
)
DEFAULT_POLICY = Ikev2Policy(name=DEFAULT)


def ikev2_proposals(ikev2: Ikev2) -> dict[str, Ikev2Proposal]:
    """All by name, in the order in which they were typed, the default one last unless it was removed."""
    found = {name: proposal for name, proposal in ikev2.proposals.items() if name != DEFAULT}
    if ikev2.default_proposal:
        found[DEFAULT] = ikev2.proposals.get(DEFAULT, DEFAULT_PROPOSAL)
    return found


def ikev2_policies(ikev2: Ikev2) -> dict[str, Ikev2Policy]:
    """As `ikev2_proposals`."""
    found = {name: policy for name, policy in ikev2.policies.items() if name != DEFAULT}
    if ikev2.default_policy:
        found[DEFAULT] = ikev2.policies.get(DEFAULT, DEFAULT_POLICY)
    return found
