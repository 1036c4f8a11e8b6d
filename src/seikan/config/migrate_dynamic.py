"""What a dynamic crypto map becomes: lines of a dynamic VTI for the user to type, with the names of the configuration.

They are not put in, because both ends change at once: a Virtual-Template serves peers that have a static VTI, and no
peer that has a crypto map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seikan.config.migrate_build import free_name
from seikan.config.migrate_entries import Candidate, Site, isakmp_profile
from seikan.config.migrate_report import Item, Outcome
from seikan.config.model import Config, CryptoMapEntry


def dynamic_lines(config: Config, candidate: Candidate, places: Sequence[Site]) -> Iterator[Item]:
    """The lines for each entry of the dynamic map that a crypto map entry names."""
    name = candidate.entry.dynamic or ""
    held = config.dynamic_maps.get(name)
    if held is None:
        yield Item(Outcome.NOTE, f"crypto dynamic-map {name} does not exist")
        return
    if not candidate.sites:
        yield Item(Outcome.NOTE, f"no interface has crypto map {candidate.map}, so nobody is served by it")
        return
    number = 1
    for entry in sorted(held.entries.values(), key=lambda entry: entry.sequence):
        while f"Virtual-Template{number}" in config.interfaces:
            number += 1
        lines = _lines(config, candidate, entry, name, places[candidate.sites[0]], number)
        yield Item(
            Outcome.TYPE,
            f"crypto dynamic-map {name} {entry.sequence} as a dynamic VTI, which gives each peer an interface and "
            "routes of its own; every peer must have a static VTI (tunnel mode ipsec ipv4, no policy) by then, and "
            "peers that have a tunnel of their own here need an isakmp profile that matches them more closely"
            + (f", and access list {entry.access_list} has no counterpart" if entry.access_list is not None else ""),
            tuple(lines),
        )
        number += 1


def _lines(
    config: Config, candidate: Candidate, entry: CryptoMapEntry, name: str, site: Site, number: int
) -> Iterator[str]:
    profile = entry.isakmp_profile or isakmp_profile(config, candidate)
    if entry.ikev2_profile is not None:
        profile = entry.ikev2_profile
        yield f"crypto ikev2 profile {profile}"
    elif profile is None or profile not in config.isakmp.profiles:
        profile = free_name(f"{name}-{entry.sequence}", config.isakmp.profiles)
        yield f"crypto isakmp profile {profile}"
        yield " match identity address 0.0.0.0"
    else:
        yield f"crypto isakmp profile {profile}"
    yield f" virtual-template {number}"
    ipsec = free_name(f"{name}-{entry.sequence}", config.ipsec.profiles)
    yield f"crypto ipsec profile {ipsec}"
    if entry.transform_sets:
        yield f" set transform-set {' '.join(entry.transform_sets)}"
    if entry.pfs_group is not None:
        yield f" set pfs group{entry.pfs_group}"
    if entry.lifetime_seconds is not None:
        yield f" set security-association lifetime seconds {entry.lifetime_seconds}"
    yield f" set {'isakmp' if entry.ikev2_profile is None else 'ikev2'}-profile {profile}"
    yield f"interface Virtual-Template{number} type tunnel"
    yield f" ip unnumbered {site.lender}"
    yield f" tunnel source {site.source}"
    yield " tunnel mode ipsec ipv4"
    yield f" tunnel protection ipsec profile {ipsec}"
