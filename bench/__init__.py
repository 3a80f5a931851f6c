"""How fast the product is, each figure beside its floor: ``python -m bench``."""
