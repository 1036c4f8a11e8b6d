"""The numbers of IKEv2 (IANA "Internet Key Exchange Version 2 (IKEv2) Parameters"; RFC 7296 section 3 and its
extensions). What an algorithm is called and how long its keys are stands in the rows of `wire.constants`.
"""

from __future__ import annotations

from enum import IntEnum

IKEV2_VERSION = 0x20  # RFC 7296 section 3.1: major 2, minor 0
FLAG_INITIATOR = 0x08  # RFC 7296 section 3.1
FLAG_VERSION = 0x10
FLAG_RESPONSE = 0x20


class Exchange(IntEnum):
    """Exchange types (RFC 7296 section 3.1, RFC 5723 section 4.3.2, RFC 9242 section 3.2, RFC 9370 section 2.2.4)."""

    IKE_SA_INIT = 34
    IKE_AUTH = 35
    CREATE_CHILD_SA = 36
    INFORMATIONAL = 37
    IKE_SESSION_RESUME = 38
    IKE_INTERMEDIATE = 43
    IKE_FOLLOWUP_KE = 44


class Payload(IntEnum):
    """Payload types (RFC 7296 section 3.2, RFC 7383 section 2.5)."""

    NONE = 0
    SA = 33
    KE = 34
    ID_I = 35
    ID_R = 36
    CERT = 37
    CERTREQ = 38
    AUTH = 39
    NONCE = 40
    NOTIFY = 41
    DELETE = 42
    VENDOR_ID = 43
    TS_I = 44
    TS_R = 45
    SK = 46
    CP = 47
    EAP = 48
    SKF = 53


class Protocol(IntEnum):
    """Protocol identifiers (RFC 7296 section 3.3.1)."""

    NONE = 0
    IKE = 1
    AH = 2
    ESP = 3


class TransformType(IntEnum):
    """Transform types (RFC 7296 section 3.3.2, RFC 9370 section 2.2.2)."""

    ENCR = 1
    PRF = 2
    INTEG = 3
    KE = 4
    ESN = 5
    ADDITIONAL_KE_1 = 6
    ADDITIONAL_KE_2 = 7
    ADDITIONAL_KE_3 = 8
    ADDITIONAL_KE_4 = 9
    ADDITIONAL_KE_5 = 10
    ADDITIONAL_KE_6 = 11
    ADDITIONAL_KE_7 = 12


KEY_LENGTH_ATTRIBUTE = 14  # RFC 7296 section 3.3.5


class IdType(IntEnum):
    """Identification types (RFC 7296 section 3.5)."""

    IPV4_ADDR = 1
    FQDN = 2
    RFC822_ADDR = 3
    IPV6_ADDR = 5
    DER_ASN1_DN = 9
    DER_ASN1_GN = 10
    KEY_ID = 11
    NULL = 13


class CertEncoding(IntEnum):
    """Certificate encodings (RFC 7296 section 3.6, RFC 4806)."""

    PKCS7 = 1
    X509_SIGNATURE = 4
    CRL = 7
    HASH_AND_URL = 12
    HASH_AND_URL_BUNDLE = 13
    OCSP_CONTENT = 14


class AuthMethod(IntEnum):
    """Authentication methods (RFC 7296 section 3.8, RFC 4754, RFC 7427)."""

    RSA = 1
    SHARED_KEY = 2
    ECDSA_256 = 9
    ECDSA_384 = 10
    ECDSA_521 = 11
    NULL = 13
    DIGITAL_SIGNATURE = 14


class SignatureHash(IntEnum):
    """Hash algorithms of SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4, RFC 8420 section 2)."""

    SHA1 = 1
    SHA2_256 = 2
    SHA2_384 = 3
    SHA2_512 = 4
    IDENTITY = 5


class Notify(IntEnum):
    """Notify message types (RFC 7296 section 3.10.1 and the RFCs beside them)."""

    UNSUPPORTED_CRITICAL_PAYLOAD = 1
    INVALID_IKE_SPI = 4
    INVALID_MAJOR_VERSION = 5
    INVALID_SYNTAX = 7
    INVALID_MESSAGE_ID = 9
    INVALID_SPI = 11
    NO_PROPOSAL_CHOSEN = 14
    INVALID_KE_PAYLOAD = 17
    AUTHENTICATION_FAILED = 24
    SINGLE_PAIR_REQUIRED = 34
    NO_ADDITIONAL_SAS = 35
    INTERNAL_ADDRESS_FAILURE = 36
    FAILED_CP_REQUIRED = 37
    TS_UNACCEPTABLE = 38
    INVALID_SELECTORS = 39
    UNACCEPTABLE_ADDRESSES = 40  # RFC 4555
    UNEXPECTED_NAT_DETECTED = 41  # RFC 4555
    TEMPORARY_FAILURE = 43
    CHILD_SA_NOT_FOUND = 44
    STATE_NOT_FOUND = 47  # RFC 9370
    INITIAL_CONTACT = 16384
    SET_WINDOW_SIZE = 16385
    ADDITIONAL_TS_POSSIBLE = 16386
    IPCOMP_SUPPORTED = 16387
    NAT_DETECTION_SOURCE_IP = 16388
    NAT_DETECTION_DESTINATION_IP = 16389
    COOKIE = 16390
    USE_TRANSPORT_MODE = 16391
    HTTP_CERT_LOOKUP_SUPPORTED = 16392
    REKEY_SA = 16393
    ESP_TFC_PADDING_NOT_SUPPORTED = 16394
    NON_FIRST_FRAGMENTS_ALSO = 16395
    MOBIKE_SUPPORTED = 16396  # RFC 4555
    ADDITIONAL_IP4_ADDRESS = 16397
    ADDITIONAL_IP6_ADDRESS = 16398
    NO_ADDITIONAL_ADDRESSES = 16399
    UPDATE_SA_ADDRESSES = 16400
    COOKIE2 = 16401
    NO_NATS_ALLOWED = 16402
    MULTIPLE_AUTH_SUPPORTED = 16404  # RFC 4739
    REDIRECT_SUPPORTED = 16406  # RFC 5685
    REDIRECT = 16407
    REDIRECTED_FROM = 16408
    TICKET_LT_OPAQUE = 16409  # RFC 5723
    TICKET_REQUEST = 16410
    TICKET_ACK = 16411
    TICKET_NACK = 16412
    TICKET_OPAQUE = 16413
    CHILDLESS_IKEV2_SUPPORTED = 16418  # RFC 6023
    QUICK_CRASH_DETECTION = 16419  # RFC 6290
    IKEV2_FRAGMENTATION_SUPPORTED = 16430  # RFC 7383
    SIGNATURE_HASH_ALGORITHMS = 16431  # RFC 7427
    USE_PPK = 16435  # RFC 8784
    PPK_IDENTITY = 16436
    NO_PPK_AUTH = 16437
    INTERMEDIATE_EXCHANGE_SUPPORTED = 16438  # RFC 9242
    ADDITIONAL_KEY_EXCHANGE = 16441  # RFC 9370


LAST_ERROR = 16383  # RFC 7296 section 3.10.1: errors up to here, status above


class TsType(IntEnum):
    """Traffic selector types (RFC 7296 section 3.13.1)."""

    IPV4_ADDR_RANGE = 7
    IPV6_ADDR_RANGE = 8


class GatewayType(IntEnum):
    """Gateway identities of REDIRECT and REDIRECTED_FROM (RFC 5685 section 10)."""

    IPV4 = 1
    IPV6 = 2
    FQDN = 3


PPK_ID_OPAQUE = 1  # RFC 8784 section 5.1
PPK_ID_FIXED = 2
