"""serve.py ADDRESS PORT THREADS MODULE:ATTRIBUTE[()] [ARGUMENTS...]: serves a release's WSGI application with waitress.

The application may be an attribute or, with (), a factory. sys.argv holds ARGUMENTS only, before the module is
imported: several services read their --config-file from there. Runs on Python 2.7 and 3.
"""

import importlib
import sys


def main():
    address, port, threads, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    module, _, attribute = target.partition(":")
    sys.argv = [module] + sys.argv[5:]
    factory = attribute.endswith("()")
    application = getattr(importlib.import_module(module), attribute[:-2] if factory else attribute)
    if factory:
        application = application()
    import waitress

    waitress.serve(
        application,
        host=address,
        port=port,
        threads=threads,
        max_request_body_size=1 << 40,
        backlog=1024,
        connection_limit=1000,
        channel_timeout=600,
    )


if __name__ == "__main__":
    main()
