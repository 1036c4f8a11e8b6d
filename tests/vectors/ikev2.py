"""Vectors of IKEv2 that others published, with their sources."""

from __future__ import annotations

# NIST CAVS samples of SP 800-135 IKEv2, as Mozilla NSS has them (gtests, ike-sha1/256/384-vectors.h, "from this NIST
# samples"): nonces, SPIs, g^ir and SKEYSEED, the first 132 octets of prf+, g^ir(new) and SKEYSEED of a rekey.
CAVS_IKEV2: dict[str, dict[str, str]] = {
    "sha1": {
        "ni": "32b50d5f4a3763f3",
        "nr": "9206a04b26564cb1",
        "spi_i": "34c9e7c188868785",
        "spi_r": "3ff77d760d2b2199",
        "g_ir": "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52",
        "skeyseed": "a9a7b222b59f8f48645f28a1db5b5f5d7479cba7",
        "material": (
            "a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002a2a63080e"
            "514a062768b76606f9fa5e992204fc5a670bde3f10d6b027113936a5c55b648a194ae587b"
            "0088d52204b702c979fa280870d2ed41efa9c549fd11198af1670b143d384bd275c5f594c"
            "f266b05ebadca855e4249520a441a81157435a7a56cc4"
        ),
        "g_ir_new": "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330",
        "skeyseed_rekey": "63e81194946ebd05df7df5ebf5d8750056bf1f1d",
    },
    "sha256": {
        "ni": "3f302be1abcb28e1",
        "nr": "8c332ee006064c9b",
        "spi_i": "40dac39e1e1a8640",
        "spi_r": "8619a1cf9a6e4c07",
        "g_ir": "0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29",
        "skeyseed": "5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe",
        "material": (
            "0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ece98aca531"
            "188d16041b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6cdf6854379e31be72b"
            "8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4e1c19bdcd4db14b29d98db1a74a"
            "d405c588662c14a04d0d36aa4ab55e90f8986d12d4aad"
        ),
        "g_ir_new": "25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c",
        "skeyseed_rekey": "2d63f6debc92048b4fef3889c4c99ca67d6496e0fac14a2bca9a2d6566ff2398",
    },
    "sha384": {
        "ni": "fd1b572a8e735591",
        "nr": "6013b0ef88dacd3d",
        "spi_i": "2116ad07ce61f749",
        "spi_r": "24880e55f11a65b7",
        "g_ir": "d3288cd87565101e88fe3bad918f31939d8dd26ff1071f8b2d7f447524e58d7c",
        "skeyseed": "69fe7a1ac94adaeb711295f5fe004b1a8d6a0b65d05692758ce8ad2f7a45f59d7d0b596f51f7dfcf3330061888f6a94f",
        "material": (
            "4f904c2025c90c817ea5ff9b662a6fdb445a73b57cdf09eacd379b95e1f03cacb04cd6dee"
            "da4f952191dd9bc1f7a9502471a648d74dc06d38112de48a42501f6b1a3ad55c2099cd9a6"
            "48e5f17e5bf3e34bf9b5953decb768a34f875fe2b78dca0c2fcca81ec1a412006dfaed38f"
            "a06882e61f4c148105fb8e231fdb33c4d484c001721d4"
        ),
        "g_ir_new": "3358f620539473aee8d07e779764c4c6a9aabddc79a28e136b3bac021dbde44a",
        "skeyseed_rekey": (
            "e0548c1682e13bce454026b3b1bdf42985b24e4e7408095a7c529de38c3d1fcb04c9fe6868042a34c9614c6c99e3fcea"
        ),
    },
}

# RFC 7634 appendix B: an INFORMATIONAL message with SET_WINDOW_SIZE; SK is the key with the salt behind it.
RFC7634_KEY = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3"
RFC7634_IV = "1011121314151617"
RFC7634_INNER = "0000000c000040010000000a"
RFC7634_MESSAGE = (
    "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029"
    "1011121314151617610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2"
)

# RFC 7748 section 6.1: Bob's private and public value, Alice's public one, and their secret.
RFC7748 = {
    "private": "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    "public": "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    "peer": "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    "shared": "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
}

# An initial exchange with strongSwan 5.9.8 as responder, recorded here: pre-shared key "secret", AES-CBC-256,
# HMAC-SHA2-256-128, PRF-HMAC-SHA2-256, group 31 with this private value of the initiator. The keys of the child SA
# (AES-GCM-16 with 128 bits, with their salts) are those that charon wrote into its own log.
STRONGSWAN_PSK: dict[str, str] = {
    "private": "7140c7532a163b3ac56010a901fe4f8de4bb91c1b148ac40b75dd7b04f212fc7",
    "init_request": (
        "ab55608c507da03c00000000000000002120220800000000000000e8220000300000002c010100040300000c0100000c800e0100"
        "030000080300000c0300000802000005000000080400001f28000028001f00008d7cac760ade5159d05256034e716c8ab8f00447"
        "4733fa9f483fc338c7b30b3029000024ffe8ad4994b9c25d909f0a72cda4ebfa8c8de6da8a436f33f4b46b36efafa2112900001c"
        "00004004af9d3e3df81686ad845a7cb6502f319169743d5b2900001c00004005f109fb74e2f1479ded909c25bb238dfe524c95db"
        "290000100000402f0002000300040005000000080000402e"
    ),
    "init_response": (
        "ab55608c507da03c2f1a313fc6d3d12d212022200000000000000159220000300000002c010100040300000c0100000c800e0100"
        "030000080300000c0300000802000005000000080400001f28000028001f0000476c131236ed7486ab1a6d1e59db8321e7467d66"
        "27bd1bc23565ea7e1bfa49762900002438849234717e8680259e3174516eb0e83fdb4fc460d183b4582a83bc01311fc82900001c"
        "00004004a984b0d02b229254e3934a2b43961eb84adc5c292600001c00004005299a4cdcee68a295a2675caf82dbae91f69002be"
        "290000690480c623df9a86fc486f129d891251abc33f1ad8f8b6b50a78b598736bfbee20ebc734807ae7fc4cfbdf64132e159f07"
        "3187f9e475b09621e9803a2768d394de5e5ee0315121b56b9523487f7cb6c1d9b33a0694e49ecc9b453757c5591f01602161a800"
        "4d290000100000402f000200030004000529000008000040220000000800004014"
    ),
    "auth_request": (
        "ab55608c507da03c2f1a313fc6d3d12d2e20230800000001000000f0230000d46e3eabfc9f4a444b76a82c078ded2408b9a12183"
        "38c85b38a4d20ac28f368fdba686a407fb6af2125e7208f4633c9eaccf37c422b0e04756b6fd62a37cf7b53e874a80c5e853c812"
        "33969c48beb61d71b892c7ac5f4d98641ebc58f2c01c7f91a3d27b3111cffeaa3178582bb028ad8d32ddd2c5bcca30c0493e5d13"
        "c7d06577ae0a33ed44af12eeb01e960dc81d34b1f6cafc60bf471309075d3e1e15730abbe6c6dedb4be8928db32aff3365e2621d"
        "8821616023a9fd39796764e595102deefcf1f1ae8450c2bb10d43349e1d3dd16"
    ),
    "auth_response": (
        "ab55608c507da03c2f1a313fc6d3d12d2e20232000000001000000e0240000c4907890631e8fe3215afd1dfce3275e68697966cb"
        "c81b4cd46a61d113f9532d9445ecfada378f234770f22be851ba87028658dc4d8e2793f93835119b9607c438195aa6048f6e9e57"
        "d814b79bcc89b19a532de9f73d3b9aa1938aabe7cbadbced54d67e990a0af3af2d2087dcd55511a4723318ca6c568e406ddb99e1"
        "656a777633408a8589c90119d797cb33fed0fca71d1985521f3c09ced1edae32ba3838350c513bddaf4805a73e439231d71de16b"
        "cfa85f36da4d002715b49bccba00dc8d"
    ),
    "child_i": "9c3592b21bf009f93c1769a90855fa51e1fbf2f0",
    "child_r": "6fb660f3d1868dcc2dd2c4d0273f0275b428203c",
}
