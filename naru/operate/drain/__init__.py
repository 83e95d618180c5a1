"""A compute host emptied for maintenance, and given back: what an operator does in order is in `phases`."""
