"""consumers.py QUEUE...: whether somebody consumes one of the queues of the broker at $NARU_TRANSPORT_URL, or of the
cluster whose members it lists.

Exit code 0 when so, 1 when not. For services that report no heartbeat anywhere. Runs on Python 2.7 and 3.
"""

import os
import sys

import amqp
import kombu


def urls():
    """A URL for each member: "rabbit://USER:PASSWORD@HOST:PORT,USER:PASSWORD@HOST:PORT/VHOST" names several."""
    members, _, vhost = os.environ["NARU_TRANSPORT_URL"].replace("rabbit://", "", 1).partition("/")
    return ["pyamqp://%s/%s" % (member, vhost) for member in members.split(",")]


def consumed(url):
    with kombu.Connection(url, connect_timeout=5) as connection:
        for queue in sys.argv[1:]:
            try:
                if connection.channel().queue_declare(queue, passive=True).consumer_count:
                    return True
            except amqp.NotFound:
                pass
    return False


def main():
    failure = None
    for url in urls():
        try:
            return 0 if consumed(url) else 1
        except EnvironmentError as error:  # this member is not there
            failure = error
    raise failure


if __name__ == "__main__":
    sys.exit(main())
