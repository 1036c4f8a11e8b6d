"""What two sides agree on, and what they read where they do not (RFC 7296 section 3.3, RFC 9370 section 2.2.2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seikan.config.model import TransformSet
from seikan.ike.settings import Ikev2ProposalSettings, PhaseTwo
from seikan.ike.v2 import proposals as negotiation
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    ENCRYPTIONS,
    GROUP_BY_NUMBER,
    GROUPS,
    HASH_BY_NAME,
    HASHES,
    INTEGRITIES,
    INTEGRITY_BY_NAME,
    Group,
)
from seikan.wire.v2.constants import TransformType
from seikan.wire.v2.payloads import Proposal, SaPayload, Transform

SPI = bytes.fromhex("c0ffee01")
CBC, GCM = ENCRYPTION_BY_NAME["aes-cbc-256"], ENCRYPTION_BY_NAME["aes-gcm-16-256"]
SHA256, MAC256 = HASH_BY_NAME["sha256"], INTEGRITY_BY_NAME["hmac-sha256-128"]


def groups(*numbers: int) -> tuple[Group, ...]:
    return tuple(GROUP_BY_NUMBER[number] for number in numbers)


def setting(
    *,
    encryption: str = "aes-cbc-256",
    kem: tuple[tuple[Group | None, ...], ...] = (),
    group: tuple[int, ...] = (19,),
) -> Ikev2ProposalSettings:
    return Ikev2ProposalSettings(
        "P", tuple(ENCRYPTION_BY_NAME[name] for name in encryption.split()), (MAC256,), (SHA256,), groups(*group), kem
    )


def child(*, sets: tuple[TransformSet, ...], pfs: int | None = None, window: int = 64) -> PhaseTwo:
    return PhaseTwo("profile P", sets, pfs, 3600, 0, window)


GCM_SET = TransformSet("GCM", GCM, None)
CBC_SET = TransformSet("CBC", CBC, MAC256)

_IKE_CIPHERS = [row for row in ENCRYPTIONS if row.ios_proposal]


def _some(rows: tuple[object, ...] | list[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(list(rows)), min_size=1, max_size=most, unique=True).map(tuple)


settings_of_ike = st.builds(
    Ikev2ProposalSettings,
    st.just("P"),
    _some(list(_IKE_CIPHERS)),
    _some(INTEGRITIES),
    _some(HASHES),
    _some(GROUPS),
    st.lists(_some([None, *groups(20, 36, 37)]), max_size=3).map(tuple),
)
sets_of_child = st.builds(
    TransformSet, st.just("S"), st.sampled_from(ENCRYPTIONS), st.none() | st.sampled_from(INTEGRITIES)
)
phases = st.builds(
    child,
    sets=st.lists(sets_of_child, max_size=3).map(tuple),
    pfs=st.none() | st.sampled_from([14, 19, 31]),
    window=st.sampled_from([0, 64]),
)


@given(st.lists(settings_of_ike, min_size=1, max_size=2), st.lists(settings_of_ike, min_size=1, max_size=2))
def test_what_is_agreed_on_is_allowed_by_both(
    ours: list[Ikev2ProposalSettings], theirs: list[Ikev2ProposalSettings]
) -> None:
    offer = negotiation.ike_offer(theirs)
    choice = negotiation.choose_ike(ours, offer)
    if choice is None:
        if offer.proposals:
            assert negotiation.explain_ike(ours, offer)
        return
    for side in (ours, theirs):
        assert any(
            choice.encryption in row.encryptions
            and (choice.encryption.aead or choice.integrity in row.integrities)
            and choice.prf in row.prfs
            and choice.group in row.groups
            for row in side
        )
    assert choice.encryption.aead is (choice.integrity is None)
    exchanges = Counter(row.number for row in (choice.group, *choice.additional))
    assert set(exchanges.values()) == {1}, "a key exchange method is never there twice"
    assert negotiation.was_offered(offer, choice.answer()) == choice


@given(st.lists(settings_of_ike, min_size=1, max_size=2))
def test_two_with_the_same_configuration_agree_unless_it_has_no_distinct_groups(
    rows: list[Ikev2ProposalSettings],
) -> None:
    offer = negotiation.ike_offer(rows)
    choice = negotiation.choose_ike(rows, offer)
    possible = any(
        not row.additional or all(None in one for one in row.additional) or len(row.additional) == 1 for row in rows
    )
    clash = any(set(row.groups) == set(row.additional[0]) for row in rows if len(row.additional) == 1)
    assert choice is not None or not possible or clash


@given(phases, phases, st.booleans(), st.booleans(), st.booleans())
def test_children_that_are_agreed_on_are_allowed_by_both(
    ours: PhaseTwo, theirs: PhaseTwo, first: bool, extended: bool, their_extended: bool
) -> None:
    offer = negotiation.child_offer(theirs, SPI, first=first, extended=their_extended)
    choice = negotiation.choose_child(ours, offer, first=first, extended=extended)
    if choice is None:
        assert negotiation.explain_child(ours, offer, first=first, extended=extended)
        return
    got = negotiation.child_was_offered(theirs, offer, choice.answer(b"\1\2\3\4"))
    assert got is not None
    assert (choice.spi, got.spi) == (SPI, b"\1\2\3\4")
    assert got.esn is choice.esn
    assert got.group == choice.group
    assert got.transform_set.encryption == choice.transform_set.encryption
    assert choice.transform_set in ours.transform_sets
    assert choice.transform_set.encryption is not None
    if not choice.transform_set.encryption.aead:
        assert got.transform_set.integrity == choice.transform_set.integrity != None  # noqa: E711
    assert not choice.esn or (extended and their_extended and ours.replay_window and theirs.replay_window)
    assert not (first and choice.group)
    if not first and ours.pfs_group:
        assert choice.group == GROUP_BY_NUMBER[ours.pfs_group]
    if not first and theirs.pfs_group:
        assert choice.group == GROUP_BY_NUMBER[theirs.pfs_group]


def test_ciphers_with_and_without_integrity_are_offered_apart() -> None:
    offer = negotiation.ike_offer([setting(encryption="aes-cbc-256 aes-gcm-16-256 aes-cbc-128")])
    assert [row.number for row in offer.proposals] == [1, 2]
    first, second = offer.proposals
    assert [(row.id, row.key_bits) for row in first.transforms if row.type == TransformType.ENCR] == [
        (12, 256),
        (12, 128),
    ]
    assert TransformType.INTEG in {row.type for row in first.transforms}
    assert TransformType.INTEG not in {row.type for row in second.transforms}


def test_our_order_of_preference_holds() -> None:
    theirs = negotiation.ike_offer(
        [setting(encryption="aes-cbc-256", group=(14, 19)), setting(encryption="aes-gcm-16-256")]
    )
    choice = negotiation.choose_ike([setting(encryption="aes-gcm-16-256"), setting()], theirs)
    assert choice is not None
    assert (choice.number, choice.encryption, choice.integrity) == (2, GCM, None)


def with_transform(offer: SaPayload, extra: Transform) -> SaPayload:
    return SaPayload(tuple(replace(row, transforms=(*row.transforms, extra)) for row in offer.proposals))


@pytest.mark.parametrize(
    "extra",
    [
        Transform(TransformType.ENCR, 12, 512),
        Transform(TransformType.ENCR, 12),
        Transform(TransformType.ENCR, 1024, 256),
        Transform(TransformType.KE, 14, unknown=True),
        Transform(TransformType.ADDITIONAL_KE_1, 0),
        Transform(TransformType.INTEG, 0),
    ],
    ids=str,
)
def test_transforms_that_are_not_known_are_passed_over(extra: Transform) -> None:
    choice = negotiation.choose_ike([setting()], with_transform(negotiation.ike_offer([setting()]), extra))
    assert choice is not None
    assert (choice.encryption, choice.integrity, choice.group.number) == (CBC, MAC256, 19)
    assert len(choice.transforms) == len({row.type for row in choice.transforms})


@pytest.mark.parametrize(
    "extra",
    [Transform(13, 1), Transform(250, 0), Transform(TransformType.ADDITIONAL_KE_1, 36)],
    ids=["unknown type", "private type", "key exchange we do not want"],
)
def test_a_proposal_with_a_type_that_is_not_wanted_is_refused_whole(extra: Transform) -> None:
    assert negotiation.choose_ike([setting()], with_transform(negotiation.ike_offer([setting()]), extra)) is None


def test_an_aead_cipher_goes_with_integrity_none_and_with_no_other() -> None:
    ours, offer = [setting(encryption="aes-gcm-16-256")], negotiation.ike_offer([setting(encryption="aes-gcm-16-256")])
    choice = negotiation.choose_ike(ours, with_transform(offer, Transform(TransformType.INTEG, 0)))
    assert choice is not None
    assert choice.integrity is None
    assert Transform(TransformType.INTEG, 0) in choice.transforms
    assert negotiation.choose_ike(ours, with_transform(offer, Transform(TransformType.INTEG, 12))) is None


def test_additional_key_exchanges_that_may_be_left_out() -> None:
    wants, may = setting(kem=(groups(36),)), setting(kem=((GROUP_BY_NUMBER[36], None),))
    both = negotiation.choose_ike([may], negotiation.ike_offer([wants]))
    assert both is not None
    assert both.additional == groups(36)
    without = negotiation.choose_ike([setting()], negotiation.ike_offer([may]))
    assert without is not None
    assert without.additional == ()
    assert negotiation.choose_ike([setting()], negotiation.ike_offer([wants])) is None
    assert negotiation.choose_ike([wants], negotiation.ike_offer([setting()])) is None
    answered = negotiation.was_offered(negotiation.ike_offer([may]), without.answer())
    assert answered is not None
    assert answered.additional == ()


def test_a_key_exchange_is_not_chosen_twice() -> None:
    ours = [setting(group=(19, 20), kem=(groups(19),))]
    choice = negotiation.choose_ike(ours, negotiation.ike_offer(ours))
    assert choice is not None
    assert (choice.group.number, [row.number for row in choice.additional]) == (20, [19])
    twice = [setting(group=(19,), kem=(groups(19),))]
    assert negotiation.choose_ike(twice, negotiation.ike_offer(twice)) is None
    (row,) = negotiation.explain_ike(twice, negotiation.ike_offer(twice))
    assert row.attribute == "ikev2 additional-key-exchange"


def test_the_spi_of_a_rekeying_is_kept() -> None:
    old, new = b"12345678", b"abcdefgh"
    choice = negotiation.choose_ike([setting()], negotiation.ike_offer([setting()], old))
    assert choice is not None
    assert choice.spi == old
    got = negotiation.was_offered(negotiation.ike_offer([setting()], old), choice.answer(new))
    assert got is not None
    assert got.spi == new
    assert negotiation.was_offered(negotiation.ike_offer([setting()], old), choice.answer()) is None


def test_answers_that_are_no_choice_of_ours() -> None:
    offer = negotiation.ike_offer([setting(group=(19, 14))])
    choice = negotiation.choose_ike([setting()], offer)
    assert choice is not None
    (good,) = choice.answer().proposals
    assert negotiation.was_offered(offer, SaPayload((good,))) is not None
    for bad in (
        (),
        (good, good),
        (replace(good, number=7),),
        (replace(good, protocol=3),),
        (replace(good, transforms=good.transforms[:-1]),),
        (replace(good, transforms=(*good.transforms, Transform(TransformType.KE, 14))),),
        (replace(good, transforms=tuple(row for row in good.transforms if row.type != TransformType.INTEG)),),
        (
            replace(
                good,
                transforms=tuple(
                    Transform(TransformType.KE, 20) if row.type == TransformType.KE else row for row in good.transforms
                ),
            ),
        ),
    ):
        assert negotiation.was_offered(offer, SaPayload(bad)) is None


def test_the_closest_proposal_is_explained_in_words_of_ios() -> None:
    theirs = [
        replace(setting(encryption="3des-cbc", group=(2,)), prfs=(HASH_BY_NAME["sha1"],)),
        replace(setting(group=(14,)), prfs=(HASH_BY_NAME["sha512"],)),
    ]
    rows = negotiation.explain_ike([setting(group=(19, 20))], negotiation.ike_offer(theirs))
    assert [(row.attribute, row.local, row.remote) for row in rows] == [
        ("ikev2 prf", "sha256", "sha512"),
        ("ikev2 group", "19, 20", "14"),
    ]
    des = SaPayload((Proposal(1, 1, b"", (Transform(1, 2), Transform(2, 5), Transform(3, 12), Transform(4, 19))),))
    (row,) = negotiation.explain_ike([setting(encryption="aes-gcm-16-256 aes-cbc-256")], des)
    assert (row.attribute, row.local, row.remote) == ("ikev2 encryption", "aes-cbc-256", "des")
    (row,) = negotiation.explain_ike([setting(kem=(groups(36),))], negotiation.ike_offer([setting()]))
    assert (row.attribute, row.local, row.remote) == ("ikev2 additional-key-exchange 1", "ml-kem-768", "none")


def test_children_are_explained_in_words_of_ios() -> None:
    ours = child(sets=(GCM_SET, CBC_SET), pfs=14)
    offer = negotiation.child_offer(child(sets=(CBC_SET,), pfs=19), SPI, first=False, extended=False)
    (row,) = negotiation.explain_child(ours, offer, first=False, extended=True)
    assert (row.attribute, row.local, row.remote) == ("ipsec pfs", "group14", "group19")
    gcm = child(sets=(TransformSet("G", ENCRYPTION_BY_NAME["aes-gcm-16-128"], None),))
    offer = negotiation.child_offer(gcm, SPI, first=True, extended=False)
    (row,) = negotiation.explain_child(child(sets=(GCM_SET,)), offer, first=True, extended=False)
    assert (row.attribute, row.local, row.remote) == ("ipsec encryption", "esp-gcm 256", "esp-gcm")
    assert negotiation.own_child_offer(ours, first=False, extended=True)[1].local == (
        "encryption esp-aes 256; integrity esp-sha256-hmac; pfs group14; sequence numbers 64 bits, 32 bits"
    )


def test_the_first_child_has_no_key_exchange() -> None:
    pfs = child(sets=(GCM_SET,), pfs=14)
    offer = negotiation.child_offer(pfs, SPI, first=True, extended=True)
    assert TransformType.KE not in {row.type for row in offer.proposals[0].transforms}
    named = negotiation.child_offer(pfs, SPI, first=False, extended=True)
    choice = negotiation.choose_child(pfs, named, first=True, extended=True)
    assert choice is not None
    assert choice.group is None
    assert TransformType.KE not in {row.type for row in choice.transforms}


def test_a_side_without_pfs_accepts_what_the_peer_wants() -> None:
    offer = negotiation.child_offer(child(sets=(GCM_SET,), pfs=31), SPI, first=False, extended=False)
    choice = negotiation.choose_child(child(sets=(GCM_SET,)), offer, first=False, extended=False)
    assert choice is not None
    assert choice.group == GROUP_BY_NUMBER[31]
    back = negotiation.child_offer(child(sets=(GCM_SET,)), SPI, first=False, extended=False)
    assert negotiation.choose_child(child(sets=(GCM_SET,), pfs=31), back, first=False, extended=False) is None


def test_null_encryption_needs_integrity() -> None:
    bare, sealed = (
        TransformSet("N", ENCRYPTION_BY_NAME["null"], None),
        TransformSet("M", ENCRYPTION_BY_NAME["null"], MAC256),
    )
    assert negotiation.child_offer(child(sets=(bare,)), SPI, first=True, extended=False).proposals == ()
    offer = negotiation.child_offer(child(sets=(bare, sealed)), SPI, first=True, extended=False)
    choice = negotiation.choose_child(child(sets=(sealed,)), offer, first=True, extended=False)
    assert choice is not None
    assert choice.transform_set == sealed


def test_a_reserved_or_short_spi_is_no_proposal() -> None:
    for spi in (b"\0\0\0\xff", b"\0\1", b""):
        offer = negotiation.child_offer(child(sets=(GCM_SET,)), spi, first=True, extended=False)
        assert negotiation.choose_child(child(sets=(GCM_SET,)), offer, first=True, extended=False) is None
