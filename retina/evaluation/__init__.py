"""How far a model can be trusted, in figures."""
