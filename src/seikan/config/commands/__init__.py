"""The command table of configuration mode, in the order in which a configuration is written."""

from seikan.config.commands.acl import ACL_COMMANDS
from seikan.config.commands.interface import BASE, SECTION
from seikan.config.commands.ipsec import IPSEC_COMMANDS
from seikan.config.commands.isakmp import ISAKMP_COMMANDS
from seikan.config.commands.routing import OSPF, ROUTES
from seikan.config.commands.stored import LINES, PREAMBLE, STORED_GLOBAL, STORED_INTERFACE, STORED_OTHER, UNSUPPORTED
from seikan.config.commands.system import BANNERS, HOSTNAME, LEAVE, LOGGING
from seikan.config.commands.tunnel import TUNNEL
from seikan.config.grammar import Table

TABLE = Table(
    (
        *PREAMBLE,
        HOSTNAME,
        *LOGGING,
        *STORED_GLOBAL,
        *ISAKMP_COMMANDS,
        *IPSEC_COMMANDS,
        SECTION,
        *BASE,
        *STORED_INTERFACE,
        *TUNNEL,
        *OSPF,
        *STORED_OTHER,
        *ROUTES,
        *ACL_COMMANDS,
        BANNERS,
        *LINES,
        *UNSUPPORTED,
        *LEAVE,
    )
)
