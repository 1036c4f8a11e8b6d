"""The show commands: one module a family, each a table of rows over pure renderers."""

from seikan.cli.show import (
    access_lists,
    admission,
    crypto_map,
    diagnosis,
    ikev2,
    interfaces,
    ip_interface,
    ipsec,
    ipsec_sa,
    isakmp,
    ospf,
    ospf_database,
    pki,
    routing,
    session,
    system,
)
from seikan.cli.show.command import ShowCommand

SHOW_COMMANDS: tuple[ShowCommand, ...] = (
    *isakmp.COMMANDS,
    *ikev2.COMMANDS,
    *diagnosis.COMMANDS,
    *pki.COMMANDS,
    *ipsec_sa.COMMANDS,
    *ipsec.COMMANDS,
    *crypto_map.COMMANDS,
    *admission.COMMANDS,
    *session.COMMANDS,
    *interfaces.COMMANDS,
    *ip_interface.COMMANDS,
    *routing.COMMANDS,
    *ospf.COMMANDS,
    *ospf_database.COMMANDS,
    *system.COMMANDS,
    *access_lists.COMMANDS,
)
