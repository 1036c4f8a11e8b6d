"""The vendor IDs that announce what a peer can do.

Sources: RFC 3706 section 5.1; RFC 3947 section 3.1; draft-ietf-ipsec-nat-t-ike-02 and -03 section 3.1;
the fragmentation ID is what IOS and racoon send (the MD5 of FRAGMENTATION and four octets of capabilities);
Seikan's own is the MD5 of its name.
"""

from __future__ import annotations

from enum import Enum


class Vendor(Enum):
    DPD = bytes.fromhex("afcad71368a1f1c96b8696fc77570100")
    NAT_T_RFC = bytes.fromhex("4a131c81070358455c5728f20e95452f")
    NAT_T_03 = bytes.fromhex("7d9419a65310ca6f2c179d9215529d56")
    NAT_T_02_NEWLINE = bytes.fromhex("90cb80913ebb696e086381b5ec427b1f")
    NAT_T_02 = bytes.fromhex("cd60464335df21f87cfdb2fc68b6a448")
    FRAGMENTATION = bytes.fromhex("4048b7d56ebce88525e7de7f00d6c2d3")
    SEIKAN = bytes.fromhex("c71d29d628633a423088ceadf4cde82c")


FRAGMENTATION_CAPABILITIES = bytes.fromhex("80000000")  # main mode and the exchanges under it
# In order of preference; the first that both sides know is used.
NAT_T_VENDORS = (Vendor.NAT_T_RFC, Vendor.NAT_T_03, Vendor.NAT_T_02_NEWLINE, Vendor.NAT_T_02)
_FIXED = {vendor.value: vendor for vendor in Vendor}


def recognize(data: bytes) -> Vendor | None:
    """The vendor ID that `data` is, None where it is none of ours.

    DPD's last two octets are a version and the fragmentation ID ends in capabilities, so their heads decide.
    """
    if data[:14] == Vendor.DPD.value[:14] and len(data) == 16:
        return Vendor.DPD
    if data[:16] == Vendor.FRAGMENTATION.value:
        return Vendor.FRAGMENTATION
    return _FIXED.get(data)
