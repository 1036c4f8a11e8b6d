"""The command table of configuration mode, in the order in which a configuration is written."""

from seikan.config.commands.acl import ACL_COMMANDS
from seikan.config.commands.crypto_map import CRYPTO_MAPS
from seikan.config.commands.ikev2 import IKEV2_COMMANDS, IKEV2_GLOBAL
from seikan.config.commands.ikev2_keyring import IKEV2_KEYRINGS
from seikan.config.commands.ikev2_profile import IKEV2_PROFILES
from seikan.config.commands.interface import BASE, SECTION, TYPES
from seikan.config.commands.ipsec import IPSEC_COMMANDS
from seikan.config.commands.isakmp import ISAKMP_COMMANDS
from seikan.config.commands.isakmp_profile import ISAKMP_PROFILES
from seikan.config.commands.nat import NAT
from seikan.config.commands.pki import PKI_COMMANDS
from seikan.config.commands.routing import OSPF, ROUTES
from seikan.config.commands.stored import LINES, PREAMBLE, STORED_GLOBAL, STORED_INTERFACE, STORED_OTHER, UNSUPPORTED
from seikan.config.commands.system import BANNERS, DOMAIN_NAME, HOSTNAME, IPV6_ROUTING, LEAVE, LOGGING
from seikan.config.commands.tunnel import ISAKMP_PROFILE, TUNNEL
from seikan.config.grammar import Table

TABLE = Table(
    (
        *PREAMBLE,
        HOSTNAME,
        *LOGGING,
        *DOMAIN_NAME,
        IPV6_ROUTING,
        *STORED_GLOBAL,
        *PKI_COMMANDS,
        *IKEV2_COMMANDS,
        *IKEV2_KEYRINGS,
        *IKEV2_PROFILES,
        *IKEV2_GLOBAL,
        *ISAKMP_COMMANDS,
        *ISAKMP_PROFILES,
        *IPSEC_COMMANDS,
        *CRYPTO_MAPS,
        SECTION,
        TYPES,
        *BASE,
        *STORED_INTERFACE,
        *TUNNEL,
        ISAKMP_PROFILE,
        *OSPF,
        *STORED_OTHER,
        *NAT,
        *ROUTES,
        *ACL_COMMANDS,
        BANNERS,
        *LINES,
        *UNSUPPORTED,
        *LEAVE,
    )
)
