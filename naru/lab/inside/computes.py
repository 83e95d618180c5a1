"""computes.py DIRECTORY HOST[,HOST...] --config-file FILE: many fake compute hosts, one process each, forked from one.

Nova is imported once and its pages are shared, so that fifty hosts fit on a small machine. DIRECTORY/HOST.conf is what
differs. Runs on Python 2.7 and 3.
"""

import os
import sys


def main():
    directory, hosts, arguments = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
    from nova.cmd import compute

    # Nova only loads drivers of its own package
    import naru_virt
    import nova.virt

    if len(hosts) > 1:
        # imported before the fork so that all hosts share it. How often it does what, it reads when it is imported:
        # that is as usual then, whatever the configuration says
        import nova.compute.manager

    sys.modules["nova.virt.naru"] = naru_virt
    nova.virt.naru = naru_virt
    for host in hosts:
        if os.fork() == 0:
            sys.argv = ["nova-compute"] + arguments + ["--config-file", os.path.join(directory, host + ".conf")]
            sys.exit(compute.main())
    while True:
        try:
            os.wait()
        except OSError:  # no child is left
            return 1


if __name__ == "__main__":
    sys.exit(main())
