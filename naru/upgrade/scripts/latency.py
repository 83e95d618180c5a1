"""latency.py FILE...: says every second how long Neutron's server takes to answer one call, as long as it is read.

Runs on a host of that server by its own Python, 2.7 or 3; FILE are its configuration, of which the message queue is
taken. It asks for a network that does not exist, which changes nothing, by the call that agents make hundreds of times
when they start.
"""

import sys
import time

import oslo_messaging
from neutron_lib import context
from oslo_config import cfg

NOWHERE = "00000000-0000-0000-0000-000000000000"
SECONDS = 60
EVERY = 1.0


def main():
    options = [word for name in sys.argv[1:] for word in ("--config-file", name)]
    cfg.CONF(options, project="neutron", default_config_files=[])
    oslo_messaging.set_transport_defaults("neutron")
    transport = oslo_messaging.get_rpc_transport(cfg.CONF)
    made = getattr(oslo_messaging, "get_rpc_client", oslo_messaging.RPCClient)
    client = made(transport, oslo_messaging.Target(topic="q-plugin", version="1.1"))
    asking = context.get_admin_context_without_session().to_dict()
    while True:
        began = time.time()
        try:
            client.prepare(timeout=SECONDS).call(
                asking, "bulk_pull", resource_type="Network", version="1.0", filter_kwargs={"id": [NOWHERE]}
            )
        except oslo_messaging.MessagingTimeout:
            pass  # what is said is then so many seconds, and it goes on
        seconds = time.time() - began
        sys.stdout.write("%.3f\n" % seconds)
        sys.stdout.flush()
        time.sleep(max(0.0, EVERY - seconds))


if __name__ == "__main__":
    main()
