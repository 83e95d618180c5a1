"""What becomes of each kind of thing: a module each, with the rules that make its decisions and steps."""
