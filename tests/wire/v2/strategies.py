"""Hypothesis strategies for every payload of IKEv2 and for its header."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from hypothesis import strategies as st

from seikan.wire.v2.constants import CertEncoding, IdType
from seikan.wire.v2.header import Header
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    ConfigurationAttribute,
    ConfigurationPayload,
    Delete,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    Proposal,
    SaPayload,
    TrafficSelector,
    TrafficSelectors,
    Transform,
    UnknownPayload,
    VendorId,
)

octet = st.integers(0, 255)
short = st.integers(0, 0xFFFF)
data = st.binary(max_size=40)
ports = st.tuples(short, short)

transforms = st.builds(Transform, octet, short, st.none() | short)
proposals = st.builds(Proposal, st.just(0), octet, st.binary(max_size=16), st.lists(transforms, max_size=4).map(tuple))


def numbered(first: int, found: list[Proposal]) -> SaPayload:
    return SaPayload(tuple(replace(each, number=number) for number, each in enumerate(found, first)))


sas = st.builds(numbered, st.integers(0, 200), st.lists(proposals, min_size=1, max_size=3))
identities = st.one_of(
    st.builds(Identification, st.booleans(), st.just(int(IdType.IPV4_ADDR)), st.binary(min_size=4, max_size=4)),
    st.builds(Identification, st.booleans(), st.just(int(IdType.IPV6_ADDR)), st.binary(min_size=16, max_size=16)),
    st.builds(Identification, st.booleans(), st.sampled_from((2, 3, 9, 10, 11, 13, 200)), data),
)


def selectors_of(version: Literal[4, 6]) -> st.SearchStrategy[TrafficSelector]:
    addresses = st.ip_addresses(v=version)
    ranges = st.tuples(addresses, addresses).map(lambda pair: pair if int(pair[0]) <= int(pair[1]) else pair[::-1])
    return st.builds(lambda number, ports, ends: TrafficSelector(number, *ports, *ends), octet, ports, ranges)


selectors = selectors_of(4) | selectors_of(6)
deletes = st.one_of(
    st.just(Delete(1)),
    st.builds(Delete, st.sampled_from((2, 3)), st.lists(st.binary(min_size=4, max_size=4), max_size=4).map(tuple)),
)
requests = st.one_of(
    st.builds(
        lambda hashes: CertificateRequest(CertEncoding.X509_SIGNATURE, b"".join(hashes)),
        st.lists(st.binary(min_size=20, max_size=20), max_size=3),
    ),
    st.builds(CertificateRequest, st.sampled_from((7, 12, 14)), data),
)
attributes = st.builds(ConfigurationAttribute, st.integers(0, 0x7FFF), data)
payloads: st.SearchStrategy[Payload] = st.one_of(
    sas,
    st.builds(KeyExchange, short, data),
    identities,
    st.builds(Certificate, octet, data),
    requests,
    st.builds(Authentication, octet, data),
    st.builds(Nonce, st.binary(min_size=16, max_size=256)),
    st.builds(Notification, short, data, octet, st.binary(max_size=16)),
    deletes,
    st.builds(VendorId, data),
    st.builds(TrafficSelectors, st.booleans(), st.lists(selectors, min_size=1, max_size=4).map(tuple)),
    st.builds(ConfigurationPayload, octet, st.lists(attributes, max_size=4).map(tuple)),
    st.builds(UnknownPayload, st.sampled_from((1, 32, 48, 54, 128, 255)), st.just(False), data),
)
headers = st.builds(
    Header,
    st.binary(min_size=8, max_size=8).filter(any),
    st.binary(min_size=8, max_size=8),
    st.just(0),
    octet,
    octet,
    st.integers(0, 2**32 - 1),
    st.just(0),
)
