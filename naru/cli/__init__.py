"""The command line: a file per command group. Only this room prints, reads the terminal and chooses exit codes."""
