"""run_swift.py DIRECTORY PROGRAM [ARGUMENTS...]: runs a program of Swift with DIRECTORY/swift.conf.

Swift reads /etc/swift/swift.conf, which two clouds of one machine cannot share; before 2021 nothing in its
configuration says otherwise, and later only for the servers. Runs on Python 2.7 and 3.
"""

import runpy
import sys


def main():
    directory, program = sys.argv[1], sys.argv[2]
    sys.argv = sys.argv[2:]
    from swift.common import utils

    utils.set_swift_dir(directory)
    from swift.common import storage_policy

    storage_policy.reload_storage_policies()
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
