"""The show commands: one module a family, each a table of rows over pure renderers."""

from seikan.cli.show import (
    interfaces,
    ip_interface,
    ipsec,
    isakmp,
    session,
)
from seikan.cli.show.command import ShowCommand

SHOW_COMMANDS: tuple[ShowCommand, ...] = (
    *isakmp.COMMANDS,
    *ipsec.COMMANDS,
    *session.COMMANDS,
    *interfaces.COMMANDS,
    *ip_interface.COMMANDS,
)
