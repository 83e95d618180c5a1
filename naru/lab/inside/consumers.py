"""consumers.py QUEUE...: whether somebody consumes one of the queues of the broker at $NARU_TRANSPORT_URL.

Exit code 0 when so, 1 when not. For services that report no heartbeat anywhere. Runs on Python 2.7 and 3.
"""

import os
import sys

import amqp
import kombu


def main():
    url = os.environ["NARU_TRANSPORT_URL"].replace("rabbit://", "pyamqp://", 1)
    with kombu.Connection(url) as connection:
        for queue in sys.argv[1:]:
            try:
                if connection.channel().queue_declare(queue, passive=True).consumer_count:
                    return 0
            except amqp.NotFound:
                pass
    return 1


if __name__ == "__main__":
    sys.exit(main())
