"""`crypto key …` and `crypto pki …`: key pairs and certificates. They are typed in configuration mode, as in IOS, or in
exec mode, and change what the router keeps beside its configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from seikan.cli.answers import Answer, ExecCommand, Handler, Question, View, paste, yes_or_no
from seikan.cli.requests import GenerateKey, Pki, PkiKind, Reply, ZeroizeKey
from seikan.cli.shell import Wants
from seikan.config.grammar import Match
from seikan.wire.secret import Secret

DEFAULT_RSA_BITS = 2048
DEFAULT_EC_BITS = 256
_EC_BITS = (256, 384, 521)


def _typed(match: Match, name: str) -> str | None:
    value = match.args.get(name)
    return None if value is None or value is True else str(value)


def _secret(match: Match, name: str) -> Secret | None:
    value = match.args.get(name)
    return value if isinstance(value, Secret) else None


# --- key pairs --------------------------------------------------------------------------------------------------------


def _generate_rsa(match: Match, view: View) -> Answer:
    bits = match.args.get("bits")
    bits = bits if isinstance(bits, int) and bits is not True else DEFAULT_RSA_BITS
    if bits < DEFAULT_RSA_BITS:
        return Reply((f"% An RSA key of {bits} bits protects nothing: type modulus {DEFAULT_RSA_BITS}",), failed=True)
    return GenerateKey("rsa", bits, _typed(match, "label"))


def _generate_ec(match: Match, view: View) -> Answer:
    bits = match.args.get("bits")
    bits = bits if isinstance(bits, int) and bits is not True else DEFAULT_EC_BITS
    if bits not in _EC_BITS:
        return Reply((f"% There is no curve of {bits} bits: type keysize 256, 384 or 521",), failed=True)
    return GenerateKey("ec", bits, _typed(match, "label"))


def _zeroize(kind: str) -> Handler:
    def handler(match: Match, view: View) -> Answer:
        label = _typed(match, "label")
        which = f"the {kind.upper()} keys labelled {label}" if label else f"all {kind.upper()} keys"
        before = (f"% {which[0].upper()}{which[1:]} will be removed; certificates without their key prove nothing.",)
        return yes_or_no(
            "Do you really want to remove these keys? [yes/no]: ", ZeroizeKey(kind, label), Reply(), before
        )

    return handler


# --- imports ----------------------------------------------------------------------------------------------------------

_QUIT = 'End with the word "quit" on a line by itself.'
_PKCS12 = ("Enter the PKCS12 file as base 64 text.", _QUIT, "")
_PEM_PARTS = (
    ("% Enter PEM-formatted CA certificate.", f"% {_QUIT}"),
    ("% Enter PEM-formatted private General Purpose key.", f"% {_QUIT}"),
    ("% Enter PEM-formatted General Purpose certificate.", f"% {_QUIT}"),
)
_CA = (
    "",
    "Enter the base 64 encoded CA certificate.",
    'End with a blank line or the word "quit" on a line by itself',
    "",
)
_OWN = (
    "",
    "Enter the base 64 encoded certificate.",
    'End with a blank line or the word "quit" on a line by itself',
    "",
)


def _with_password(password: Secret | None, then: Callable[[Secret], Answer]) -> Answer:
    """Ask for one that was not typed; it is not shown."""
    if password is not None:
        return then(password)
    return Question("Password: ", lambda line: then(Secret(line.encode())), Wants.SECRET, None)


def _pkcs12(match: Match, view: View) -> Answer:
    trustpoint, file = str(match.args["trustpoint"]), _typed(match, "file")

    def opened(password: Secret) -> Answer:
        if file is not None:
            return Pki(PkiKind.PKCS12, trustpoint, file, password=password)
        return paste(
            _PKCS12,
            lambda text: Pki(PkiKind.PKCS12, trustpoint, text=Secret(text.encode()), password=password),
            blank_ends=False,
        )

    return _with_password(_secret(match, "password"), opened)


def _pem(match: Match, view: View) -> Answer:
    trustpoint, file, password = str(match.args["trustpoint"]), _typed(match, "file"), _secret(match, "password")
    if file is not None:
        return Pki(PkiKind.PEM, trustpoint, file, password=password)

    def part(number: int, before: str) -> Answer:
        def taken(text: str) -> Answer:
            held = f"{before}\n{text}"
            if number + 1 < len(_PEM_PARTS):
                return part(number + 1, held)
            return Pki(PkiKind.PEM, trustpoint, text=Secret(held.encode()), password=password)

        return paste(_PEM_PARTS[number], taken, blank_ends=False)

    return part(0, "")


def _pasted(kind: PkiKind, before: tuple[str, ...]) -> Handler:
    def handler(match: Match, view: View) -> Answer:
        trustpoint = str(match.args["trustpoint"])
        return paste(before, lambda text: Pki(kind, trustpoint, text=Secret(text.encode())), blank_ends=True)

    return handler


def _of_trustpoint(kind: PkiKind) -> Handler:
    return lambda match, view: Pki(kind, str(match.args["trustpoint"]), _typed(match, "file"))


_HELP = {
    "crypto": "Encryption module",
    "key": "Long term key operations",
    "generate": "Generate new keys",
    "zeroize": "Remove keys",
    "rsa": "RSA keys",
    "ec": "Elliptic curve keys, for ECDSA",
    "general-keys": "A pair of keys for signatures and encryption (the only kind there is)",
    "exportable": "Accepted as in IOS; keys are not exported",
    "label": "Give the key pair a name",
    "modulus": "Size of the key",
    "keysize": "Size of the key",
    "<bits>": "Bits",
    "<label>": "Name of the key pair; without one the router's",
    "pki": "Public Key components",
    "import": "Import certificates, keys or a CRL",
    "authenticate": "Get the certification authority's certificate",
    "enroll": "Print a certification request",
    "crl": "Certificate revocation list",
    "request": "Fetch the CRL now",
    "<trustpoint>": "Name of the trustpoint",
    "pkcs12": "A PKCS12 file: private key, certificate and authorities",
    "pem": "PEM texts: private key, certificate and authorities",
    "certificate": "The router's certificate, as the authority gave it",
    "terminal": "Paste it here",
    "url": "From a file",
    "password": "Passphrase that protects the private key",
    "<password>": "The passphrase; without it it is asked for and not shown",
    "<file>": "A file: flash:NAME, or its path",
}
_OPTIONS = "[general-keys|exportable|label <label:word>|modulus <bits:number(360-4096)>]"
_EC_OPTIONS = "[exportable|label <label:word>|keysize <bits:number(160-521)>]"

PKI_COMMANDS: tuple[ExecCommand, ...] = (
    ExecCommand(f"crypto key generate rsa {' '.join([_OPTIONS] * 4)}", _generate_rsa, _HELP),
    ExecCommand(f"crypto key generate ec {' '.join([_EC_OPTIONS] * 3)}", _generate_ec, _HELP),
    ExecCommand("crypto key zeroize rsa [<label:word>]", _zeroize("rsa"), _HELP),
    ExecCommand("crypto key zeroize ec [<label:word>]", _zeroize("ec"), _HELP),
    ExecCommand(
        "crypto pki import <trustpoint:word> pkcs12 (terminal|<file:word>) [password <password:secret>]", _pkcs12, _HELP
    ),
    ExecCommand(
        "crypto pki import <trustpoint:word> pem [exportable] (terminal|url <file:word>) [password <password:secret>]",
        _pem,
        _HELP,
    ),
    ExecCommand("crypto pki import <trustpoint:word> certificate", _pasted(PkiKind.CERTIFICATE, _OWN), _HELP),
    ExecCommand("crypto pki import <trustpoint:word> crl <file:word>", _of_trustpoint(PkiKind.CRL), _HELP),
    ExecCommand("crypto pki authenticate <trustpoint:word>", _pasted(PkiKind.AUTHENTICATE, _CA), _HELP),
    ExecCommand("crypto pki enroll <trustpoint:word>", _of_trustpoint(PkiKind.ENROLL), _HELP),
    ExecCommand("crypto pki crl request <trustpoint:word>", _of_trustpoint(PkiKind.CRL_REQUEST), _HELP),
)
