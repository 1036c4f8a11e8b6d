"""What lines of configuration mode ask for that is carried out once and not kept: keys and certificates.

`crypto key …` and `crypto pki import …` change what the router keeps beside its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

from seikan.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class GenerateKey:
    """`crypto key generate rsa|ec|ed25519`; `bits` of the modulus or the curve, 0 for Ed25519.

    `label` None is the router's full name, as in IOS.
    """

    kind: str
    bits: int
    label: str | None = None
    exportable: bool = False


@dataclass(frozen=True, slots=True)
class ZeroizeKey:
    """`crypto key zeroize rsa|ec|ed25519 [LABEL]`: without a label all keys of the kind."""

    kind: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ImportCredentials:
    """`crypto pki import TRUSTPOINT pkcs12|pem|certificate`: a file, or the `text` that was typed.

    `form` "certificate" is the one certificate (PEM or base64) that was asked for with a request of this router's key.
    """

    trustpoint: str
    form: str
    file: str | None = None
    password: Secret | None = None
    text: Secret | None = None


@dataclass(frozen=True, slots=True)
class AuthenticateTrustpoint:
    """`crypto pki authenticate TRUSTPOINT`: take the authority's certificate, typed as PEM or base64."""

    trustpoint: str
    text: Secret | None = None


Once = GenerateKey | ZeroizeKey | ImportCredentials | AuthenticateTrustpoint


def text_wanted(request: Once) -> str | None:
    """What is printed before its text is typed; None where it needs none."""
    end = 'End with a blank line or the word "quit" on a line by itself'
    if isinstance(request, AuthenticateTrustpoint):
        return f"Enter the base 64 encoded CA certificate.\n{end}"
    if isinstance(request, ImportCredentials) and request.file is None:
        what = {"pkcs12": "PKCS12", "pem": "PEM (certificates and private key)"}.get(request.form, "certificate")
        return f'Enter the base 64 encoded {what}.\nEnd with the word "quit" on a line by itself'
    return None
