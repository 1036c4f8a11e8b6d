"""Files that take long, with the seconds that each takes: they are begun first, so that none is left at the end.

With `--dist loadfile` each file runs in one process; `make test` keeps the order in which they were collected. A file
that is not here is taken to be short. `pytest --durations=0` tells what to write.
"""

from __future__ import annotations

SECONDS = {
    "interop/test_charon.py": 245,
    "interop/test_stories_machine.py": 240,
    "lab/test_vti.py": 130,
    "lab/test_hub.py": 115,
    "hub/test_churn.py": 110,
    "interop/test_stories_outside.py": 85,
    "daemon/test_gre.py": 90,
    "interop/test_charon_hub.py": 85,
    "daemon/test_dynamic_vti_peers.py": 80,
    "daemon/test_dynamic_vti_changes.py": 75,
    "ike/pair/test_ikev2_schedules.py": 75,
    "daemon/test_crypto_maps_peers.py": 70,
    "interop/test_charon_map.py": 70,
    "daemon/test_life.py": 70,
    "lab/test_migrate.py": 65,
    "interop/test_charon_gre.py": 60,
    "daemon/test_gre_keepalive.py": 60,
    "daemon/test_dynamic_vti.py": 60,
    "daemon/test_crypto_maps_dynamic.py": 50,
    "daemon/test_crypto_maps_closed.py": 50,
    "daemon/test_paths.py": 45,
    "plane/test_userspace_netns.py": 40,
    "ike/pair/test_churn.py": 40,
    "ike/pair/test_schedules.py": 30,
    "ike/pair/test_ikev2_churn.py": 20,
    "config/test_corpus.py": 40,
    "cli/show/test_properties.py": 40,
    "lab/test_networks.py": 35,
    "daemon/test_cannot.py": 35,
    "daemon/test_crypto_maps_interfaces.py": 35,
    "system/test_frr.py": 35,
    "cli/test_corpus.py": 30,
    "config/test_migrate_packets.py": 30,
    "daemon/test_examples.py": 30,
    "config/test_render.py": 25,
    "daemon/test_gre_shared.py": 25,
    "daemon/test_terminals.py": 25,
    "daemon/test_crypto_maps_packets.py": 22,
    "daemon/test_recursion.py": 20,
    "interop/test_tshark.py": 20,
    "lab/test_explain.py": 17,
}
