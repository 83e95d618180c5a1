"""What OpenStack stands on, run by the lab itself from the distribution's packages: MariaDB, RabbitMQ, memcached."""
