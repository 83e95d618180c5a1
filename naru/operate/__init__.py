"""What an operator does to the hosts of a cloud that runs."""
