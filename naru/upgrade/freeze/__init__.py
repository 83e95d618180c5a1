"""Users' writes refused, and what is under way waited for."""
