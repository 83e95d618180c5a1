"""What is to be known of each kind, a module each: how it is declared, planned, and written into a file."""
