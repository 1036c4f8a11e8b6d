"""Certificates and keys at a router: imported, enrolled by hand, shown, kept over a restart; and revocation."""

from __future__ import annotations

import asyncio
import base64
import re
import stat
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from tests.crypto.authority import NOW, Authority
from tests.crypto.authority import key as new_key
from tests.crypto.test_pki import PASSWORD, framed, issue, pem, pkcs12_file
from tests.daemon.fakes import Bench

from seikan.cli.requests import Apply, Request, Show
from seikan.cli.session import Session
from seikan.cli.status import Status
from seikan.config.model_ikev2 import Ikev2, Ikev2Match, Ikev2Profile, Trustpoint
from seikan.crypto.certificates import serial_number
from seikan.crypto.pki import belongs_to
from seikan.daemon.revocation import Revocation
from seikan.daemon.terminals import execute
from seikan.ike.effects import CheckRevocation
from seikan.system.errors import AdapterError

TP = "CA"


class Desk:
    """A login without its wire: what a person types at the router, and reads."""

    def __init__(self, bench: Bench) -> None:
        self.router = bench.router
        self.origin = "console"
        self.session = Session(lambda: self.router.running)

    async def type(self, *lines: str) -> str:
        shown: list[str] = []
        for line in lines:
            shown += await self._answer(self.session.feed(line))
        return "\n".join(shown)

    async def _answer(self, request: Request) -> list[str]:
        if isinstance(request, Apply):
            assert not await self.router.change(request.candidate, self.router.revision, by="test")
            self.session.committed()
            return list(request.warnings)
        if isinstance(request, Show):
            status: Status = await self.router.status(request.needs, ())
            return list(request.render(status))
        shown: list[str] = []
        async for part in execute(self.router, request, self, self.router.revision):  # type: ignore[arg-type]
            shown += [part] if isinstance(part, str) else list(part)
        return shown


def play(directory: Path, story: Callable[[Bench, Desk], Awaitable[None]], *trustpoints: Trustpoint) -> None:
    async def run() -> None:
        bench = Bench(directory)
        try:
            assert bench.router.pki.load() == []
            await bench.load("hostname R1\nip domain name example.net\n")
            running = bench.router.running
            held = {trustpoint.name: trustpoint for trustpoint in trustpoints}
            candidate = replace(running, pki=replace(running.pki, trustpoints=held))
            assert not await bench.router.change(candidate, bench.router.revision, by="test")
            await story(bench, Desk(bench))
        finally:
            bench.close()

    asyncio.run(run())


def certified(authority: Authority, request: x509.CertificateSigningRequest) -> bytes:
    """What an authority makes of a request."""
    builder = x509.CertificateBuilder().subject_name(request.subject).issuer_name(authority.certificate.subject)
    builder = builder.public_key(request.public_key()).serial_number(77)
    builder = builder.not_valid_before(authority.start).not_valid_after(authority.end)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def secrets_told(bench: Bench, text: str) -> bool:
    return any(word in text + "\n".join(bench.lines) for word in ("sesame", "PRIVATE KEY"))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Example CA")


def test_a_pkcs12_file_makes_a_trustpoint_that_outlives_a_restart(tmp_path: Path, authority: Authority) -> None:
    key = new_key("p256")
    own = issue(authority, "r1.example.net", key)

    async def story(bench: Bench, desk: Desk) -> None:
        bench.router.state.write(pkcs12_file(authority, key, own), "flash", "r1.p12")
        text = await desk.type("configure terminal", f"crypto pki import {TP} pkcs12 flash:r1.p12", "open sesame")
        assert "Imported PKCS12 file successfully" in text
        running = bench.router.running
        assert [(one.kind, one.der) for one in running.pki.chains[TP].certificates] == [
            ("", own),
            ("ca", authority.der),
        ]
        text += await desk.type("end", "show crypto pki certificates", "show crypto key mypubkey all", "show history")
        text += await desk.type("show crypto pki trustpoints status", "show running-config")
        assert "    cn=Example CA" in text
        assert f"Key name: {TP}" in text
        assert "Keys generated ............. Yes" in text
        assert not secrets_told(bench, text)
        [kept] = bench.router.state.path.rglob("*.pem")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    async def later(bench: Bench, desk: Desk) -> None:
        held = bench.router.pki.key(TP)
        assert held is not None
        assert belongs_to(own, held)

    play(tmp_path, story)
    play(tmp_path, later)


def test_a_wrong_password_changes_nothing(tmp_path: Path, authority: Authority) -> None:
    key = new_key("p256")
    data = pkcs12_file(authority, key, issue(authority, "r1", key))

    async def story(bench: Bench, desk: Desk) -> None:
        bench.router.state.write(data, "flash", "r1.p12")
        before = bench.router.running
        text = await desk.type(f"crypto pki import {TP} pkcs12 flash:r1.p12 password almost-sesame")
        assert text.startswith("% wrong passphrase, or not PKCS #12")
        assert "there is no file" in await desk.type(f"crypto pki import {TP} pkcs12 flash:no.p12 password x")
        assert (bench.router.running, bench.router.pki.keys) == (before, {})
        assert "sesame" not in await desk.type("show history")

    play(tmp_path, story)


def test_a_certificate_is_enrolled_by_hand(tmp_path: Path, authority: Authority) -> None:
    async def story(bench: Bench, desk: Desk) -> None:
        text = await desk.type("configure terminal", f"crypto pki enroll {TP}")
        assert "crypto key generate ec keysize 256 label PAIR" in text
        assert "[OK]" in await desk.type("crypto key generate ec keysize 256 label PAIR")
        assert "already" in await desk.type("crypto key generate ec keysize 384 label PAIR")
        text = await desk.type(f"crypto pki authenticate {TP}", *framed(authority.der).decode().splitlines(), "quit")
        fingerprint = re.search(r"Fingerprint SHA1: (\S+)", text)
        assert fingerprint is not None
        assert desk.session.prompt == "% Do you accept this certificate? [yes/no]: "
        assert bench.router.running.pki.chains == {}
        assert "not accepted" in await desk.type("no")
        assert bench.router.running.pki.chains == {}
        await desk.type(f"crypto pki authenticate {TP}", *framed(authority.der).decode().splitlines(), "quit")
        assert "Certificate successfully imported" in await desk.type("yes")
        text = await desk.type(f"crypto pki enroll {TP}")
        request = x509.load_pem_x509_csr(
            re.search(r"-----BEGIN.*?REQUEST-----\n", text, re.DOTALL)[0].encode()  # type: ignore[index]
            + text.partition("REQUEST-----\n")[2].partition("\n\n")[0].encode()
        )
        assert request.subject.rfc4514_string() == "CN=r1,O=Example"
        own = certified(authority, request)
        other = base64.encodebytes(issue(authority, "r2", new_key("p256"))).decode()
        assert "another request" in await desk.type(f"crypto pki import {TP} certificate", *other.splitlines(), "quit")
        pasted = base64.encodebytes(own).decode().splitlines()
        assert "successfully" in await desk.type(f"crypto pki import {TP} certificate", *pasted, "")
        assert [one.kind for one in bench.router.running.pki.chains[TP].certificates] == ["", "ca"]
        assert "will be removed" in await desk.type("crypto key zeroize ec PAIR")
        await desk.type("no", "crypto key zeroize ec PAIR")
        assert bench.router.pki.keys
        await desk.type("yes")
        assert bench.router.pki.keys == {}

    trustpoint = Trustpoint(TP, "terminal pem", "CN=r1,O=Example", key_pair="PAIR", key_pair_kind="eckeypair")
    play(tmp_path, story, trustpoint)


def test_pem_is_pasted_part_by_part(tmp_path: Path, authority: Authority) -> None:
    key = new_key("p256")
    own = issue(authority, "r1", key)
    parts = (framed(authority.der).decode(), pem(key, password=bytes(PASSWORD)).decode(), framed(own).decode())

    async def story(bench: Bench, desk: Desk) -> None:
        lines = [line for part in parts for line in (*part.splitlines(), "quit")]
        text = await desk.type("configure terminal", f"crypto pki import {TP} pem terminal password open", *lines)
        assert text.endswith("% the private key cannot be read: wrong passphrase, or not PEM or DER of a key")
        bench.router.state.write("\n".join(parts).encode(), "flash", "all.pem")
        quoted = f"crypto pki import {TP} pem url flash:all.pem"
        assert "passphrase is needed" in await desk.type(quoted)

    play(tmp_path, story)


def test_the_engine_is_told_of_the_key(tmp_path: Path, authority: Authority) -> None:
    key = new_key("p256")
    own = issue(authority, "r1", key)

    async def story(bench: Bench, desk: Desk) -> None:
        router = bench.router
        profile = Ikev2Profile(
            "P",
            identities=(Ikev2Match(any=True),),
            local_authentication="ecdsa-sig",
            remote_authentications=("ecdsa-sig",),
            sign_trustpoint=TP,
            verify_trustpoints=(TP,),
        )
        ikev2 = Ikev2(profiles={"P": profile})
        made = replace(router.running.pki, trustpoints={TP: Trustpoint(TP)})
        assert not await router.change(replace(router.running, ikev2=ikev2, pki=made), router.revision, by="test")
        router.state.write(pkcs12_file(authority, key, own), "flash", "r1.p12")
        await desk.type(f"crypto pki import {TP} pkcs12 flash:r1.p12", "open sesame")
        [told] = router.settings_of(router.effective).ikev2.profiles
        assert told.sign is not None
        assert told.sign.certificates == (own, authority.der)
        assert told.sign.key == router.pki.key(TP)
        assert told.verify[0].authorities == (authority.der,)
        await asyncio.sleep(0)
        assert router.settings_of(router.effective).ikev2.ticket_key == router.state.secret("ticket-key", 32)

    play(tmp_path, story)


# --- revocation -------------------------------------------------------------------------------------------------------


class Web:
    """What servers have at their addresses; counts who asks."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"http://{name}.example.net/": data for name, data in pages.items()}
        self.asked: list[str] = []

    async def fetch(self, url: str, body: bytes | None, content_type: str) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise AdapterError(f"{url} cannot be fetched: Connection refused")
        return self.pages[url]


def verdict(
    web: Web, authority: Authority, certificate: bytes, *methods: str, held: tuple[bytes, ...] = (), times: int = 1
) -> str | None:
    async def ask() -> str | None:
        revocation = Revocation(lambda name: held, fetch=web.fetch, now=lambda: NOW)
        effect = CheckRevocation(1, TP, certificate, authority.der)
        outcomes = {await revocation.check(effect, Trustpoint(TP, revocation=methods)) for _ in range(times)}
        [outcome] = outcomes
        return outcome

    return asyncio.run(ask())


def test_a_list_is_fetched_once_until_the_next_is_due(authority: Authority) -> None:
    public = new_key("p256")
    good, bad = (issue(authority, who, public, crl="http://crl.example.net/") for who in ("good", "bad"))
    web = Web(crl=authority.crl(serial_number(bad)))
    assert verdict(web, authority, good, "crl", times=3) is None
    assert web.asked == ["http://crl.example.net/"]
    assert "was revoked" in (verdict(web, authority, bad, "crl") or "")


def test_the_methods_are_tried_in_order_and_none_lets_pass(authority: Authority) -> None:
    certificate = issue(authority, "peer", new_key("p256"), ocsp="http://ocsp.example.net/")
    silent = Web()
    assert "Connection refused" in (verdict(silent, authority, certificate, "ocsp") or "")
    assert verdict(silent, authority, certificate, "ocsp", "none") is None
    assert verdict(Web(), authority, certificate, "none") is None
    answering = Web(ocsp=authority.ocsp(certificate))
    assert verdict(answering, authority, certificate, "crl", "ocsp") is None
    assert answering.asked == ["http://ocsp.example.net/"]
    assert "there is no CRL of" in (verdict(Web(), authority, certificate, "crl") or "")


def test_an_imported_list_needs_no_server_and_a_forged_one_says_nothing(authority: Authority) -> None:
    certificate = issue(authority, "late", new_key("p256"))
    late = verdict(Web(), authority, certificate, "crl", held=(authority.crl(serial_number(certificate)),))
    assert "was revoked" in (late or "")
    forged = Web(crl=authority.crl(signer=new_key("p256", 7)))
    pointing = issue(authority, "peer", new_key("p256"), crl="http://crl.example.net/")
    assert "has a wrong signature" in (verdict(forged, authority, pointing, "crl") or "")
