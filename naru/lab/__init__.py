"""Real OpenStack clouds of any release on one machine, as plain processes on loopback, to rehearse and test on."""
