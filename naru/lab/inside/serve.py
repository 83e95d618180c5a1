"""serve.py PORT THREADS MODULE:ATTRIBUTE[()] [ARGUMENTS...]: serves a WSGI application of the release with waitress.

The application may be an attribute or, with (), a factory. sys.argv holds ARGUMENTS only, before the module is
imported: several services read their --config-file from there. Runs on Python 2.7 and 3.
"""

import importlib
import sys


def main():
    port, threads, target = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    module, _, attribute = target.partition(":")
    sys.argv = [module] + sys.argv[4:]
    factory = attribute.endswith("()")
    application = getattr(importlib.import_module(module), attribute[:-2] if factory else attribute)
    if factory:
        application = application()
    import waitress

    waitress.serve(
        application,
        host="127.0.0.1",
        port=port,
        threads=threads,
        max_request_body_size=1 << 40,
        backlog=1024,
        connection_limit=1000,
        channel_timeout=600,
    )


if __name__ == "__main__":
    main()
