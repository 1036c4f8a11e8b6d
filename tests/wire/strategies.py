"""Hypothesis strategies for every payload and for headers."""

from __future__ import annotations

from hypothesis import strategies as st

from seikan.wire.constants import ExchangeType
from seikan.wire.header import Header
from seikan.wire.payloads import (
    Attribute,
    Delete,
    Fragment,
    HashPayload,
    Identification,
    KeyExchange,
    NatDetection,
    NatOriginalAddress,
    Nonce,
    Notification,
    OtherPayload,
    Payload,
    Proposal,
    SaPayload,
    Transform,
    VendorId,
)

octet = st.integers(0, 255)
short = st.integers(0, 0xFFFF)
data = st.binary(max_size=40)

attributes = st.one_of(
    st.builds(Attribute, st.integers(0, 0x7FFF), st.binary(min_size=2, max_size=2), st.just(True)),
    st.builds(Attribute, st.integers(0, 0x7FFF), st.binary(max_size=8), st.just(False)),
)
transforms = st.builds(Transform, octet, octet, st.lists(attributes, max_size=5).map(tuple))
proposals = st.builds(Proposal, octet, octet, st.binary(max_size=16), st.lists(transforms, max_size=4).map(tuple))
deletes = st.integers(1, 16).flatmap(
    lambda size: st.builds(Delete, octet, st.lists(st.binary(min_size=size, max_size=size), max_size=4).map(tuple))
)
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.builds(SaPayload, st.lists(proposals, min_size=1, max_size=3).map(tuple)),
    st.builds(KeyExchange, data),
    st.builds(Identification, octet, octet, short, data),
    st.builds(HashPayload, data),
    st.builds(Nonce, data),
    st.builds(Notification, octet, st.binary(max_size=16), short, data),
    deletes,
    st.builds(VendorId, data),
    st.builds(NatDetection, data, st.booleans()),
    st.builds(NatOriginalAddress, st.ip_addresses(), st.booleans()),
    st.builds(Fragment, short, st.integers(1, 255), st.booleans(), st.binary(min_size=1, max_size=40)),
    st.builds(OtherPayload, st.sampled_from((6, 7, 9, 15, 16, 128, 255)), data),
)
headers = st.builds(
    Header,
    st.binary(min_size=8, max_size=8).filter(any),
    st.binary(min_size=8, max_size=8),
    st.just(0),
    st.sampled_from(ExchangeType),
    st.integers(0, 7),
    st.integers(0, 2**32 - 1),
    st.just(0),
)
