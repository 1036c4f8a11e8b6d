"""Vectors that others published, with their sources."""

from __future__ import annotations

# RFC 2202 sections 2 and 3, RFC 4231 sections 4.2 and 4.3: test cases 1 and 2; hash, key, data, HMAC.
_HI_THERE, _WHAT = b"Hi There".hex(), b"what do ya want for nothing?".hex()
_JEFE = b"Jefe".hex()
HMAC_VECTORS = (
    ("md5", "0b" * 16, _HI_THERE, "9294727a3638bb1c13f48ef8158bfc9d"),
    ("md5", _JEFE, _WHAT, "750c783e6ab0b503eaa86e310a5db738"),
    ("sha1", "0b" * 20, _HI_THERE, "b617318655057264e28bc0b6fb378c8ef146be00"),
    ("sha1", _JEFE, _WHAT, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ("sha256", "0b" * 20, _HI_THERE, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ("sha256", _JEFE, _WHAT, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (
        "sha384",
        "0b" * 20,
        _HI_THERE,
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
    ),
    (
        "sha512",
        _JEFE,
        _WHAT,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
)

# RFC 5903 section 8: i and r are the private values, gi and gr the public ones (x then y), shared is g^ir's x.
RFC5903: dict[int, dict[str, str]] = {
    19: {
        "i": "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
        "r": "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
        "gi": (
            "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
            "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3"
        ),
        "gr": (
            "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
            "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab"
        ),
        "shared": "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
    },
    20: {
        "i": ("099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194"),
        "r": ("41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc"),
        "gi": (
            "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6"
            "de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f"
            "65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c"
        ),
        "gr": (
            "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d"
            "0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f"
            "66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c"
        ),
        "shared": ("11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746"),
    },
    21: {
        "i": (
            "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0"
            "95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d"
            "4a52"
        ),
        "r": (
            "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e"
            "9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb15168"
            "5eb9"
        ),
        "gi": (
            "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbe"
            "e1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176c"
            "ed3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4"
            "a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3"
            "926f9582"
        ),
        "gr": (
            "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a21"
            "9b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9"
            "460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207"
            "7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd1"
            "7f0fc56a"
        ),
        "shared": (
            "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04"
            "d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3"
            "ddea"
        ),
    },
}
