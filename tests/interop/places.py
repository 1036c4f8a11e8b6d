"""Where a story takes place: the two sites, with a NAT between them or none, outside or partly in the machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.interop.certificates import issue
from tests.interop.connection import CHILD_SECONDS, IKE_SECONDS, Connection, Peer
from tests.interop.guest import Guest
from tests.interop.network import NAT_OUTSIDE, Host, Network, Site, masquerade, sites_with_nat, two_sites
from tests.interop.ours import configuration
from tests.interop.router import Seikan
from tests.interop.runner import Run
from tests.interop.stories import Nat, Step, Story

_CUT = (
    "add table inet cut; add chain inet cut in { type filter hook input priority -400; policy drop; }; "
    "add chain inet cut out { type filter hook output priority -400; policy drop; }; "
    'add rule inet cut in iifname "lo" accept; add rule inet cut out oifname "lo" accept'
)
_LEAST_IKE_SECONDS = {1: 60, 2: 120}
_LEAST_KILOBYTES = 2560  # as IOS takes them
_SPEED = 3.0
"""So many times as fast run Seikan's timers where it is Seikan that a story waits for."""
_THEIR_IKE_SECONDS, _THEIR_CHILD_SECONDS = 40, 22
OUR_INNER, THEIR_INNER = "172.16.1.1", "172.16.2.1"


@dataclass(frozen=True, slots=True)
class Place:
    """Both sites, the addresses at which they see each other, and how to cut and mend the wire."""

    ours: Site
    theirs: Site
    ours_seen: str
    theirs_seen: str
    cut: Callable[[], None]
    mend: Callable[[], None]


def outside(net: Network, nat: Nat) -> Place:
    """Both in namespaces. The wire is cut at the peer's end, so that Seikan sees only silence."""
    if nat is Nat.NONE:
        ours, theirs = two_sites(net)
        seen = ours.address, theirs.address
    elif nat is Nat.SEIKAN:
        ours, theirs = sites_with_nat(net)
        seen = NAT_OUTSIDE, theirs.address
    else:
        theirs, ours = sites_with_nat(net)
        ours, theirs = _with_inner(ours, OUR_INNER), _with_inner(theirs, THEIR_INNER)
        seen = ours.address, NAT_OUTSIDE
    return Place(ours, theirs, *seen, *_cut_at(theirs.host))


def with_guest(net: Network, guest: Guest, nat: Nat) -> Place:
    """Seikan, and the NAT, in namespaces; the peer in the machine, whose old addresses are gone."""
    here = net.host("a")
    router = here
    if nat is Nat.NONE:
        guest.plug(here, "eth0", "10.9.0.1/24")
        ours, theirs, gateway = "10.9.0.1", "10.9.0.2", "10.9.0.1"
        seen = ours, theirs
    elif nat is Nat.SEIKAN:
        router = net.host("nat")
        net.wire(here, "eth0", "10.9.0.1/24", router, "inside", "10.9.0.254/24")
        guest.plug(router, "outside", f"{NAT_OUTSIDE}/24")
        here.ip("route", "add", "default", "via", "10.9.0.254")
        ours, theirs, gateway = "10.9.0.1", "10.8.0.2", NAT_OUTSIDE
        seen = NAT_OUTSIDE, theirs
    else:
        router = net.host("nat")
        net.wire(here, "eth0", "10.8.0.2/24", router, "outside", f"{NAT_OUTSIDE}/24")
        guest.plug(router, "inside", "10.9.0.254/24")
        ours, theirs, gateway = "10.8.0.2", "10.9.0.1", "10.9.0.254"
        seen = ours, NAT_OUTSIDE
    if router is not here:
        masquerade(router)
    here.ip("address", "add", f"{OUR_INNER}/32", "dev", "lo")
    guest.address(f"{theirs}/24", THEIR_INNER, gateway)
    ends = Site(here, "eth0", ours, OUR_INNER), Site(guest.host, "eth0", theirs, THEIR_INNER)
    return Place(*ends, *seen, guest.cut, guest.mend)


def _with_inner(site: Site, inner: str) -> Site:
    site.host.ip("address", "flush", "dev", "lo", "scope", "global")
    site.host.ip("address", "add", f"{inner}/32", "dev", "lo")
    return Site(site.host, site.device, site.address, inner)


def _cut_at(host: Host) -> tuple[Callable[[], None], Callable[[], None]]:
    def cut() -> None:
        host.run("nft", _CUT)

    def mend() -> None:
        host.run("nft", "delete table inet cut")

    return cut, mend


def connect(story: Story, place: Place, credentials: Path | None = None) -> Connection:
    """What both ends are told for a story. Who is to rekey by lifetime has a short one."""
    by_lifetime = story.version in story.peer.by_lifetime
    theirs_child, theirs_ike = (
        by_lifetime and Step.CHILD_BY_PEER in story.steps,
        by_lifetime and Step.IKE_BY_PEER in story.steps,
    )
    return Connection(
        story.version,
        story.authentication,
        story.cipher,
        story.group,
        not story.seikan_may_initiate,
        place.ours,
        place.theirs,
        place.ours_seen,
        place.theirs_seen,
        secrets.token_hex(16),
        credentials,
        our_ike_seconds=_LEAST_IKE_SECONDS[story.version] if Step.IKE_BY_SEIKAN in story.steps else IKE_SECONDS,
        our_child_kilobytes=_LEAST_KILOBYTES if Step.CHILD_BY_SEIKAN in story.steps else 0,
        their_ike_seconds=_THEIR_IKE_SECONDS if theirs_ike else IKE_SECONDS,
        their_child_seconds=_THEIR_CHILD_SECONDS if theirs_child else CHILD_SECONDS,
    )


def _peer_counts(connection: Connection) -> bool:
    """Whether lifetimes are the peer's, whose clock is the real one."""
    return (connection.their_child_seconds, connection.their_ike_seconds) != (CHILD_SECONDS, IKE_SECONDS)


def tell(story: Story, place: Place, peer: Peer, directory: Path) -> None:
    """Run a story with a peer that is not started yet; it is ended in any case. StoryFailed says what went wrong."""
    credentials = None
    if story.authentication != "psk":
        credentials = issue(directory / "credentials", story.authentication, "seikan", "peer")
    connection = connect(story, place, credentials)
    text = configuration(connection)
    seikan = Seikan(place.ours, directory / "seikan", place.theirs_seen, place.theirs.inner, "", text=text)
    if not _peer_counts(connection):
        seikan.speed = _SPEED
    try:
        Run(story, connection, seikan, peer, place.cut, place.mend).tell()
    finally:
        peer.stop()
