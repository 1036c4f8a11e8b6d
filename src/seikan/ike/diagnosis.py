"""Why negotiations fail, for people: one row for each kind of failure, with what would be right and lines to paste.

Both versions of IKE share the kinds. What was seen is said by whoever saw it; this adds what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seikan.ike import advice
from seikan.ike.advice import Advice, Facts
from seikan.ike.status import Diagnosis, Mismatch

Advise = Callable[[Facts, Sequence[Mismatch]], Advice]


@dataclass(frozen=True, slots=True)
class Kind:
    """`right` says what would be right, with names of `_words` in braces; `advise` makes the lines to paste.

    `vague` tells one that is read from silence or a bare refusal, so that it may be another one in truth.
    """

    name: str
    right: str
    advise: Advise
    vague: bool = False


_ROWS = (
    Kind(
        "no-proposal",
        "both ends need {proposal} with the same algorithms: take one of the peer's here, or one of ours there",
        advice.algorithms,
    ),
    Kind(
        "child-no-proposal",
        "both ends need a transform set with the same algorithms and the same PFS group",
        advice.transform_sets,
    ),
    Kind(
        "selectors",
        "the peer has to protect what this router does, with source and destination exchanged",
        advice.traffic,
    ),
    Kind(
        "wrong-identity",
        "{profile} has to match what the peer calls itself{identity}, or the peer has to call itself what {profile} "
        "matches",
        advice.identities,
    ),
    Kind(
        "wrong-key",
        "the pre-shared key for {remote} here and the one for {local} there have to be the same, to the last letter "
        "and blank",
        advice.keys,
    ),
    Kind(
        "certificate-expired",
        "{whose} certificate{subject} has to be replaced by a new one",
        advice.enrolment,
    ),
    Kind(
        "certificate-not-yet-valid",
        "the certificate{subject} begins in the future: if it is new, one of the two clocks is slow (show clock)",
        advice.clock,
    ),
    Kind(
        "clock-skew",
        "the two clocks differ: set them by NTP (show clock)",
        advice.clock,
    ),
    Kind(
        "unknown-issuer",
        "the certificate{subject} was issued by{issuer}, which no trustpoint of {profile} trusts: authenticate that "
        "authority here, or send a certificate of one that is trusted",
        advice.authority,
    ),
    Kind(
        "revoked",
        "the authority has revoked {whose} certificate{subject}: a new one has to be enrolled",
        advice.enrolment,
    ),
    Kind(
        "revocation-unknown",
        "the CRL of its authority has to be reachable and fresh, or revocation-check of the trustpoint has to end with "
        "none",
        advice.revocation,
    ),
    Kind(
        "certificate-unusable",
        "{whose} certificate{subject} has to be replaced by one that IKE can use",
        advice.enrolment,
    ),
    Kind(
        "wrong-certificate",
        "what the peer calls itself{identity} has to be in subjectAltName of its certificate{subject}, or to be the "
        "certificate's subject",
        advice.named_as_certified,
    ),
    Kind(
        "wrong-signature",
        "the peer has to sign with the private key of the certificate{subject} that it sends",
        advice.certificate,
    ),
    Kind(
        "no-certificate",
        "{who} has to show a certificate with its private key, of an authority that the other end trusts",
        advice.certificate,
    ),
    Kind(
        "authentication-method",
        "what is `authentication local` at one end has to be among `authentication remote` of the other",
        advice.methods,
    ),
    Kind(
        "ppk",
        "both ends need the same post-quantum key under the same id{keyring}",
        advice.post_quantum_key,
    ),
    Kind("no-key", "a pre-shared key for {remote} has to be configured{keyring}", advice.keys),
    Kind("no-profile", "an ikev2 profile has to match the peer{identity}", advice.profile),
    Kind(
        "invalid-ke",
        "both ends need a group of the key exchange in common",
        advice.algorithms,
    ),
    Kind(
        "nat-in-the-way",
        "there is a NAT between the ends, so that all goes on over UDP port 4500: a firewall between {local} and "
        "{remote} has to let it through, both ways",
        advice.nat_port,
        vague=True,
    ),
    Kind(
        "mtu-black-hole",
        "small messages pass and one of {octets} octets does not: some router between {local} and {remote} drops "
        "fragments of IP; let both ends cut messages themselves",
        advice.fragmentation,
        vague=True,
    ),
    Kind(
        "no-answer",
        "{remote} has to be there and reachable (ping {remote}), have IKE turned on for {local}, and UDP ports 500 and "
        "4500 have to be open between them",
        advice.all_ports,
        vague=True,
    ),
    Kind(
        "peer-refused",
        "the peer knows why and does not say it: most likely a key or certificate that differs, or an identity "
        "{own_identity} that it does not expect; its log tells",
        advice.look_there,
        vague=True,
    ),
    Kind(
        "version",
        "this end speaks IKEv{version} with {remote} and the other seems to speak IKEv{other_version} only: both need "
        "the same version",
        advice.version,
    ),
)
KINDS = {row.name: row for row in _ROWS}

# The mnemonics of the engine's errors that are always of one kind.
KIND_OF_MNEMONIC = {
    "IKMP_NO_PROPOSAL": "no-proposal",
    "IKMP_NO_POLICY": "no-proposal",
    "IKEV2_NO_PROPOSAL": "no-proposal",
    "IPSEC_NO_PROPOSAL": "child-no-proposal",
    "IPSEC_NO_TRANSFORM": "child-no-proposal",
    "IPSEC_BAD_SELECTORS": "selectors",
    "IKMP_IDENTITY": "wrong-identity",
    "IKMP_BAD_KEY": "wrong-key",
    "IKMP_NO_PRESHARED_KEY": "no-key",
    "IKMP_NO_ANSWER": "no-answer",
    "IKMP_REFUSED": "peer-refused",
    "IKEV2_NO_PROFILE": "no-profile",
    "IKEV2_NO_PRESHARED_KEY": "no-key",
    "IKEV2_IDENTITY": "wrong-identity",
    "IKEV2_NO_ANSWER": "no-answer",
    "IKEV2_REFUSED": "peer-refused",
}


def _words(facts: Facts) -> dict[str, str]:
    kind = "ikev2" if facts.version == 2 else "isakmp"
    identity = f" ({facts.identity.name})" if facts.identity is not None else ""
    return {
        "local": str(facts.local),
        "remote": str(facts.remote),
        "proposal": "a crypto ikev2 proposal" if facts.version == 2 else "a crypto isakmp policy",
        "profile": f"{kind} profile {facts.profile}" if facts.profile is not None else f"the {kind} profile",
        "identity": identity,
        "own_identity": facts.own_identity or str(facts.local),
        "keyring": f" in keyring {facts.keyring}" if facts.keyring is not None else "",
        "whose": "this router's" if facts.own else "the peer's",
        "who": "this router" if facts.own else "the peer",
        "subject": f" {facts.subject}" if facts.subject is not None else "",
        "issuer": f" {facts.issuer}" if facts.issuer is not None else " an authority",
        "octets": str(facts.octets),
        "version": str(facts.version),
        "other_version": str(3 - facts.version),
    }


def diagnose(kind: str, facts: Facts, at: float, text: str, mismatches: Sequence[Mismatch] = ()) -> Diagnosis:
    """What `text` says was seen, with what would be right; `at` in the engine's seconds.

    Raises KeyError for a kind that is none of `KINDS`.
    """
    row = KINDS[kind]
    right = row.right.format_map(_words(facts))
    return Diagnosis(kind, str(facts.remote), at, f"{text}: {right}", tuple(mismatches), row.advise(facts, mismatches))


def silent(*, init_answered: bool, floated: bool, octets: int, fragments: bool, largest_passed: int) -> str:
    """The kind of failure that silence means. `octets` are those of the longest message that has no answer, on port
    4500 where it `floated`; `largest_passed` those of the longest that had one.

    A message that needs fragments of IP and is not cut by IKE itself is what gets lost (RFC 7383 section 1).
    """
    if not init_answered:
        return "no-answer"
    if octets > _SURE_TO_PASS and octets > largest_passed and not fragments:
        return "mtu-black-hole"
    return "nat-in-the-way" if floated else "peer-refused"


_SURE_TO_PASS = 1220  # octets of UDP payload: 1280, the least MTU of IPv6, without headers (RFC 8200 section 5)
